package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/limpet-monitoring/limpet/updater/boot"
)

// TestStallingMirrors: one that goes silent costs its time, and nothing else. Metadata comes from the next mirror then; a core goes on where
// it stopped.
func TestStallingMirrors(t *testing.T) {
	for name, stalls := range map[string]string{"in its metadata": "/timestamp.json", "in the middle of a core": "limpet-core"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var u *updating
			var silent, resumed atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				resumes := r.Header.Get("Range") != ""
				if !strings.HasSuffix(r.URL.Path, stalls) || resumes {
					if resumes {
						resumed.Add(1)
					}
					http.FileServer(http.Dir(u.dir)).ServeHTTP(w, r)
					return
				}
				silent.Add(1)
				data, _ := os.ReadFile(filepath.Join(u.dir, filepath.FromSlash(r.URL.Path)))
				w.Header().Set("Content-Length", strconv.Itoa(len(data)))
				w.Write(data[:len(data)/2])
				w.(http.Flusher).Flush()
				<-r.Context().Done()
			}))
			t.Cleanup(server.Close)
			u = newUpdating(t)
			u.must(os.WriteFile(u.BoxFile(), []byte("mirror = "+server.URL+", "+u.dir+"\n"), 0o644))
			u.start()
			first := u.untilRunning()
			u.release(2)
			u.limpet("look")
			u.until("it is silent", func() bool { return silent.Load() > 0 })
			u.until("it says what it is at", func() bool { return u.view().phase != "" })
			if v := u.view(); v.core.pid != first.core.pid {
				t.Errorf("%+v", v)
			}
			u.until("commit", func() bool { return u.good1() == 2 })
			if v := u.view(); v.restarts != 0 {
				t.Errorf("%+v", v)
			}
			if stalls == "limpet-core" && resumed.Load() == 0 {
				t.Error("the core was begun anew")
			}
		})
	}
}

// TestLastWeeksMetadata: a mirror that shows an older state than was seen before is refused, and changes nothing.
func TestLastWeeksMetadata(t *testing.T) {
	t.Parallel()
	u := newUpdating(t)
	old := t.TempDir()
	u.must(os.CopyFS(old, os.DirFS(u.dir)))
	u.start()
	first := u.untilRunning()
	u.limpet("hold")
	u.release(2)
	u.limpet("look", "--wait")
	if v := u.view(); v.newest != "9.9.2" {
		t.Fatalf("%+v", v)
	}
	u.must(os.WriteFile(u.BoxFile(), []byte("mirror = "+old+"\n"), 0o644))
	u.limpet("resume")
	u.limpet("look", "--wait")
	v := u.view()
	if r, _ := u.record(); !r.Trial.None() || v.word != "metadata" || !strings.Contains(v.text, "rollback") || v.core.pid != first.core.pid {
		t.Errorf("%+v %+v", v, r)
	}
	u.must(os.WriteFile(u.BoxFile(), []byte("mirror = "+old+", "+u.dir+"\n"), 0o644))
	u.limpet("look")
	u.until("commit", func() bool { return u.good1() == 2 })
}

// TestClockYearsOff: to the box its publisher lives ten years ahead, or ten years or weeks ago. What runs goes on. Ahead, updates come all the
// same; ago, what was signed has expired: the box says so and takes nothing until the publisher signs anew.
func TestClockYearsOff(t *testing.T) {
	for name, days := range map[string]int{"this clock is ten years behind": 3652, "this clock is ten years ahead": -3652, "this clock is weeks ahead": -20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUpdatingOn(t, t.TempDir(), func() time.Time { return time.Now().AddDate(0, 0, days) })
			u.start()
			first := u.untilRunning()
			u.release(2)
			u.limpet("look", "--wait")
			if days > 0 {
				u.until("commit", func() bool { return u.good1() == 2 })
				if w := words(u.view().warnings); !slices.Contains(w, "clock-behind") {
					t.Errorf("warnings %v", w)
				}
				if r, _ := u.record(); r.Time().Before(time.Now().AddDate(0, 0, days-1)) || r.Committed < r.TimeFloor {
					t.Errorf("%+v", r)
				}
				u.release(3)
				u.limpet("look")
				u.until("commit", func() bool { return u.good1() == 3 })
				return
			}
			v := u.view()
			if r, _ := u.record(); !r.Trial.None() || v.core.pid != first.core.pid || v.state != running {
				t.Errorf("%+v %+v", v, r)
			}
			if w := words(v.warnings); v.word != "clock-or-freeze" || !slices.Contains(w, "clock-or-freeze") {
				t.Errorf("%q (%s), warnings %v", v.word, v.text, w)
			}
			// The clocks agree again, to the box: the publisher signs, what has expired of root and targets too.
			u.now = time.Now
			u.repo.RenewDue(time.Now())
			u.release(3)
			u.limpet("look")
			u.until("commit", func() bool { return u.good1() == 3 })
		})
	}
}

