package cgroup

import (
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/builtin/procfs"
)

// maxFile bounds what is read of one file; memory.stat, the longest, has some 2 KiB.
const maxFile = 64 << 10

// again is how long a limit that is nowhere is not looked for again: that is a dozen files in a service's cgroup, and nobody sets one every day.
const again = time.Minute

// Finder looks limits up below the given roots. It is for one goroutine. One that is set where there was none is found within a minute.
type Finder struct {
	Proc, Sys string // where procfs and sysfs are mounted
	read      procfs.Reader

	noMemory, noCPU time.Time // until when there is none
}

// Memory gives the memory limit that binds this process. A box without cgroups has none.
func (f *Finder) Memory() (found Memory) {
	if now := time.Now(); now.After(f.noMemory) {
		if found = f.memory(); found.Scope == None {
			f.noMemory = now.Add(again)
		}
	}
	return found
}

func (f *Finder) memory() Memory {
	defer f.read.Done()
	top, place, v1, ok := f.hierarchy("memory")
	if !ok {
		return Memory{}
	}
	names := [...]string{"/memory.max", "/memory.current", "inactive_file"}
	if v1 {
		names = [...]string{"/memory.limit_in_bytes", "/memory.usage_in_bytes", "total_inactive_file"}
	}
	var found Memory
	for i, dir := range chain(top, place) {
		limit, err := f.read.Uint(dir + names[0])
		if err != nil || limit >= unlimited || found.Scope != None && limit >= found.Limit {
			continue
		}
		used, err := f.read.Uint(dir + names[1])
		if err != nil {
			continue
		}
		if stat, err := f.read.Read(dir+"/memory.stat", maxFile); err == nil {
			if cache, ok := value(stat, names[2]); ok {
				used -= min(cache, used)
			}
		}
		found = Memory{Scope: scope(i), Limit: limit, Used: used}
		if i == 0 {
			break
		}
	}
	return found
}

// CPU gives the CPU limit that binds this process.
func (f *Finder) CPU() (found CPU) {
	if now := time.Now(); now.After(f.noCPU) {
		if found = f.cpu(); found.Scope == None {
			f.noCPU = now.Add(again)
		}
	}
	return found
}

func (f *Finder) cpu() CPU {
	defer f.read.Done()
	top, place, v1, ok := f.hierarchy("cpu")
	if !ok {
		return CPU{}
	}
	var found CPU
	for i, dir := range chain(top, place) {
		cpus, ok := f.quota(dir, v1)
		if !ok || found.Scope != None && cpus >= found.CPUs {
			continue
		}
		stat, err := f.read.Read(dir+"/cpu.stat", maxFile)
		if err != nil {
			continue
		}
		found = CPU{Scope: scope(i), CPUs: cpus}
		found.Periods, _ = value(stat, "nr_periods")
		found.Throttled, _ = value(stat, "nr_throttled")
		micros, _ := value(stat, "usage_usec")
		found.Used = time.Duration(micros) * time.Microsecond
		if v1 {
			found.Used = f.usage(dir[len(top):])
		}
		if i == 0 {
			break
		}
	}
	return found
}

func scope(i int) Scope {
	if i == 0 {
		return Container
	}
	return Own
}

// quota reads how many CPUs a cgroup may use.
func (f *Finder) quota(dir string, v1 bool) (float64, bool) {
	if !v1 {
		text, err := f.read.Read(dir+"/cpu.max", maxFile)
		if err != nil {
			return 0, false
		}
		return quota(text)
	}
	allowed, err := f.read.Uint(dir + "/cpu.cfs_quota_us") // -1 is no number here: no limit
	if err != nil {
		return 0, false
	}
	period, err := f.read.Uint(dir + "/cpu.cfs_period_us")
	if err != nil || period == 0 || allowed == 0 {
		return 0, false
	}
	return float64(allowed) / float64(period), true
}

// usage reads v1's used CPU time, which another controller holds, often mounted together with it.
func (f *Finder) usage(place string) time.Duration {
	for _, mount := range [...]string{"/fs/cgroup/cpu", "/fs/cgroup/cpuacct"} {
		if nanos, err := f.read.Uint(f.Sys + mount + place + "/cpuacct.usage"); err == nil {
			return time.Duration(nanos)
		}
	}
	return 0
}

// hierarchy gives where a controller's hierarchy is mounted and the place of this process in it.
func (f *Finder) hierarchy(controller string) (top, place string, v1, ok bool) {
	text, err := f.read.Read(f.Proc+"/self/cgroup", maxFile)
	if err != nil {
		return "", "", false, false
	}
	place, v1, ok = path(text, controller)
	top = f.Sys + "/fs/cgroup"
	if v1 {
		top += "/" + controller
	}
	return top, place, v1, ok
}
