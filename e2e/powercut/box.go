//go:build linux

package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/limpet-monitoring/limpet/e2e/rig"
	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing/tuf"
	"github.com/limpet-monitoring/limpet/updater/boot"
	"github.com/limpet-monitoring/limpet/updater/store"
)

// box is a Limpet below a mounted file system.
type box struct {
	platforms.Layout
	rig   *rig.Rig
	agent *rig.Agent
	stub  *exec.Cmd
	// unsynced has every sync of the stub and its children succeed without being done.
	unsynced bool
}

func newBox(programs, mount string) (*box, error) {
	r := &rig.Rig{Bin: programs, Dir: mount}
	a := r.NewAgent("box")
	l, err := platforms.At(a.Root)
	return &box{Layout: l, rig: r, agent: a}, err
}

// install leaves what bootstrap leaves: the stub's two programs, verified metadata, the factory core, blank records.
func (b *box) install(release string, factory []byte) error {
	if err := b.MakeFolders(); err != nil {
		return err
	}
	for to, name := range map[string]string{filepath.Join(filepath.Dir(b.Fetch()), "limpet"): "limpet", b.Fetch(): "limpet-fetch"} {
		data, err := os.ReadFile(filepath.Join(b.rig.Bin, name))
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, data, 0o755); err != nil {
			return err
		}
	}
	read := func(name string, limit int64) ([]byte, error) {
		return fsys.Read(fsys.Disk{}, filepath.Join(release, filepath.FromSlash(name)), limit)
	}
	root, err := read("1.root.json", 1<<20)
	if err != nil {
		return err
	}
	_, stored, err := tuf.Refresh(tuf.Stored{"root.json": root}, read, time.Now(), tuf.CoreDir("stable", rig.Platform))
	if err != nil {
		return err
	}
	for name, data := range stored {
		if err := os.WriteFile(filepath.Join(b.TrustCore(), name), data, 0o644); err != nil {
			return err
		}
	}
	sum := sha256.Sum256(factory)
	if err := store.In(b.Layout).Place(store.Entry{Counter: 1, Hash: sum}, int64(len(factory)), strings.NewReader(string(factory))); err != nil {
		return err
	}
	return boot.Prepare(fsys.Disk{}, [2]string{b.Record(0), b.Record(1)})
}

// lookAt tells the box which mirror to look at. Its hub never answers.
func (b *box) lookAt(mirror string) error {
	return os.WriteFile(b.BoxFile(), []byte("hub = https://127.0.0.1:9\nmirror = "+mirror+"\n"), 0o644)
}

// record is what the stub holds.
func (b *box) record() (boot.Record, bool) {
	_, r, found := boot.Load(fsys.Disk{}, [2]string{b.Record(0), b.Record(1)})
	return r, found
}

// standing is how far it has come, for a person who looks for what went wrong.
func (b *box) standing() string {
	r, found := b.record()
	stub, _ := os.ReadFile(b.StubLog())
	core, _ := os.ReadFile(b.CoreLog())
	return fmt.Sprintf("record %v: good %d previous %d trial %d tries %d starts %d\nhistory:\n%sstub:\n%score:\n%s", found, r.Good.Counter,
		r.Previous.Counter, r.Trial.Counter, r.Tries, r.Starts, b.past(), stub, core[max(0, len(core)-2000):])
}

func (b *box) past() string {
	text, _ := os.ReadFile(b.History())
	return string(text)
}

// start starts the stub as on a machine that was booted: its boot has an id of its own.
func (b *box) start() error {
	id := make([]byte, 16)
	_, _ = rand.Read(id)
	text := fmt.Sprintf("%x-%x-%x-%x-%x\n", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
	self, err := os.Executable()
	if err != nil {
		return err
	}
	how := asBooted
	if b.unsynced {
		how = asUnsynced
	}
	b.stub = exec.Command(self, how, text, filepath.Join(b.Root, "bin", "limpet"), "run", "--root", b.Root)
	b.stub.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Setpgid: true}
	b.stub.Stderr = io.Discard
	return b.stub.Start()
}

