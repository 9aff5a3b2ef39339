package main

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing"
	"github.com/limpet-monitoring/limpet/signing/repo"
	"github.com/limpet-monitoring/limpet/signing/tuf"
	"github.com/limpet-monitoring/limpet/updater/boot"
	"github.com/limpet-monitoring/limpet/updater/store"
)

// programs are built when the first test asks for them: the stub as it is shipped, its hands, a fake core, and what strikes
// at durable calls.
var programs = struct{ stub, core, fetch, strike func() string }{
	built("limpet", "."), built("fakecore", "./testdata/fakecore"), built("limpet-fetch", "./fetch"), built("strike", "./testdata/strike"),
}

// programFolder is where they lie, made and removed by TestMain, unless e2e/mutate keeps one for many runs: none of the
// programs that its selection of tests needs is of the package that it changes.
var programFolder string

func built(name, pkg string) func() string {
	return sync.OnceValue(func() string {
		out := filepath.Join(programFolder, name)
		if _, err := os.Stat(out); err == nil {
			return out // an earlier run of e2e/mutate's built it
		}
		if err := build(out, pkg); err != nil {
			panic(err)
		}
		return out
	})
}

// width is how many tests run side by side.
var width = flag.Int("width", 12, "tests side by side")

// asItself in the environment makes a test program the program that it tests.
const asItself = "AS_LIMPET_ITSELF"

// TestMain runs the tests, or, started as the stub starts its verifier or by asLimpet, is the program.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "verify" || os.Getenv(asItself) != "" {
		if siblings() > 100 {
			panic("a program that starts itself without end")
		}
		main()
		os.Exit(0) // as a program does whose main returns: never on to the tests
	}
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(*width)); err != nil { // they mostly wait for time to pass
		panic(err)
	}
	if programFolder = os.Getenv("MUTATE_KEEP"); programFolder != "" {
		os.Exit(m.Run())
	}
	var err error
	if programFolder, err = os.MkdirTemp("", "limpet-stub-"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(programFolder)
	os.Exit(code)
}

// siblings is how many processes run this test program: one that was changed may start itself without end (e2e/mutate).
func siblings() (n int) {
	own, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return 0
	}
	list, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, name := range list {
		if exe, err := os.Readlink(name); err == nil && exe == own {
			n++
		}
	}
	return n
}

func build(out, pkg string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -buildid= -X main.version=0.0.1-test", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, text)
	}
	return nil
}

// box is a root with signed metadata and a core in it, as limpet-fetch leaves it.
type box struct {
	t *testing.T
	platforms.Layout
	good boot.Core
}

func newBox(t *testing.T) *box {
	b := emptyBox(t)
	b.good = b.place(1, coreBytes(t, ""))
	b.publish(time.Now(), map[uint64][]byte{1: coreBytes(t, "")})
	return b
}

func emptyBox(t *testing.T) *box {
	t.Helper()
	return emptyBoxIn(t, t.TempDir())
}

func emptyBoxIn(t *testing.T, root string) *box {
	t.Helper()
	l, err := platforms.At(root)
	if err != nil {
		t.Fatal(err)
	}
	b := &box{t: t, Layout: l}
	b.leaves()
	b.must(l.MakeFolders())
	b.must(boot.Prepare(fsys.Disk{}, records(l)))
	return b
}

// leaves has the end of the test wait for a fetcher that outlived its stub by a moment: it writes where all is being removed.
func (b *box) leaves() {
	b.t.Cleanup(func() {
		b.until("the fetcher has left", func() bool {
			held, err := platforms.Held(filepath.Join(b.Part(), "lock"))
			return err != nil || !held
		})
	})
}

func (b *box) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// coreBytes is the fake core with something behind its end, so that each is another release.
func coreBytes(t *testing.T, tail string) []byte {
	t.Helper()
	data, err := os.ReadFile(programs.core())
	if err != nil {
		t.Fatal(err)
	}
	return append(data, tail...)
}

func (b *box) place(counter uint64, data []byte) boot.Core {
	b.t.Helper()
	c := boot.Core{Counter: counter, Length: int64(len(data)), Hash: sha256.Sum256(data)}
	alone(func() {
		b.must(store.In(b.Layout).Place(store.Entry{Counter: counter, Hash: c.Hash}, c.Length, bytes.NewReader(data)))
	})
	return c
}

// alone writes programs while nothing here forks: until it executes, a fork holds open what is open for writing, and a program that is run
// meanwhile is said to be busy.
func alone(write func()) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	write()
}

// fetches puts limpet-fetch into the box.
func (b *box) fetches() {
	b.t.Helper()
	program, err := os.ReadFile(programs.fetch())
	b.must(err)
	alone(func() { b.must(os.WriteFile(b.Fetch(), program, 0o755)) })
}

// publish signs releases by their counters, at a time, and stores the metadata as a refresh would.
func (b *box) publish(at time.Time, releases map[uint64][]byte) {
	b.t.Helper()
	keys := map[string]signing.Key{}
	r, err := repo.Create(fsys.Disk{}, b.t.TempDir(), func(role string) (signing.Key, error) {
		if _, ok := keys[role]; !ok {
			key, err := signing.Generate(true)
			if err != nil {
				return key, err
			}
			keys[role] = key
		}
		return keys[role], nil
	}, true)
	b.must(err)
	for counter := uint64(1); counter < 100; counter++ {
		data, ok := releases[counter]
		if !ok {
			continue
		}
		_, err := r.AddRelease(repo.Release{
			Channel: "stable", Version: fmt.Sprintf("9.9.%d", counter), Counter: counter, Floor: 1,
			Soak: 10 * time.Second, Contract: 1,
		}, map[string][]byte{platform: data})
		b.must(err)
	}
	_, err = r.Commit(at)
	b.must(err)
	source := func(name string, max int64) ([]byte, error) { return r.Read(name, max) }
	before := tuf.Stored{"root.json": r.Root()}
	_, after, err := tuf.Refresh(before, source, at, tuf.CoreDir("stable", platform))
	b.must(err)
	for name, data := range after {
		b.must(os.WriteFile(filepath.Join(b.TrustCore(), name), data, 0o644))
	}
}

