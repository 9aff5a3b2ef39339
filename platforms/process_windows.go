package platforms

import (
	"errors"
	"os"
	"syscall"
)

// tree is a job object; what the child starts is in it too.
type tree struct{ job syscall.Handle }

func (t tree) kill(p *os.Process) {
	if t.job != 0 {
		_, _, _ = terminateJobObject.Call(uintptr(t.job), 1)
	}
	_ = p.Kill()
}

// start puts the child into its job right after it has started: what it starts before that moment is
// not in the job.
func start(s Spec, files []*os.File) (*os.Process, tree, error) {
	attr := &os.ProcAttr{
		Dir: s.Dir, Env: append([]string{}, s.Env...), Files: files,
		Sys: &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP},
	}
	p, err := os.StartProcess(s.Path, s.Args, attr)
	if err != nil {
		return nil, tree{}, err
	}
	job, err := enclose(p.Pid)
	if err != nil {
		_ = p.Kill()
		_, _ = p.Wait()
		return nil, tree{}, err
	}
	return p, tree{job}, nil
}

func enclose(pid int) (syscall.Handle, error) {
	job, err := newJob()
	if err != nil {
		return 0, err
	}
	h, err := syscall.OpenProcess(processSetQuota|processTerminate, false, uint32(pid))
	if err != nil {
		syscall.CloseHandle(job)
		return 0, err
	}
	defer syscall.CloseHandle(h)
	if err := assign(job, h); err != nil {
		syscall.CloseHandle(job)
		return 0, err
	}
	return job, nil
}

// close gives the job up; whatever still runs in it goes on.
func (t tree) close() {
	if t.job != 0 {
		syscall.CloseHandle(t.job)
	}
}

func exitOf(state *os.ProcessState) Exit { return Exit{Code: state.ExitCode()} }

// ByImage reports whether a program can be started by its open descriptor. Here it cannot; a handle
// from fsys.OpenRegular that stays open shares reading only, which keeps the file as it is.
func ByImage() bool { return false }

// AdoptOrphans is not needed: a job holds what its processes start.
func AdoptOrphans() error { return errors.ErrUnsupported }

// Sweep has nothing to do: a job holds what its processes start.
func (f *Family) Sweep(bool, func(int) bool) int { return 0 }

// Replace runs the given program in our place: it has our files, and this process ends with its exit code. It
// returns only when that failed.
func Replace(_ *os.File, path string, args, env []string) error {
	p, err := os.StartProcess(path, args, &os.ProcAttr{Env: env, Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}})
	if err != nil {
		return err
	}
	state, err := p.Wait()
	if err != nil {
		return err
	}
	os.Exit(state.ExitCode())
	return nil
}
