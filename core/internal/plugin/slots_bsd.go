//go:build unix && !linux

package plugin

import "errors"

// Slots are for Linux and Windows: elsewhere a run's tree is known by its process group alone.
type Slots struct{}

type slot struct{}

// OpenSlots has nothing to open here.
func OpenSlots(Limits) (*Slots, error) { return nil, errors.New("this system has no cgroups") }

// Held says which of the limits the kernel itself holds.
func (s *Slots) Held() Limits { return Limits{} }
