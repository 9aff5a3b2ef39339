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
		one.other = o.deep() && !deep(ctx, o, p)
		c.add(o, one)
	}
	return c, nil
}

// deep reads what else the options ask about a process.
func deep(ctx context.Context, o options, p *gopsutil.Process) bool {
	if o.user != nil {
		owner, err := p.UsernameWithContext(ctx)
		if err != nil || owner != o.user.Username {
			return false
		}
	}
	if o.line == "" && o.pattern == nil {
		return true
	}
	line, err := p.CmdlineWithContext(ctx)
	return err == nil && o.wantsLine([]byte(line))
}
