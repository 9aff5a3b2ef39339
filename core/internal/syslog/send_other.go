//go:build !linux

package syslog

// sender does not exist here yet.
type sender struct{}

func open(string) *sender { return nil }

func (s *sender) Write(line []byte) (int, error) { return len(line), nil }
