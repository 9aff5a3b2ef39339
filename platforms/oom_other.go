//go:build !linux

package platforms

import "errors"

// How readily a system ends a process when memory runs out; only Linux knows.
const (
	OOMStub = iota
	OOMCore
	OOMCollector
	OOMPlugin
)

// SetOOMScore is not known here.
func SetOOMScore(pid, score int) error { return errors.ErrUnsupported }
