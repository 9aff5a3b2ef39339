package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

// TestNoSignalsAreNone, where a system has none of a kind.
func TestNoSignalsAreNone(t *testing.T) {
	none, one := heed(nil), make(chan os.Signal, 1)
	signal.Notify(one, syscall.SIGWINCH)
	if err := syscall.Kill(os.Getpid(), syscall.SIGWINCH); err != nil {
		t.Fatal(err)
	}
	<-one
	if signal.Stop(one); len(none) > 0 { // Stop waits until all have been told
		t.Error("a signal that nobody asked for")
	}
}

// TestTheWatchdogIsPatted in time: a tick before half of what the init system allows is over.
func TestTheWatchdogIsPatted(t *testing.T) {
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "init"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	t.Setenv("NOTIFY_SOCKET", socket.LocalAddr().String())
	t.Setenv("WATCHDOG_USEC", "20000000")
	inVirtualTime(t, onOne(), func(b *led) {
		b.start().ready()
		b.pass(20 * time.Second) // after one, four and seven ticks
	})
	var got []string
	for len(got) == 0 || got[len(got)-1] != "STATUS=stopped" {
		said := make([]byte, 100)
		if err := socket.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		n, err := socket.Read(said)
		if err != nil {
			t.Fatalf("%q, then %v", got, err)
		}
		got = append(got, string(said[:n]))
	}
	if n := strings.Count(strings.Join(got, "\n"), "WATCHDOG=1"); n != 3 {
		t.Errorf("%q", got)
	}
}

// TestSupervise is the service process itself: its lock, its signals, its core, and what it tells the init system.
func TestSupervise(t *testing.T) {
	b := emptyBox(t)
	sectors, _, _ := boot.Load(fsys.Disk{}, records(b.Layout))
	core := b.place(1, coreBytes(t, ""))
	_, err := sectors.Save(boot.Record{Good: core, Factory: core})
	b.must(err)
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(b.Run(), "init"), Net: "unixgram"})
	b.must(err)
	defer socket.Close()
	t.Setenv("NOTIFY_SOCKET", socket.LocalAddr().String())
	ours := make(chan os.Signal, 10)
	signal.Notify(ours, syscall.SIGTERM, syscall.SIGHUP) // whatever becomes of the stub, they do not end the test
	processors, percent, mask := runtime.GOMAXPROCS(2), debug.SetGCPercent(100), syscall.Umask(0o077)
	defer func() {
		signal.Reset()
		runtime.GOMAXPROCS(processors)
		debug.SetGCPercent(percent)
		syscall.Umask(mask)
		b.must(unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0))
	}()
	defer func() { _ = platforms.SetOOMScore(0, 0) }()
	var log bytes.Buffer
	ended := make(chan error, 1)
	go func() { ended <- supervise(b.Layout, &log) }()
	heard := func(want string) {
		t.Helper()
		b.must(socket.SetReadDeadline(time.Now().Add(patience)))
		for got := make([]byte, 100); ; {
			n, err := socket.Read(got)
			if err != nil {
				t.Fatalf("%s is not heard: %v", want, err)
			}
			if string(got[:n]) == want {
				return
			}
		}
	}
	tell := func(s syscall.Signal) { b.must(syscall.Kill(os.Getpid(), s)) }
	heard("READY=1")
	heard("STATUS=running")
	if code, text := codeOf(supervise(b.Layout, io.Discard)); code != exitSecondStub {
		t.Errorf("a second one: %d %s", code, text)
	}
	if n := runtime.GOMAXPROCS(0); n != 1 {
		t.Errorf("on %d processors", n)
	}
	if n := debug.SetGCPercent(-1); n != 20 { // and nothing but the stub itself closes a file from now on
		t.Errorf("memory may grow by %d %%", n)
	}
	if m := syscall.Umask(0o022); m != 0o022 {
		t.Errorf("umask %o", m)
	}
	// An orphan becomes the stub's child, and is taken when it ends.
	out, _ := exec.Command("sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!").Output() // the stub may have taken it before it is waited for
	orphan, err := strconv.Atoi(strings.TrimSpace(string(out)))
	b.must(err)
	if data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", orphan)); err != nil || !strings.Contains(string(data), fmt.Sprintf("PPid:\t%d\n", os.Getpid())) {
		t.Errorf("the orphan's parent: %s %v", data, err)
	}
	b.must(syscall.Kill(orphan, syscall.SIGKILL))
	b.until("the orphan is taken", func() bool { return !alive(orphan) })
	tell(syscall.SIGHUP)
	b.until("it reloads", func() bool { return b.logged("msg=reload") })
	tell(syscall.SIGTERM)
	heard("STOPPING=1")
	select {
	case err := <-ended:
		b.must(err)
	case <-time.After(patience):
		t.Fatal("it does not stop")
	}
	if held, err := platforms.Held(b.StubLock()); held || err != nil {
		t.Errorf("it holds its lock: %v", err)
	}
	if b.view().state != stopped || !strings.Contains(log.String(), "stub stopped") || strings.Contains(log.String(), "orphans") {
		t.Errorf("%v\n%s", b.view().state, &log)
	}
	file := filepath.Join(b.Root, "file")
	b.must(fsys.WriteNew(fsys.Disk{}, file, nil, 0o600))
	l, err := platforms.At(file)
	b.must(err)
	if err := supervise(l, io.Discard); err == nil {
		t.Error("it runs below what is no folder")
	}
}