// TestFullDisk fills the disk before a look, before a core is placed, and in the middle of a swap: what runs goes on, also over a death of the core,
// what needs no space happens, and the rest is caught up with once there is some.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		inNamespace(t)
		return
	}
	for moment, left := range map[string]int64{"to the last byte": 0, "but for metadata": 512 << 10, "but for one core": 3 << 20, "in standby": -1} {
		t.Run(moment, func(t *testing.T) {
			t.Parallel()
			u := newUpdatingOn(t, smallDisk(t), time.Now)
			cmd := u.start()
			first := u.untilRunning()
			if left < 0 {
				u.release(2)
				u.limpet("look")
				u.until("the trial stands by", func() bool { return strings.Contains(u.heard(), "line successor ") })
				u.fill(0)
				u.until("commit", func() bool { return u.good1() == 2 }) // the record is written in place
				return
			}
			u.fill(left)
			u.release(2)
			if left > 0 {
				u.limpet("look", "--wait")
				if v := u.view(); v.word != "no-space" || v.core.pid != first.core.pid {
					t.Errorf("%q (%s) %+v", v.word, v.text, v)
				}
			} else { // no request can be left there
				u.must(cmd.Process.Signal(syscall.SIGHUP))
				u.must(syscall.Kill(first.core.pid, syscall.SIGKILL))
				u.until("another core", func() bool { now := childOf(cmd.Process.Pid); return now != 0 && now != first.core.pid })
			}
			if r, _ := u.record(); !r.Trial.None() || r.Good != u.good {
				t.Errorf("%+v", r)
			}
			u.must(os.Remove(filepath.Join(u.Root, "filled")))
			u.limpet("look")
			u.until("commit", func() bool { return u.good1() == 2 })
			if r, _ := u.record(); r.Barred[0] != (boot.Bar{}) {
				t.Errorf("%+v", r)
			}
		})
	}
}

// childOf is a core that the stub with this process id runs, 0 for none.
func childOf(stub int) int {
	dir := "/proc/" + strconv.Itoa(stub) + "/task/"
	tasks, _ := os.ReadDir(dir)
	for _, task := range tasks {
		text, _ := os.ReadFile(dir + task.Name() + "/children")
		for _, f := range strings.Fields(string(text)) {
			argv, _ := os.ReadFile("/proc/" + f + "/cmdline")
			if strings.HasPrefix(string(argv), "limpet-core\x00run\x00") {
				pid, _ := strconv.Atoi(f)
				return pid
			}
		}
	}
	return 0
}

// inNamespace runs a test as the root of a user namespace, who may mount.
func inNamespace(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	text, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) {
		t.Skip("this system gives ordinary users no file system of their own; TestDownloadsCannotBeWritten is what is left")
	}
	if err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}

// smallDisk is a file system of 48 MB.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=48m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// fill leaves so many bytes of the box's disk.
func (u *updating) fill(left int64) {
	u.t.Helper()
	f, err := os.Create(filepath.Join(u.Root, "filled"))
	u.must(err)
	defer f.Close()
	var st unix.Statfs_t
	u.must(unix.Statfs(u.Root, &st))
	block := make([]byte, 64<<10)
	for todo := int64(st.Bavail)*int64(st.Bsize) - left; todo > 0; {
		n, err := f.Write(block[:min(todo, int64(len(block)))])
		todo -= int64(n)
		if err != nil {
			if left > 0 || err.(*os.PathError).Err != syscall.ENOSPC {
				u.t.Fatal(err)
			}
			return
		}
	}
}
