//go:build !linux

package cpu

import "github.com/shirou/gopsutil/v4/cpu"

type sampler struct{}

func newSampler(string) sampler { return sampler{} }

func (*sampler) sample() (times, error) {
	list, err := cpu.Times(false)
	if err != nil {
		return times{}, err
	}
	if len(list) == 0 {
		return times{}, errIdle
	}
	t, ticks := list[0], func(seconds float64) uint64 { return uint64(max(0, seconds) * 100) }
	return times{
		user: ticks(t.User + t.Nice), system: ticks(t.System + t.Irq + t.Softirq), idle: ticks(t.Idle), iowait: ticks(t.Iowait),
		steal: ticks(t.Steal),
	}, nil
}
