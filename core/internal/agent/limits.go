package agent

import (
	"fmt"
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/plugin"
	"github.com/limpet-monitoring/limpet/platforms/boxfile"
)

// leastRunMemory is what a run may have on the smallest box.
const leastRunMemory = 256 << 20

// openSlots makes the cgroups that runs take place in, as the box file limited them when the agent started. Where there are none, runs do without.
func (a *agent) openSlots() {
	if use := a.box.Cgroups; use != nil && !*use {
		return
	}
	limits := plugin.Limits{Memory: a.box.Limit.Run.Memory, Processes: a.box.Limit.Run.Processes}
	switch {
	case limits.Memory < 0: // none
		limits.Memory = 0
	case limits.Memory == 0: // a quarter of the box, so that what leaks does not take the box along
		limits.Memory = max(int64(a.facts.Load().MemoryBytes/4), leastRunMemory)
	}
	switch {
	case limits.Processes < 0:
		limits.Processes = 0
	case limits.Processes == 0:
		limits.Processes = plugin.DefaultProcesses
	}
	slots, err := plugin.OpenSlots(limits)
	if err != nil {
		a.log.Info("plugins run without a cgroup of their own", "why", err)
		return
	}
	a.slots = slots
	held := slots.Held()
	a.log.Info("plugins run in cgroups", "memory", held.Memory, "processes", held.Processes)
}

// notHeld says which limits of the box file nobody holds, one line each.
func (a *agent) notHeld() (lines []string) {
	held := a.slots.Held()
	for _, l := range []struct {
		name        string
		asked, held bool
	}{
		{"limit.run_memory", a.box.Limit.Run.Memory > 0, held.Memory > 0},
		{"limit.run_processes", a.box.Limit.Run.Processes > 0, held.Processes > 0 || a.slots != nil},
	} {
		if l.asked && !l.held {
			lines = append(lines, fmt.Sprintf("%s %s: this system does not let the agent hold plugins to it", a.o.Layout.BoxFile(), l.name))
		}
	}
	return lines
}

func rlimits(l boxfile.Run) plugin.Rlimits {
	out := plugin.Rlimits{}
	for name, value := range map[string]int64{"cpu": int64((l.CPU + time.Second - 1) / time.Second), "files": int64(l.Files), "file_size": l.FileBytes} {
		if value > 0 {
			out[name] = uint64(value)
		}
	}
	return out
}
