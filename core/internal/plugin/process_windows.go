package plugin

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// process is a plugin that was started inside a job object of its own.
type process struct {
	os    *os.Process
	job   windows.Handle
	slot  *slot
	ended chan struct{}
	state *os.ProcessState

	unheld error // why a limit does not hold
}

// resume lets a process go that was created suspended; there is no documented call that needs no thread handle.
var resume = windows.NewLazySystemDLL("ntdll.dll").NewProc("NtResumeProcess")

// start creates the process suspended, puts it into the job and lets it go, so that nothing it starts is outside.
func start(s Spec, mark string, _ *slot, stdout, stderr writeEnd) (*process, error) {
	if s.User != "" || s.Group != "" {
		return nil, &accountError{s.User, errors.ErrUnsupported}
	}
	path, args, err := command(s.Path, s.Args, firstLine(s.Path), lookInterpreter)
	if err != nil {
		return nil, err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	job, err := newJob(s.Slots.Held())
	if err != nil {
		return nil, err
	}
	dir := s.Dir
	if dir == "" {
		dir = os.Getenv("SystemRoot")
	}
	p, err := os.StartProcess(path, append([]string{path}, args...), &os.ProcAttr{
		Dir:   dir,
		Env:   s.environment(mark),
		Files: []*os.File{null, stdout.File, stderr.File},
		Sys:   &syscall.SysProcAttr{HideWindow: true, CreationFlags: windows.CREATE_SUSPENDED | windows.CREATE_NO_WINDOW | windows.CREATE_NEW_PROCESS_GROUP},
	})
	if err != nil {
		windows.CloseHandle(job)
		return nil, err
	}
	if err := assignAndResume(p, job); err != nil {
		p.Kill()
		p.Wait()
		windows.CloseHandle(job)
		return nil, err
	}
	x := &process{os: p, job: job, ended: make(chan struct{})}
	if s.Nice != 0 || len(s.Rlimits) > 0 {
		x.unheld = errors.New("nice and limits of a process are not for Windows")
	}
	go func() {
		defer close(x.ended)
		x.state, _ = p.Wait()
	}()
	return x, nil
}

// newJob makes a job whose processes end with its last handle: ours. What of them goes beyond the limits cannot be had by them.
func newJob(l Limits) (windows.Handle, error) {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return 0, fmt.Errorf("create job object: %w", err)
	}
	info := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{
		BasicLimitInformation: windows.JOBOBJECT_BASIC_LIMIT_INFORMATION{LimitFlags: windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE},
	}
	if l.Memory > 0 {
		info.BasicLimitInformation.LimitFlags |= windows.JOB_OBJECT_LIMIT_JOB_MEMORY
		info.JobMemoryLimit = uintptr(l.Memory)
	}
	if l.Processes > 0 {
		info.BasicLimitInformation.LimitFlags |= windows.JOB_OBJECT_LIMIT_ACTIVE_PROCESS
		info.BasicLimitInformation.ActiveProcessLimit = uint32(l.Processes)
	}
	_, err = windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation, uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info)))
	if err != nil {
		windows.CloseHandle(job)
		return 0, fmt.Errorf("limit job object: %w", err)
	}
	return job, nil
}

func assignAndResume(p *os.Process, job windows.Handle) error {
	var failed error
	err := p.WithHandle(func(h uintptr) {
		if failed = windows.AssignProcessToJobObject(job, windows.Handle(h)); failed != nil {
			failed = fmt.Errorf("assign to job object: %w", failed)
			return
		}
		if status, _, _ := resume.Call(h); status != 0 {
			failed = fmt.Errorf("resume process: %w", windows.NTStatus(status))
		}
	})
	return errors.Join(err, failed)
}

// maxLeft is how many processes of a job are named, its plugin's own among them.
const maxLeft = 9

// processList is JOBOBJECT_BASIC_PROCESS_ID_LIST with room for some.
type processList struct {
	assigned, listed uint32 // all of them; those that had room
	pids             [maxLeft]uintptr
}

// console is the program that Windows starts beside one that prints; it goes by itself.
const console = "conhost.exe"

// others are the processes of a job without its plugin's own, which may still be among them when it has ended, and without consoles.
func (p *process) others() (left []string) {
	var list processList
	err := windows.QueryInformationJobObject(p.job, windows.JobObjectBasicProcessIdList, uintptr(unsafe.Pointer(&list)), uint32(unsafe.Sizeof(list)), nil)
	if err != nil && !errors.Is(err, windows.ERROR_MORE_DATA) {
		return nil
	}
	for _, pid := range list.pids[:min(list.listed, maxLeft)] {
		if name := programOf(uint32(pid)); int(pid) != p.os.Pid && !strings.EqualFold(name, console) {
			left = append(left, fmt.Sprintf("%s (pid %d)", name, pid))
		}
	}
	if list.assigned > list.listed {
		left = append(left, fmt.Sprintf("and %d more", list.assigned-list.listed))
	}
	return left
}

// programOf is the name of the file that a process runs.
func programOf(pid uint32) string {
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, pid)
	if err != nil {
		return "?"
	}
	defer windows.CloseHandle(h)
	var path [windows.MAX_LONG_PATH]uint16
	size := uint32(len(path))
	if err := windows.QueryFullProcessImageName(h, 0, &path[0], &size); err != nil {
		return "?"
	}
	return filepath.Base(windows.UTF16ToString(path[:size]))
}

// terminate: there is no request to end that programs without a window would hear.
func (p *process) terminate() bool { return false }

func (p *process) kill() { windows.TerminateJobObject(p.job, 1) }

// killRest ends what is left of the job and says so.
func (p *process) killRest() (left, survivors []string) {
	select {
	case <-p.ended:
		left = p.others()
	default: // the plugin itself, which watch has killed
	}
	windows.TerminateJobObject(p.job, 1)
	windows.CloseHandle(p.job)
	return left, nil
}

func (p *process) reapAdopted() {}

// endsSoon is for systems on which that can be waited for at little cost.
func (p *process) endsSoon(time.Duration) bool { return false }

func (p *process) reap(d time.Duration) (ending, bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.ended:
		if p.state == nil {
			return ending{}, false
		}
		return ending{exit: p.state.ExitCode(), spent: p.state.UserTime() + p.state.SystemTime()}, true
	case <-timer.C:
		return ending{}, false
	}
}

func isBusy(err error) bool { return errors.Is(err, windows.ERROR_SHARING_VIOLATION) }

// lookInterpreter finds a program in the PATH, never in the current directory.
func lookInterpreter(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", name, err)
	}
	return path, nil
}
