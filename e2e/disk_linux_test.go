package e2e

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/limpet-monitoring/limpet/e2e/ledger"
	"github.com/limpet-monitoring/limpet/e2e/rig"
)

// TestBufferOnADiskThatTakesNothing has the buffer on a disk of its own, and that disk fill up, or become one that can only be read: the agent lives on and
// is there, also over a death of its core; the hub hears how many results could not be kept, and gets everything that was, once, and all that comes when
// the disk takes something again.
func TestBufferOnADiskThatTakesNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		inNamespace(t)
		return
	}
	t.Parallel()
	tests := map[string]func(t *testing.T){}
	for name, spoil := range map[string]func(s *site, a *rig.Agent, dir string) (mend func()){"full": fill, "read-only": lock} {
		tests[name] = func(t *testing.T) {
			s := newSite(t)
			book, err := ledger.New(s.Dir, "0.2")
			s.must(err)
			a := s.NewAgent("box")
			s.must(a.Bootstrap(s.ctx, s.hub))
			s.must(a.Configure("plugin_dirs = " + book.Plugins()))
			dir := filepath.Join(a.Root, "state", "buffer")
			s.must(os.MkdirAll(dir, 0o700))
			s.must(unix.Mount("tmpfs", dir, "tmpfs", 0, "size=8m,mode=700"))
			t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
			s.must(a.Start())
			t.Cleanup(func() { a.Stop() })
			s.must(s.hub.Apply(s.ctx, ledger.Checks(10, 2)))
			s.await("runs of every check", func() bool { return book.Began() == 12 && presence(s, a) == "online" })

			first := s.spoiled(a, func() (mend func()) { return spoil(s, a, dir) }, func() {
				before := book.Ran()
				s.holds(3*time.Second, "it is there", func() bool { return presence(s, a) == "online" })
				s.await("two runs of each check", func() bool { return book.Ran() >= before+24 }) // the first had begun before
			})
			s.holds(5*time.Second, "it is there", func() bool { return presence(s, a) == "online" })
			second := s.spoiled(a, func() (mend func()) { return spoil(s, a, dir) }, func() {
				core := a.CorePID()
				s.must(a.KillCore())
				s.await("another core, and its session", func() bool {
					return a.CorePID() > 1 && a.CorePID() != core && presence(s, a) == "online"
				})
				s.word(a, false)
			})
			s.holds(3*time.Second, "it is there", func() bool { return presence(s, a) == "online" })
			s.must(s.hub.Apply(s.ctx, "defaults: false\nchecks: []\n"))
			s.must(ledger.Settle(s.ctx, s.Rig, a))
			tally, err := book.Count(s.ctx, s.hub, a.Fingerprint(), time.Hour)
			s.must(err)
			refused, lost, killed := s.refused(a), 0, 0
			t.Logf("%d ran, %d arrived, %d told as lost, %d told as not kept, %d of none of these", tally.Ran, tally.Arrived, tally.Told, refused, len(tally.Lost))
			if len(tally.Doubled)+len(tally.Strange) > 0 {
				t.Errorf("doubled %v, strange %v", tally.Doubled, tally.Strange)
			}
			for _, word := range tally.Lost {
				switch {
				case first.holds(word):
					lost++
				case second.holds(word):
					killed++
				default:
					t.Errorf("lost while the disk was well: %s", word)
				}
			}
			if lost+killed > refused+inFlight && name == "full" {
				t.Errorf("%d lost, and %d of a core that was killed; %d told as not kept", lost, killed, refused)
			}
			if waited := name == "read-only"; waited && lost > 0 || !waited && (lost == 0 || lost > refused) { // where no file can be opened results wait in memory
				t.Errorf("%d lost while the core lived, %d told as not kept; of %v, spoiled %v and %v", lost, refused, tally.Lost, first, second)
			}
		}
	}
	sideBySide(t, tests)
}

// inFlight is how many runs a kill may hit: a full disk takes no start mark of them.
const inFlight = 12

