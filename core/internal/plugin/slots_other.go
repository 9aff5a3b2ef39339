//go:build !linux

package plugin

// Close takes the slots away.
func (s *Slots) Close() {}

func (s *Slots) most() int { return 0 }

func (s *Slots) take() *slot { return nil }

func (s *Slots) give(*slot) {}

func (s *Slots) giveUp() {}

func (x *slot) strike() strike { return strike{} }

func (x *slot) counted() bool { return false }

func (x *slot) crowded() bool { return false }

func slotFails(error) bool { return false }
