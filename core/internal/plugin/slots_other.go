//go:build !linux

package plugin

import "time"

// Close takes the slots away.
func (s *Slots) Close() {}

// Used is what all runs in slots have used of the processors, where slots count it.
func (s *Slots) Used() time.Duration { return 0 }

func (x *slot) charged() bool { return false }

func (s *Slots) most() int { return 0 }

func (s *Slots) take() *slot { return nil }

func (s *Slots) give(*slot) {}

func (s *Slots) drop(*slot) {}

func (s *Slots) rest() {}

func (x *slot) strike() strike { return strike{} }

func (x *slot) counted() bool { return false }

func (x *slot) crowded() bool { return false }

func slotFails(error) bool { return false }

// Beside has nothing to make here.
func (s *Slots) Beside(string) (string, error) { return "", nil }

// ClearBeside has nothing to take away.
func (s *Slots) ClearBeside(string) {}
