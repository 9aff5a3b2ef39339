//go:build unix && !linux

package plugin

import "os"

// program is what to execute, and the descriptors it starts with.
func (s Spec) program(stdin, stdout, stderr *os.File) (path string, files []*os.File) {
	return s.Path, []*os.File{stdin, stdout, stderr}
}
