//go:build linux

package main

import (
	"bytes"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// rate is what a while of running a plugin came to.
type rate struct {
	runs uint64
	took time.Duration
	cpu  time.Duration // user and system, of the agent and of what it ran
}

func (r rate) perSecond() float64 { return float64(r.runs) / max(r.took, 1).Seconds() }

func (r rate) cpuPerRun() time.Duration { return r.cpu / time.Duration(max(r.runs, 1)) }

// bare runs a plugin with os/exec as fast as that goes: own session, two pipes, so many at a time.
func bare(plugin string, side int, during time.Duration) rate {
	before := rusage()
	start := time.Now()
	var n atomic.Uint64
	var wg sync.WaitGroup
	for range side {
		wg.Go(func() {
			for time.Since(start) < during {
				var out, errs bytes.Buffer
				cmd := exec.Command(plugin)
				cmd.Stdout, cmd.Stderr = &out, &errs
				cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
				if cmd.Run() == nil && out.Len() == 3 {
					n.Add(1)
				}
			}
		})
	}
	wg.Wait()
	return rate{n.Load(), time.Since(start), rusage() - before}
}

// rusage is the user and system time of this process and of the children it has waited for.
func rusage() time.Duration {
	var sum time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if syscall.Getrusage(who, &u) == nil {
			sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return sum
}
