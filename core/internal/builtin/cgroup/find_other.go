//go:build !linux

package cgroup

// Finder finds nothing here: this system has no cgroups.
type Finder struct {
	Proc, Sys string
}

// Memory gives no limit.
func (*Finder) Memory() Memory { return Memory{} }

// CPU gives no limit.
func (*Finder) CPU() CPU { return CPU{} }
