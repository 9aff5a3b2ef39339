//go:build darwin || freebsd

package platforms

import "os"

// ByImage reports whether a program can be started by its open descriptor; here it cannot, so the
// file is started by its path, in a folder only its owner can write, and hashed again after.
func ByImage() bool { return false }

func imagePath(f *os.File) string { return f.Name() }

func startProcess(path string, args []string, attr *os.ProcAttr, _ bool) (*os.Process, error) {
	return os.StartProcess(path, args, attr)
}

// Sweep has nothing to do where orphans go to init.
func (f *Family) Sweep(bool, func(int) bool) int { return 0 }
