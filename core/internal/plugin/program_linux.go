package plugin

import "os"

// program is what to execute, and the descriptors it starts with. A plugin that was opened before is executed by its descriptor, the fourth, which it
// keeps: the interpreter of a script reads it there.
func (s Spec) program(stdin, stdout, stderr *os.File) (path string, files []*os.File) {
	files = []*os.File{stdin, stdout, stderr}
	if s.File == nil {
		return s.Path, files
	}
	return "/proc/self/fd/3", append(files, s.File)
}
