//go:build !linux

package diskio

import (
	"context"
	"slices"
	"strings"

	"github.com/shirou/gopsutil/v4/disk"
)

type sampler struct{}

func newSampler(string, string) sampler { return sampler{} }

func (*sampler) sample(ctx context.Context) ([]counters, error) {
	all, err := disk.IOCountersWithContext(ctx)
	if err != nil {
		return nil, err
	}
	var list []counters
	for name, c := range all {
		list = append(list, counters{
			name: name, reads: c.ReadCount, writes: c.WriteCount, read: c.ReadBytes, written: c.WriteBytes, waited: c.ReadTime + c.WriteTime, working: c.IoTime,
		})
	}
	slices.SortFunc(list, func(a, b counters) int { return strings.Compare(a.name, b.name) })
	return list, nil
}
