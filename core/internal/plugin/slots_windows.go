package plugin

// Slots hold what the job object of each run is limited to.
type Slots struct{ limits Limits }

type slot struct{}

// OpenSlots keeps the limits.
func OpenSlots(l Limits) (*Slots, error) { return &Slots{l}, nil }

// Held says which of the limits the kernel itself holds.
func (s *Slots) Held() Limits {
	if s == nil {
		return Limits{}
	}
	return s.limits
}
