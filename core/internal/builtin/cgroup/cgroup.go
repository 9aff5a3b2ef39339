// Package cgroup finds the limits that a container, or the agent's own cgroup, sets to memory and CPU: v1 and v2. It reads and
// decides nothing. /proc/meminfo and /proc/stat show the host even inside a container; these are the numbers that hold there.
package cgroup

import (
	"bytes"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/builtin/procfs"
)

// Scope says whom a limit binds.
type Scope uint8

// Whom a limit binds.
const (
	None      Scope = iota // there is no limit
	Container              // everything this process can see: the top of the visible hierarchy has it
	Own                    // the agent's own cgroup, or one above it; the rest of the box is free
)

// Memory is a memory limit and what is used of it.
type Memory struct {
	Scope Scope
	Limit uint64 // bytes
	Used  uint64 // bytes; page cache that can be dropped at once is not counted
}

// CPU is a CPU limit and what was used of it.
type CPU struct {
	Scope     Scope
	CPUs      float64       // how many CPUs' worth of time it may use
	Used      time.Duration // CPU time used since the cgroup began
	Periods   uint64        // enforcement periods so far
	Throttled uint64        // those of them in which it was held back
}

// unlimited is where v1 begins to mean "no limit": the largest multiple of a page, never a real size.
const unlimited = 1 << 60

// maxDepth bounds the walk from a cgroup up to the top.
const maxDepth = 32

// path gives the path of this process in the hierarchy of a controller, and whether that is a v1 hierarchy. The text is
// /proc/self/cgroup: lines of "ID:CONTROLLERS:PATH".
func path(text []byte, controller string) (path string, v1, ok bool) {
	for len(text) > 0 {
		var line []byte
		line, text = procfs.Line(text)
		_, rest, found := bytes.Cut(line, []byte(":"))
		controllers, place, two := bytes.Cut(rest, []byte(":"))
		if !found || !two || !bytes.HasPrefix(place, []byte("/")) {
			continue
		}
		if len(controllers) == 0 {
			path, ok = string(place), true
			continue
		}
		for name := range bytes.SplitSeq(controllers, []byte(",")) {
			if string(name) == controller {
				return string(place), true, true
			}
		}
	}
	return path, false, ok
}

// chain lists the folders to look for a limit in: the top first, then from the process's own upwards, without the top.
func chain(top, place string) []string {
	list := []string{top}
	place = strings.TrimRight(place, "/")
	for range maxDepth {
		if place == "" || strings.Contains(place, "/..") {
			break
		}
		list = append(list, top+place)
		place = place[:strings.LastIndexByte(place, '/')]
	}
	return list
}

// value finds the number that follows a key in a file of lines "KEY NUMBER".
func value(text []byte, key string) (uint64, bool) {
	for len(text) > 0 {
		var line []byte
		line, text = procfs.Line(text)
		name, rest := procfs.Field(line)
		if string(name) == key {
			field, _ := procfs.Field(rest)
			return procfs.Uint(field)
		}
	}
	return 0, false
}

// quota reads v2's cpu.max: "QUOTA PERIOD" in microseconds, or "max PERIOD".
func quota(text []byte) (cpus float64, ok bool) {
	line, _ := procfs.Line(text)
	first, rest := procfs.Field(line)
	second, _ := procfs.Field(rest)
	allowed, ok1 := procfs.Uint(first)
	period, ok2 := procfs.Uint(second)
	if !ok1 || !ok2 || period == 0 || allowed == 0 {
		return 0, false
	}
	return float64(allowed) / float64(period), true
}
