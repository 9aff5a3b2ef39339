//go:build !linux

package swap

import "github.com/shirou/gopsutil/v4/mem"

type sampler struct{}

func newSampler(string) sampler { return sampler{} }

func (*sampler) sample() (area, []area, error) {
	m, err := mem.SwapMemory()
	if err != nil {
		return area{}, nil, err
	}
	return area{total: m.Total, free: min(m.Free, m.Total)}, nil, nil
}