// The first argument of this program where it is to become the stub.
const (
	asBooted   = "-as-booted"
	asUnsynced = "-as-unsynced"
)

// becomeStub puts an id of a boot where programs look for it, in this mount namespace alone, and becomes the stub.
func becomeStub(args []string) error {
	f, err := os.CreateTemp("", "boot-id-")
	if err != nil {
		return err
	}
	if _, err := f.WriteString(args[0]); err != nil {
		return err
	}
	if err := errors.Join(f.Close(), unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), leaveOthers(args[1])); err != nil {
		return err
	}
	err = unix.Mount(f.Name(), "/proc/sys/kernel/random/boot_id", "", unix.MS_BIND, "")
	if err := errors.Join(err, os.Remove(f.Name())); err != nil {
		return err
	}
	return syscall.Exec(args[1], args[1:], os.Environ())
}

// leaveOthers lets go of the file systems of the other boxes, which would be in use for as long as this view of the mounts.
func leaveOthers(program string) error {
	own := filepath.Dir(filepath.Dir(filepath.Dir(filepath.Dir(program)))) // DIR/mounted/box/bin/limpet
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return err
	}
	for _, line := range splitLines(string(mounts)) {
		at := strings.Fields(line)[1]
		if strings.HasPrefix(at, filepath.Dir(own)+"/") && !strings.HasPrefix(at, own+"/") {
			if err := unix.Unmount(at, unix.MNT_DETACH); err != nil {
				return fmt.Errorf("leave %s: %w", at, err)
			}
		}
	}
	return nil
}

// forgetSyncs makes fsync and its like do nothing, and say that they did it, in this process and its children.
func forgetSyncs() error {
	const load, equals, answer = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K
	filter := []unix.SockFilter{{Code: load}} // the number of the call is the first word there is
	calls := []uint32{unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_SYNC, unix.SYS_SYNCFS, unix.SYS_MSYNC}
	for i, call := range calls {
		filter = append(filter, unix.SockFilter{Code: equals, Jt: uint8(len(calls) - i), K: call})
	}
	filter = append(filter, unix.SockFilter{Code: answer, K: unix.SECCOMP_RET_ALLOW}, unix.SockFilter{Code: answer, K: unix.SECCOMP_RET_ERRNO})
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	const allThreads = 1
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, allThreads, uintptr(unsafe.Pointer(&program))); errno != 0 {
		return fmt.Errorf("filter syncs: %w", errno)
	}
	return nil
}

// stop ends the stub as an init system would, and waits until nothing of it is left.
func (b *box) stop(ctx context.Context) error {
	if b.stub == nil {
		return nil
	}
	_ = b.stub.Process.Signal(syscall.SIGTERM)
	overdue := time.AfterFunc(20*time.Second, func() { _ = b.stub.Process.Kill() })
	_ = b.stub.Wait()
	b.stub = nil
	if !overdue.Stop() {
		return errors.New("the stub did not stop within 20 s")
	}
	return rig.Await(ctx, 10*time.Second, "the end of every core", func(context.Context) (bool, error) { return len(b.agent.Cores()) == 0, nil })
}

// ask is a command of the box's owner.
func (b *box) ask(ctx context.Context, words ...string) error {
	_, err := b.rig.Run(ctx, "limpet", append([]string{"--root", b.Root}, words...)...)
	return err
}

// runs is the release that runs as good under the stub that was started last, 0 while none does.
func (b *box) runs() uint64 {
	text, _ := os.ReadFile(b.RunStub())
	var n uint64
	pid, state, role := "", "", ""
	for _, line := range splitLines(string(text)) {
		key, value, _ := strings.Cut(line, " ")
		switch key {
		case "pid":
			pid = value
		case "state":
			state = value
		case "core_role":
			role = value
		case "core_counter":
			_, _ = fmt.Sscan(value, &n)
		}
	}
	if b.stub == nil || pid != strconv.Itoa(b.stub.Process.Pid) || state != "running" || role != "good" { // what a stub before it wrote does not count
		return 0
	}
	return n
}

func splitLines(text string) []string { return strings.Split(strings.TrimSuffix(text, "\n"), "\n") }
