//go:build !linux

package procs

import (
	"context"
	"strings"

	gopsutil "github.com/shirou/gopsutil/v4/process"
)

type sampler struct{}

func newSampler(string) sampler { return sampler{} }

// letters are the states of gopsutil as ps writes them.
var letters = map[string]byte{
	gopsutil.Running: 'R', gopsutil.Sleep: 'S', gopsutil.Blocked: 'D', gopsutil.Zombie: 'Z', gopsutil.Stop: 'T',
	gopsutil.Idle: 'I', gopsutil.Wait: 'W', gopsutil.Lock: 'D',
}

func (*sampler) sample(ctx context.Context, o options) (counts, error) {
	list, err := gopsutil.ProcessesWithContext(ctx)
	if err != nil {
		return counts{}, err
	}
	var c counts
	for _, p := range list {
		if err := context.Cause(ctx); err != nil {
			return counts{}, err
		}
		var one process
		if states, err := p.StatusWithContext(ctx); err == nil && len(states) > 0 {
			one.state = letters[states[0]]
		}
		if o.command != "" {
			if name, err := p.NameWithContext(ctx); err == nil {
				one.command = []byte(strings.TrimSuffix(name, ".exe"))
			}
		}
		if o.parent >= 0 {
			if parent, err := p.PpidWithContext(ctx); err == nil {
				one.parent = int(parent)
			}
		}
		c.add(o, one)
	}
	return c, nil
}
