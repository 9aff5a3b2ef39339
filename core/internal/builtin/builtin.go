// Package builtin runs the checks that come with the agent: written in Go, in-process, needing no configuration. It owns the
// registry: which checks exist, whether arguments fit them, and a run's deadline; each family of checks is a package of its
// own below it. It schedules nothing, and knows neither buffer nor session: what checks may ask of the agent is in Env.
package builtin

import (
	"runtime"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/dns"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/self"
)

// AgentStats is what only the agent knows about itself; memory and CPU the check measures by itself.
type AgentStats = self.Stats

// Hub is how the agent finds its hub, as the check "dns" wants to know it.
type Hub = dns.Hub

// Env is what checks may ask of the agent. A nil function means that nothing is known; the functions are called from the
// goroutines of runs and must not block.
type Env struct {
	// HubOffset tells how far this box's clock is ahead of the hub's (negative: behind) and the round trip it was measured
	// with; ok is false as long as no session has measured it.
	HubOffset func() (offset, rtt time.Duration, ok bool)
	// Agent tells what the agent knows about itself.
	Agent func() AgentStats
	// Hub tells how the agent finds its hub.
	Hub func() Hub
	// StateDir is where checks keep what must outlive the process, one file each; empty: they keep it in memory.
	StateDir string
	// ProcRoot and SysRoot are where procfs and sysfs are mounted (Linux); empty means /proc and /sys.
	ProcRoot, SysRoot string
}

// How the default checks run.
const (
	defaultEvery   = 10 * time.Second
	defaultTimeout = 10 * time.Second
)

// defaultNames are the default checks, in the order in which they are listed.
var defaultNames = []string{"cpu", "load", "memory", "swap", "disk", "net", "procs", "uptime", "clock", "agent"}

// Defaults gives the checks that run with no configuration: each builtin under its own name, without arguments; on Windows,
// which has no load average, without "load". The slice and its checks are the caller's.
func Defaults() []check.Check {
	list := make([]check.Check, 0, len(defaultNames))
	for _, name := range defaultNames {
		if name == "load" && runtime.GOOS == "windows" {
			continue
		}
		list = append(list, check.Check{
			Name: name, Builtin: name, Every: defaultEvery, Timeout: defaultTimeout, Default: true,
		})
	}
	return list
}
