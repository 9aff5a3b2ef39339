//go:build !linux

package memory

import "github.com/shirou/gopsutil/v4/mem"

type sampler struct{}

func newSampler(string) sampler { return sampler{} }

func (*sampler) sample() (usage, error) {
	m, err := mem.VirtualMemory()
	if err != nil {
		return usage{}, err
	}
	return usage{total: m.Total, available: m.Available, free: m.Free, cached: m.Cached, buffers: m.Buffers}, nil
}
