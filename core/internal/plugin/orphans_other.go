//go:build !linux

package plugin

func coreMark() []string { return nil }

// EndOrphans does nothing here: runs of a core that was killed are found on Linux only. On Windows they end with the core's job handles.
func EndOrphans() []string { return nil }

// WatchOrphans is for Linux.
func WatchOrphans() {}
