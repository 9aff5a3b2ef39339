//go:build unix

package platforms

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// tree is a process group; its leader is the child.
type tree struct{}

func (tree) close() {}

func (tree) kill(p *os.Process) {
	// ESRCH: all of it is gone. Until Wait returned the id cannot belong to anybody else.
	_ = unix.Kill(-p.Pid, unix.SIGKILL)
	_ = p.Kill()
}

func start(s Spec, files []*os.File) (*os.Process, tree, error) {
	attr := &os.ProcAttr{
		Dir: s.Dir, Env: append([]string{}, s.Env...), Files: files,
		Sys: &syscall.SysProcAttr{Setsid: true},
	}
	if s.Confined && s.User != nil && os.Geteuid() == 0 {
		attr.Sys.Credential = &syscall.Credential{Uid: s.User.UID, Gid: s.User.GID}
	}
	path := s.Path
	if s.Image != nil && ByImage() {
		path = imagePath(s.Image)
	}
	p, err := startProcess(path, s.Args, attr, s.Confined)
	return p, tree{}, err
}

func exitOf(state *os.ProcessState) Exit {
	if w, ok := state.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return Exit{Code: -1, Signal: int(w.Signal())}
	}
	return Exit{Code: state.ExitCode()}
}

// Replace makes this process the given program, by its descriptor where ByImage; it returns only
// when that failed.
func Replace(image *os.File, path string, args, env []string) error {
	if image != nil && ByImage() {
		path = imagePath(image)
	}
	return unix.Exec(path, args, env)
}