// mode says how cores behave that start from now on, or answer a command.
func (b *box) mode(mode string) { b.behaves("mode", mode) }

// modeOfStart says how the n-th core behaves that a stub starts, whatever is said of others.
func (b *box) modeOfStart(n int, mode string) { b.behaves(fmt.Sprintf("mode-start-%d", n), mode) }

// behaves writes a mode that whoever reads it finds whole, old or new.
func (b *box) behaves(name, mode string) {
	b.t.Helper()
	path := filepath.Join(b.Etc, name)
	b.must(os.WriteFile(path+".new", []byte(mode), 0o644))
	b.must(os.Rename(path+".new", path))
}

// start starts the stub; what still runs at the end of the test is killed by its id.
func (b *box) start(env ...string) *exec.Cmd {
	b.t.Helper()
	cmd := exec.Command(programs.stub(), "run", "--root", b.Root)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = io.Discard
	b.must(cmd.Start())
	b.t.Cleanup(func() {
		if cmd.ProcessState != nil {
			return
		}
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Process.Signal(syscall.SIGTERM) // twice: does not wait for the core
		overdue := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		overdue.Stop()
	})
	return cmd
}

// stop ends a stub with a signal and returns its exit code.
func stop(t *testing.T, cmd *exec.Cmd, signals ...os.Signal) int {
	t.Helper()
	for _, s := range signals {
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	_ = cmd.Wait()
	return cmd.ProcessState.ExitCode()
}

// patience is how long a test waits for what processes bring about: longer than a busy machine holds them up. How soon something must come is
// judged apart from that.
const patience = 5 * time.Minute

// until waits for a condition that processes bring about.
func (b *box) until(what string, met func() bool) {
	b.t.Helper()
	ticker, deadline := time.NewTicker(5*time.Millisecond), time.After(patience)
	defer ticker.Stop()
	for !met() {
		select {
		case <-ticker.C:
		case <-deadline:
			log, _ := os.ReadFile(b.StubLog())
			b.t.Fatalf("%s: not within %v\nstub: %s\nview:\n%s\nheard:\n%s", what, patience, log, readView(b.RunStub()), b.heard())
		}
	}
}

// soonest holds the quickest of three tries against a limit: a busy machine holds one up, not all of them.
func soonest(t *testing.T, what string, limit time.Duration, try func() time.Duration) {
	t.Helper()
	best := try()
	for n := 1; n < 3 && best > limit; n++ {
		best = min(best, try())
	}
	if best > limit {
		t.Errorf("%s: %v at best, at most %v are right", what, best, limit)
	}
}

func (b *box) view() view { return readView(b.RunStub()) }

func (b *box) untilRunning() view {
	b.t.Helper()
	b.until("core runs", func() bool { return b.view().state == running })
	return b.view()
}

func (b *box) heard() string {
	text, _ := os.ReadFile(filepath.Join(b.Log, "heard"))
	return string(text)
}

func (b *box) starts() int { return strings.Count(b.heard(), "start pid=") }

var startLine = regexp.MustCompile(`(?m)^env LIMPET_STARTED=(\d+)$`)

// lastStart is which start of its stub the newest core is.
func (b *box) lastStart() int {
	all := startLine.FindAllStringSubmatch(b.heard(), -1)
	if len(all) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(all[len(all)-1][1])
	return n
}

var orphanLine = regexp.MustCompile(`(?m)^orphan (\d+)$`)

func (b *box) orphan() int {
	m := orphanLine.FindStringSubmatch(b.heard())
	if m == nil {
		return 0
	}
	pid, _ := strconv.Atoi(m[1])
	return pid
}

func (b *box) logged(text string) bool {
	data, _ := os.ReadFile(b.StubLog())
	return bytes.Contains(data, []byte(text))
}

func (b *box) record() (boot.Record, bool) {
	_, r, found := boot.Load(fsys.Disk{}, records(b.Layout))
	return r, found
}

// flip changes one bit of a placed core.
func (b *box) flip(c boot.Core) {
	b.t.Helper()
	path := b.CoreFile(c.Counter, hexOf(c.Hash))
	data, err := os.ReadFile(path)
	b.must(err)
	data[len(data)/2] ^= 1
	// A new file: the kernel does not let a running program be written to.
	b.must(os.Remove(path))
	alone(func() { b.must(os.WriteFile(path, data, 0o555)) })
}

// limpet runs a command to its end.
func (b *box) limpet(args ...string) (stdout, stderr string, code int) {
	b.t.Helper()
	cmd := exec.Command(programs.stub(), append([]string{"--root", b.Root}, args...)...)
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	_ = cmd.Run()
	return out.String(), err.String(), cmd.ProcessState.ExitCode()
}

func alive(pid int) bool { return pid > 0 && syscall.Kill(pid, 0) == nil }
