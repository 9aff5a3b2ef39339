package spawn

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// learn has Start work, as an owner does: by a child of Go's library.
func learn(t *testing.T) {
	t.Helper()
	p, err := os.StartProcess("/bin/true", []string{"true"}, &os.ProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Wait()
	Learn(p.Pid)
}

// outcome is what a program printed and how it ended.
type outcome struct {
	out    string
	child  Child
	status unix.WaitStatus
}

// run starts a program with a pipe as stdout and stderr, and waits for its end.
func run(p Program) (o outcome, err error) {
	null, err := high("/dev/null")
	if err != nil {
		return o, err
	}
	defer unix.Close(null)
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return o, err
	}
	out := os.NewFile(uintptr(ends[0]), "out")
	defer out.Close()
	write, err := unix.FcntlInt(uintptr(ends[1]), unix.F_DUPFD_CLOEXEC, 10)
	unix.Close(ends[1])
	if err != nil {
		return o, err
	}
	p.Files, p.Cgroup = append([]int{null, write, write}, p.Files...), -1
	o.child, err = Start(&p)
	unix.Close(write)
	if err != nil {
		return o, err
	}
	text, err := io.ReadAll(out)
	o.out = string(text)
	poll := []unix.PollFd{{Fd: int32(o.child.PidFD), Events: unix.POLLIN}}
	for {
		if _, e := unix.Poll(poll, 60_000); e != unix.EINTR {
			break
		}
	}
	if poll[0].Revents&unix.POLLIN == 0 {
		err = errors.Join(err, errors.New("the pidfd tells of no end"))
	}
	unix.Close(o.child.PidFD)
	if _, e := unix.Wait4(o.child.PID, &o.status, 0, nil); e != nil {
		err = errors.Join(err, e)
	}
	return o, err
}

// high opens a file above the numbers that a program's own descriptors have.
func high(path string) (int, error) {
	f, err := os.Open(path)
	if err != nil {
		return -1, err
	}
	defer f.Close()
	return unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 10)
}

func shell(script string, more ...string) Program {
	return Program{Path: "/bin/sh", Args: append([]string{"sh", "-c", script}, more...), Env: []string{"PATH=/usr/bin:/bin", "A=b c"}, Dir: "/"}
}

func TestStartWaitsForLearn(t *testing.T) {
	defer fileLimit.Store(fileLimit.Swap(nil))
	if _, err := run(shell("true")); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
}

func TestProgramGetsWhatItIsGiven(t *testing.T) {
	learn(t)
	dir := t.TempDir()
	p := shell(`echo "$0 $1|$A|$(pwd)|$(env | wc -l)"; echo err >&2; exit 7`, "zero", "one two")
	p.Dir = dir
	o, err := run(p)
	if err != nil {
		t.Fatal(err)
	}
	if o.status.ExitStatus() != 7 || !strings.HasPrefix(o.out, "zero one two|b c|"+dir+"|") || !strings.HasSuffix(o.out, "\nerr\n") {
		t.Errorf("got %q, %d", o.out, o.status.ExitStatus())
	}
}

// A program begins as one that Go's library starts: a session of its own, no signal held back or caught, the limit of files from before.
func TestProgramBeginsAsOthersDo(t *testing.T) {
	learn(t)
	const script = `echo "$$ $(ps -o sid= -p $$ 2>/dev/null || cut -d' ' -f6 /proc/$$/stat) $(ulimit -n)"; grep -E '^Sig(Blk|Cgt|Ign)' /proc/self/status; ls -l /proc/self/fd | wc -l`
	o, err := run(shell(script))
	if err != nil {
		t.Fatal(err)
	}
	long, err := longWay(script)
	if err != nil {
		t.Fatal(err)
	}
	first, rest, _ := strings.Cut(o.out, "\n")
	longFirst, longRest, _ := strings.Cut(long, "\n")
	f, l := strings.Fields(first), strings.Fields(longFirst)
	if len(f) != 3 || len(l) != 3 || f[0] != f[1] || f[0] != strconv.Itoa(o.child.PID) || f[2] != l[2] {
		t.Errorf("pid, session and files: got %q, by the library %q", first, longFirst)
	}
	if rest != longRest {
		t.Errorf("got\n%s\nby the library\n%s", rest, longRest)
	}
}

func longWay(script string) (string, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer r.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return "", err
	}
	defer null.Close()
	p, err := os.StartProcess("/bin/sh", []string{"sh", "-c", script}, &os.ProcAttr{Dir: "/", Env: []string{"PATH=/usr/bin:/bin"}, Files: []*os.File{null, w, w}, Sys: &syscall.SysProcAttr{Setsid: true}})
	w.Close()
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(r)
	p.Wait()
	return string(text), err
}

func TestFourthDescriptor(t *testing.T) {
	learn(t)
	file := filepath.Join(t.TempDir(), "said")
	if err := os.WriteFile(file, []byte("fourth"), 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := high(file)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	p := shell("cat <&3")
	p.Files = []int{fd}
	if o, err := run(p); err != nil || o.out != "fourth" {
		t.Errorf("got %q, %v", o.out, err)
	}
}

func TestWhatFailsIsToldAsTheLibraryDoes(t *testing.T) {
	learn(t)
	dir := t.TempDir()
	for name, text := range map[string]string{"noexec": "neither program nor script", "plain": "x"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "plain"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path, dir string
		op        string
		err       error
	}{
		{"/nosuch", "/", "fork/exec", fs.ErrNotExist},
		{"/bin/true", "/nosuch", "chdir", fs.ErrNotExist},
		{filepath.Join(dir, "noexec"), "/", "fork/exec", syscall.ENOEXEC},
		{filepath.Join(dir, "plain"), "/", "fork/exec", fs.ErrPermission},
		{"/bin/true\x00", "/", "", syscall.EINVAL},
	} {
		_, err := run(Program{Path: c.path, Args: []string{"x"}, Dir: c.dir})
		var where *os.PathError
		if !errors.Is(err, c.err) || errors.As(err, &where) != (c.op != "") || c.op != "" && where.Op != c.op {
			t.Errorf("%s in %s: got %v", c.path, c.dir, err)
		}
	}
	if _, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
		t.Errorf("a child is left: %v", err)
	}
}

func TestLowDescriptorsAreLeftToTheLibrary(t *testing.T) {
	learn(t)
	_, err := Start(&Program{Path: "/bin/true", Args: []string{"true"}, Dir: "/", Files: []int{0, 1, 2}, Cgroup: -1})
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
}

// Many at once, while stacks grow and move, garbage is collected and signals come.
func TestStartsSideBySide(t *testing.T) {
	learn(t)
	stop := make(chan struct{})
	var noise sync.WaitGroup
	noise.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
				syscall.Kill(os.Getpid(), syscall.SIGURG)
			}
		}
	})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 100 {
				want := strconv.Itoa(i*1000 + n)
				o, err := run(Program{Path: "/bin/echo", Args: []string{"echo", want}, Dir: "/"})
				if err != nil || o.out != want+"\n" || o.status.ExitStatus() != 0 {
					t.Errorf("got %q, %v, %v; want %s", o.out, o.status, err, want)
					return
				}
			}
		})
	}
	all.Wait()
	close(stop)
	noise.Wait()
}