// TestStateOnADiskThatTakesNothing has everything that an agent writes on such a disk. Full: another core, killed in its midst, comes to a session with a hub that was away, and what lies in the buffer
// goes there. Read-only, as after a reboot that found a fault in the file system: the agent starts, runs its checks and is there; what waited in memory is kept once the disk takes
// something, and `limpet status` is whole again.
func TestStateOnADiskThatTakesNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		inNamespace(t)
		return
	}
	t.Parallel()
	s := newSite(t)
	book, err := ledger.New(s.Dir, "0.2")
	s.must(err)
	a := s.NewAgent("box")
	dir := filepath.Join(a.Root, "state")
	s.must(os.MkdirAll(dir, 0o711))
	s.must(unix.Mount("tmpfs", dir, "tmpfs", 0, "size=48m,mode=711"))
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	s.must(a.Bootstrap(s.ctx, s.hub))
	s.must(a.Configure("plugin_dirs = " + book.Plugins()))
	s.must(a.Start())
	t.Cleanup(func() { a.Stop() })
	s.must(s.hub.Apply(s.ctx, ledger.Checks(10, 2)))
	s.await("runs of every check", func() bool { return book.Began() == 12 && presence(s, a) == "online" })

	s.must(s.hub.Stop())
	full := s.spoiled(a, func() (mend func()) { return fill(s, a, dir) }, func() {
		core := a.CorePID()
		s.must(a.KillCore())
		s.must(s.hub.Start(s.ctx))
		s.await("a session of the next core", func() bool {
			return !slices.Contains(a.Cores(), core) && presence(s, a) == "online" && s.waiting(a) == 0
		})
	})

	s.must(a.Stop())
	s.must(unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, "size=48m,mode=711"))
	s.must(a.Start())
	s.await("a session from a disk that is read-only", func() bool { return presence(s, a) == "online" })
	before := book.Ran()
	s.await("runs on it", func() bool { return book.Ran() > before+24 })
	s.must(unix.Mount("", dir, "", unix.MS_REMOUNT, "size=48m,mode=711"))
	s.word(a, true)
	s.must(s.hub.Apply(s.ctx, "defaults: false\nchecks: []\n"))
	s.must(ledger.Settle(s.ctx, s.Rig, a))
	tally, err := book.Count(s.ctx, s.hub, a.Fingerprint(), time.Hour)
	s.must(err)
	t.Logf("%d ran, %d arrived, %d told as lost, %d of none of these", tally.Ran, tally.Arrived, tally.Told, len(tally.Lost))
	if len(tally.Doubled)+len(tally.Strange) > 0 {
		t.Errorf("doubled %v, strange %v", tally.Doubled, tally.Strange)
	}
	for _, word := range tally.Lost {
		if !full.holds(word) {
			t.Errorf("lost while the disk was not full: %s", word)
		}
	}
}

// span is a time by the clock that plugins put into their words.
type span struct{ from, to time.Duration }

// around is what a run may take from its word to its result, with a machine that stands still between the two. What wrote its word when a disk was
// well again had its result still later.
const around = 10 * time.Second

func (p span) holds(word string) bool {
	at := ledger.When(word)
	return at > p.from-around && at < p.to
}

func (s *site) uptime() time.Duration {
	at, err := ledger.Uptime()
	s.must(err)
	return at
}

// spoiled has the disk take nothing while something happens, and says from when to when that was.
func (s *site) spoiled(a *rig.Agent, spoil func() (mend func()), happens func()) span {
	from := s.uptime()
	mend := spoil()
	s.word(a, false)
	happens()
	mend()
	s.word(a, true)
	return span{from, s.uptime()}
}

// fill takes every byte of a disk.
func fill(s *site, _ *rig.Agent, dir string) (mend func()) {
	name := filepath.Join(dir, "filled")
	f, err := os.Create(name)
	s.must(err)
	block := make([]byte, 4<<10)
	for err == nil {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		s.t.Fatal(err)
	}
	s.must(f.Close())
	return func() { s.must(os.Remove(name)) }
}

// lock makes a disk one that can only be read. That cannot be done while a file on it is open for writing: the core dies for it, and the next one, which
// has to wait until then, finds it.
func lock(s *site, a *rig.Agent, dir string) (mend func()) {
	remount := func(flags uintptr) error {
		return unix.Mount("", dir, "", unix.MS_REMOUNT|flags, "size=8m,mode=700")
	}
	s.stopped(a.Stub().Cmd.Process.Pid, func() {
		s.must(a.KillCore())
		s.await("no file is open any more", func() bool { return remount(unix.MS_RDONLY) == nil })
	})
	return func() { s.must(remount(0)) }
}

// keeps says whether the buffer keeps what comes, as status has it; ok is false while there is no status.
func (s *site) keeps(a *rig.Agent) (keeps, ok bool) {
	var st struct {
		Core *struct{ Buffer struct{ Error string } }
	}
	if !s.status(a, &st) || st.Core == nil {
		return false, false
	}
	return st.Core.Buffer.Error == "", true
}

// word waits for status to say so.
func (s *site) word(a *rig.Agent, that bool) {
	s.t.Helper()
	s.await("word of the buffer", func() bool {
		keeps, ok := s.keeps(a)
		return ok && keeps == that
	})
}

var notKept = regexp.MustCompile(`^(\d+) results could not be kept`)

// refused is how many results the hub was told that the agent could not keep.
func (s *site) refused(a *rig.Agent) (n int) {
	var log []struct{ Kind, Fingerprint, Text string }
	s.must(s.hub.Get(s.ctx, "/api/v1/log?limit=1000", &log))
	for _, e := range log {
		if m := notKept.FindStringSubmatch(e.Text); m != nil && e.Fingerprint == a.Fingerprint() {
			k, _ := strconv.Atoi(m[1])
			n += k
		}
	}
	return n
}

// inNamespace runs a test as the root of a user namespace, who may mount.
func inNamespace(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "LIMPET_E2E_BIN="+bin)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}
