//go:build !linux

package platforms

// MuteChildren is for Linux.
func MuteChildren() {}
