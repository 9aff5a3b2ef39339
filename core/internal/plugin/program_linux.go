package plugin

// program is what to execute, and the descriptors it starts with. A plugin that was opened before is executed by its descriptor, the fourth, which it
// keeps: the interpreter of a script reads it there.
func (s Spec) program(stdin int, stdout, stderr writeEnd) (path string, files []int) {
	files = append(make([]int, 0, 4), stdin, int(stdout), int(stderr))
	if s.File == nil {
		return s.Path, files
	}
	return "/proc/self/fd/3", append(files, int(s.File.Fd()))
}
