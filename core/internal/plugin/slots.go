package plugin

import "strconv"

// Limits are what one run may take where the system can hold it to that: on Linux with cgroup slots.
type Limits struct {
	Memory    int64 // bytes, of the whole process tree; 0 = none
	Processes int   // processes and threads at once; 0 = none
}

// DefaultProcesses is what one run may start at once where nobody says otherwise: the largest plugins known (Java, with its threads) need a
// tenth of it, and a plugin that forks without end must not take the box along.
const DefaultProcesses = 512

// strike is what the kernel did to hold a run to its limits.
type strike struct {
	oom   bool   // it killed for the memory limit
	forks uint64 // so many processes it refused
}

// size is a number of bytes for people.
func size(n int64) string {
	switch {
	case n >= 1<<30 && n%(1<<30) == 0:
		return strconv.FormatInt(n>>30, 10) + " GiB"
	case n >= 1<<20:
		return strconv.FormatInt(n>>20, 10) + " MiB"
	default:
		return strconv.FormatInt(n, 10) + " bytes"
	}
}
