//go:build !linux

package platforms

// NameProcess sets the name under which process lists show this process. It does nothing where the system has no such name.
func NameProcess(name string) {}
