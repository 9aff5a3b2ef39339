package main

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/limpet-monitoring/limpet/updater/boot"
)

// initSystem is the socket of one that listens, and what it heard since it was asked last.
func initSystem(t *testing.T) (heard func() []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	raw, err := socket.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOTIFY_SOCKET", path)
	return func() (list []string) {
		for data := make([]byte, 1<<10); ; { // what was sent is there already
			var n int
			var none error
			err := raw.Read(func(fd uintptr) bool {
				n, _, none = unix.Recvfrom(int(fd), data, unix.MSG_DONTWAIT)
				return true
			})
			if err = errors.Join(err, none); err != nil {
				return list
			}
			list = append(list, string(data[:n]))
		}
	}
}

// The status file and the init system hear of what changed, and of nothing else.
func TestPublishSaysWhatChanged(t *testing.T) {
	heard := initSystem(t)
	st := newStage(t, healthy)
	st.settled()
	st.s.publish()
	if got := heard(); len(got) == 0 || got[len(got)-1] != "STATUS=running" {
		t.Errorf("the init system heard %q", got)
	}
	if got := readView(st.RunStub()); !reflect.DeepEqual(got, st.s.view()) {
		t.Errorf("%+v\nis not\n%+v", got, st.s.view())
	}
	st.s.worked, st.shrunk = false, 0
	mustWorld(os.Remove(st.RunStub()))
	if st.s.publish(); st.s.worked || len(heard()) != 0 || readView(st.RunStub()).pid != 0 {
		t.Error("said once more, though nothing changed")
	}
	st.s.last = "hang"
	if st.s.publish(); readView(st.RunStub()).last != "hang" || len(heard()) != 1 {
		t.Error("what changed is not said")
	}
	st.tick()
	st.tick()
	if st.shrunk != 1 {
		t.Errorf("memory was given back %d times for one change", st.shrunk)
	}
}

// A status file that cannot be written is said once, and written as soon as it can be.
func TestPublishWithoutItsFolder(t *testing.T) {
	heard := initSystem(t)
	st := newStage(t, healthy)
	away := st.Run() + ".away"
	mustWorld(os.Rename(st.Run(), away))
	heard()
	for _, last := range []string{"hang", "flood", "flood"} {
		st.s.last = last
		st.s.publish()
	}
	if n := strings.Count(st.log.String(), `msg="status file cannot be written"`); n != 1 || len(heard()) != 0 {
		t.Errorf("said %d times", n)
	}
	mustWorld(os.Rename(away, st.Run()))
	if st.s.publish(); readView(st.RunStub()).last != "flood" {
		t.Error("it is not written")
	}
}

func TestInitSystemThatDoesNotListen(t *testing.T) {
	st := newStage(t, healthy)
	st.log.Reset()
	for socket, said := range map[string]bool{"": false, filepath.Join(t.TempDir(), "nobody"): true} {
		t.Setenv("NOTIFY_SOCKET", socket)
		st.s.init("READY=1")
		if got := strings.Contains(st.log.String(), `msg="init system is not notified"`); got != said {
			t.Errorf("%q: %s", socket, &st.log)
		}
		st.log.Reset()
	}
}

// The watchdog is patted one look before its time is up, and only where there is one.
func TestWatchdogIsPatted(t *testing.T) {
	heard := initSystem(t)
	s := newStage(t, healthy).s
	heard()
	s.patted, s.watchdog = 100*time.Second, 15*time.Second
	for _, step := range []struct {
		now  time.Duration
		pats int
	}{{112499 * time.Millisecond, 0}, {112500 * time.Millisecond, 1}, {112501 * time.Millisecond, 0}, {125 * time.Second, 1}} {
		if s.pat(step.now); len(heard()) != step.pats {
			t.Errorf("at %v", step.now)
		}
	}
	s.watchdog = 0
	if s.pat(time.Hour); len(heard()) != 0 {
		t.Error("nobody asked for it")
	}
}

// The view is what runs, or what would; and what the box does about releases.
func TestView(t *testing.T) {
	st := newStage(t, healthy, healthy)
	v := st.s.view()
	_, one := coreOfWorld(1)
	if want := (coreView{pid: 1001, version: "9.9.1", counter: 1, hash: one.Hash, role: "good"}); v.core != want || v.pid != os.Getpid() || v.version != version ||
		v.bootID == "" || v.state != running || v.since == 0 || v.last != "none" || v.channel != "stable" || v.phase != "" || v.trial != "" {
		t.Errorf("%+v", v)
	}
	st.settled()
	st.slow = true
	st.publishes()
	st.until("the trial is in standby", func() bool { return st.s.swap.next != nil })
	v = st.s.view()
	if v.trial != "9.9.2" || v.newest != "9.9.2" || v.phase != "standby" || v.word != "trial" || v.text != "9.9.2 is on trial" || v.looked != st.wall || v.looks == 0 {
		t.Errorf("%+v", v)
	}
	s := st.s
	s.looking.wish = boot.Wish{Channel: "beta", Pin: "1", Hold: true}
	delete(s.versions, 2)
	s.core = nil
	v = s.view()
	if want := (coreView{version: "9.9.1", counter: 1, hash: one.Hash, role: "good"}); v.core != want || v.trial != "release 2" || v.channel != "beta" || v.pin != "1" || !v.hold {
		t.Errorf("%+v", v)
	}
	s.record = boot.Record{}
	if v := s.view(); v.core != (coreView{}) || v.trial != "" {
		t.Errorf("%+v", v)
	}
}
