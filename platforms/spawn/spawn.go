// Package spawn starts a program in a session of its own with as little work as Linux allows: one vfork whose child makes the ten system
// calls that lead to its program, in assembler, on registers alone. What os.StartProcess does beyond that is not needed here, and costs a
// third of the start of a small program: sixty calls that take the Go runtime's signal handlers away (the kernel does it in one, Linux 5.5),
// a pipe for the child's error (memory is shared until the program begins), and a lock around all starts.
//
// It works on linux/amd64. Elsewhere, on older kernels and where a filter of system calls forbids clone3, Start says errors.ErrUnsupported
// and nothing was started: use os.StartProcess. It does not change the user, and looks for no interpreter.
//
// All descriptors of this process must be close-on-exec from their first moment on, as those of Go's library are on Linux: there is no lock
// that would wait for one that is made so later.
package spawn

// Program is what to start.
type Program struct {
	Path string   // of the file to execute
	Args []string // the first is the program's name
	Env  []string // NAME=VALUE
	Dir  string   // working directory
	// Files become the descriptors 0, 1, 2 and so on, at most four. Each is greater than 3.
	Files  []int
	Cgroup int // descriptor of the cgroup (version 2) that it is started in, -1 = this process's
}

// Child is a program that was started. Both are the caller's: the process to be waited for, the descriptor to be closed.
type Child struct {
	PID   int
	PidFD int // close-on-exec; readable once the process has ended
}

// maxFiles is what the assembler has places for.
const maxFiles = 4
