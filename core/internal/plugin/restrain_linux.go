package plugin

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// limitable are the limits of a process that the box file can set.
var limitable = map[string]int{"cpu": unix.RLIMIT_CPU, "files": unix.RLIMIT_NOFILE, "file_size": unix.RLIMIT_FSIZE, "address_space": unix.RLIMIT_AS}

// restrain holds a process that has just begun to the limits of its spec. What its first microseconds started is not held; a plugin's first
// microseconds are its loader's.
func (s Spec) restrain(pid int) error {
	if s.Nice != 0 {
		if err := unix.Setpriority(unix.PRIO_PGRP, pid, s.Nice); err != nil {
			return fmt.Errorf("set nice: %w", err)
		}
	}
	for name, value := range s.Rlimits {
		limit := unix.Rlimit{Cur: value, Max: value}
		if err := unix.Prlimit(pid, limitable[name], &limit, nil); err != nil {
			return fmt.Errorf("limit %s: %w", name, err)
		}
	}
	return nil
}
