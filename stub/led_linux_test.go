package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/updater/boot"
	"github.com/limpet-monitoring/limpet/updater/store"
)

// led is a box whose stub lives in this process, loop and timers and all, in virtual time (testing/synctest). It is the machine beneath
// it: its files are real ones, its verifier and its mirror answer what the test says, and its cores say and do only what the test has
// them do. Everything happens a millisecond after a tick of the stub, but for what a test lets happen at another time.
type led struct {
	*box
	s                   *supervisor
	stop, reload, child chan os.Signal
	begins              bool
	over                chan struct{} // closed once the loop has ended
	begun               time.Time

	mu       sync.Mutex // guards all below, which the stub's goroutine looks at too; a test reads it while that one waits
	said     bytes.Buffer
	cores    []*puppet // in the order in which they were started
	slept    time.Duration
	luck     float64
	left     int // processes that a dead core left behind
	sweeps   []bool
	shrunk   int
	verifies int
	stored   verdict // what the verifier says
	looks    []errand
	mirror   looked // what a look finds
	brings   []bringing
	bringErr error
	silent   bool  // verify, look and bring are answered by the test
	broken   error // the record cannot be written
	opens    error // no core can be opened
	launches error // none can be started
}

// bringing is one download that was asked for.
type bringing struct {
	errand
	choice
	base boot.Core
}

// inVirtualTime runs a test with a box that is led.
func inVirtualTime(t *testing.T, r boot.Record, test func(b *led)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &led{box: emptyBox(t), over: make(chan struct{}), begun: time.Now(), luck: 0.5, mirror: looked{trouble: "no mirror answers", word: "unreachable"}}
		for _, c := range []boot.Core{r.Good, r.Previous, r.Factory, r.Trial} {
			if !c.None() {
				b.placed(int(c.Counter))
			}
		}
		if !r.Good.None() {
			sectors, _, _ := boot.Load(fsys.Disk{}, records(b.Layout))
			_, err := sectors.Save(r)
			b.must(err)
		}
		b.s = newSupervisor(b.Layout, &logger{b, time.Now})
		b.s.on(b)
		b.stop, b.reload, b.child = make(chan os.Signal), make(chan os.Signal), make(chan os.Signal)
		t.Cleanup(b.end)
		test(b)
	})
}

// release is how the n-th release is listed. Its soak is in seconds.
func release(n int, soak uint16) signed {
	_, c := coreOfWorld(n)
	return signed{Core: c, version: fmt.Sprintf("9.9.%d", n), channel: "stable", soak: soak, open: 100, most: 100}
}

// onOne is the record of a box that runs release 1.
func onOne() boot.Record {
	return boot.Record{Good: release(1, 0).Core, Factory: release(1, 0).Core}
}

// withTrial is that of a box on which release 2 is on trial, which soaks for 10 s: the shortest there is.
func withTrial() boot.Record {
	r := onOne()
	r.Trial, r.Tries, r.Soak = release(2, 0).Core, boot.MaxTries, 10
	return r
}

// placed has a release lie in ver/.
func (b *led) placed(n int) boot.Core {
	data, c := coreOfWorld(n)
	b.must(store.In(b.Layout).Place(store.Entry{Counter: c.Counter, Hash: c.Hash}, c.Length, bytes.NewReader(data)))
	return c
}

// start starts the stub, and returns the core that it starts, nil for none.
func (b *led) start() *puppet {
	b.begins = true
	go func() {
		defer close(b.over)
		b.s.begin()
		b.s.loop(b.stop, b.reload, b.child)
	}()
	b.pass(time.Millisecond)
	return b.last()
}

// end is the end of a test: a stub that still lives is stopped.
func (b *led) end() {
	if !b.begins {
		return
	}
	b.set(func() { b.left, b.silent = 0, false })
	select {
	case <-b.over:
		return
	default:
	}
	for range 2 {
		select {
		case b.stop <- os.Interrupt:
		case <-b.over:
		}
		synctest.Wait()
	}
	for _, c := range b.all() {
		if !c.over.Load() {
			c.exits(platforms.Exit{Code: -1, Signal: 9})
		}
	}
	<-b.over
}

// pass lets time pass, a tick at a time, after each of which cores that live say so.
func (b *led) pass(d time.Duration) {
	for ; d > 0; d -= tick {
		b.wait(min(d, tick))
		for _, c := range b.all() {
			if c.lively && !c.over.Load() {
				c.say("alive")
			}
		}
	}
}

// wait lets time pass, and what happens then be over.
func (b *led) wait(d time.Duration) {
	b.set(func() {}) // what the test did comes before what the stub does next
	time.Sleep(d)
	synctest.Wait()
}

// set changes what the machine is like.
func (b *led) set(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

func (b *led) all() []*puppet {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.cores)
}

// last is the core that was started last.
func (b *led) last() *puppet {
	all := b.all()
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1]
}

// started holds how many cores were started so far against a number, and returns the last.
func (b *led) started(n int) *puppet {
	b.t.Helper()
	if got := len(b.all()); got != n {
		b.t.Fatalf("%d cores were started, want %d\n%s", got, n, b.text())
	}
	return b.last()
}

// signal is one that the stub gets.
func (b *led) signal(to chan os.Signal) {
	to <- os.Interrupt
	synctest.Wait()
}

// text is what the stub logged.
func (b *led) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.said.String()
}

// history is what the stub noted, without the times.
func (b *led) history() []string {
	data, _ := os.ReadFile(b.History())
	var list []string
	for line := range strings.Lines(string(data)) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		list = append(list, rest)
	}
	return list
}

// noted reports whether history has such a line, of a release where one is named.
func (b *led) noted(what string, n int, detail string) bool {
	if n > 0 {
		what += fmt.Sprintf(" release=%d version=9.9.%d hash=%s", n, n, hexOf(release(n, 0).Hash))
	}
	return slices.Contains(b.history(), strings.TrimSpace(what+" "+detail))
}

// kept is the record as it is on the disk.
func (b *led) kept() boot.Record {
	b.t.Helper()
	r, found := b.record()
	if !found {
		b.t.Fatal("there is no record")
	}
	return r
}

// short is what a record says of releases.
func short(r boot.Record) string {
	return fmt.Sprintf("good %d previous %d trial %d tries %d starts %d soak %d baseline %x floor %d barred %v owner %+v hub %+v", r.Good.Counter, r.Previous.Counter,
		r.Trial.Counter, r.Tries, r.Starts, r.Soak, r.Baseline, r.Floor, r.Barred[0].Reason, r.Owner, r.Hub)
}

// warned are the words of the warnings that hold.
func (b *led) warned() string {
	var words []string
	for _, w := range b.view().warnings {
		words = append(words, w.word)
	}
	return strings.Join(words, " ")
}

// The machine.

func (b *led) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.said.Write(p)
}

func (b *led) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Now().Add(b.slept)
}

func (b *led) sinceBoot() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Minute + time.Since(b.begun) + b.slept
}

func (b *led) disk() fsys.FS { return unwritable{fsys.Disk{}, b} }

// unwritable is a disk that takes no record, where the box is so.
type unwritable struct {
	fsys.FS
	b *led
}

func (u unwritable) Open(name string, flag int, perm fs.FileMode) (fsys.File, error) {
	u.b.mu.Lock()
	defer u.b.mu.Unlock()
	if u.b.broken != nil && flag != os.O_RDONLY && isRecord(name) {
		return nil, u.b.broken
	}
	return u.FS.Open(name, flag, perm)
}

func (b *led) open(c boot.Core) (*os.File, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.opens != nil {
		return nil, b.opens
	}
	return open(b.Layout, c)
}

func (b *led) launch(image *os.File, p *process) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.launches != nil {
		return b.launches
	}
	if name := b.CoreFile(p.core.Counter, hexOf(p.core.Hash)); image.Name() != name {
		return errors.New("what is started is " + image.Name() + ", not " + name)
	}
	c := &puppet{b: b, image: image, number: p.number, core: p.core, role: p.role, nonce: p.nonce, pid: 1000 + p.number, done: make(chan struct{})}
	p.child, p.stdin, p.done = c, c, c.done
	b.cores = append(b.cores, c)
	return nil
}

func (b *led) sweep(end bool) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sweeps = append(b.sweeps, end)
	return b.left
}

func (b *led) verify() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.verifies++; !b.silent {
		b.s.verdicts <- b.stored
	}
}

func (b *led) look(e errand) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.looks = append(b.looks, e); !b.silent {
		b.s.looking.found <- b.mirror
	}
}

func (b *led) bring(e errand, c choice, base boot.Core) {
	b.mu.Lock()
	b.brings = append(b.brings, bringing{e, c, base})
	silent, err := b.silent, b.bringErr
	b.mu.Unlock()
	switch {
	case silent:
	case err != nil:
		b.s.looking.got <- brought{choice: c, err: err, word: "unreachable"}
	default:
		b.placed(int(c.core.Counter))
		b.s.looking.got <- brought{choice: c, came: "came=" + c.core.version + " came_as=full came_bytes=64 came_of=64"}
	}
}

func (b *led) chance() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.luck
}

func (b *led) tidy() {}

func (b *led) shrink() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shrunk++
}

// puppet is a core.
type puppet struct {
	b      *led
	image  *os.File // as it was when it was started
	number int
	core   boot.Core
	role   boot.Role
	nonce  string
	pid    int
	done   chan struct{} // the stub's: closed once nobody waits for its lines any more
	lively bool          // it says `alive` after each tick

	over   atomic.Bool // it ended
	closed atomic.Bool // its stdin
	clings atomic.Bool // a kill takes its time: its end comes when the test says so
	blocks atomic.Bool // it takes no line
	mu     sync.Mutex  // guards the rest
	told   []string
	kills  int
}

// say lets a core say a line, and the stub hear it.
func (c *puppet) say(line string) { c.sends(event{number: c.number, line: line}) }

func (c *puppet) sends(e event) {
	select {
	case c.b.s.events <- e:
	case <-c.b.over:
	}
	synctest.Wait()
}

// ready lets it say that it is, and from then on that it is alive.
func (c *puppet) ready() *puppet {
	c.lively = true
	c.say("ready " + release(int(c.core.Counter), 0).version + " and more")
	return c
}

// What a core says of itself: all that is not a check; that, and two checks in slots of their own.
const basics, checkOne, checkTwo = 0x1f, 1 << 10, 1 << 20

// checks lets it say what holds and what is judged.
func (c *puppet) checks(holds, judged uint64) *puppet {
	c.say(fmt.Sprintf("checks %016x %016x", holds, judged))
	return c
}

// exits is its end.
func (c *puppet) exits(exit platforms.Exit) {
	c.lively = false
	c.over.Store(true)
	c.sends(event{number: c.number, ended: true, exit: exit})
}

// lines are those that it was told, but for the status, and are forgotten with that.
func (c *puppet) lines() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(c.told), func(l string) bool { return strings.HasPrefix(l, "status ") })
	c.told = slices.DeleteFunc(c.told, func(l string) bool { return !strings.HasPrefix(l, "status ") })
	return list
}

// hears holds the lines that it was told since it was asked for last against others.
func (c *puppet) hears(want ...string) {
	c.b.t.Helper()
	if got := c.lines(); !slices.Equal(got, want) {
		c.b.t.Errorf("core %d is told %q, want %q", c.number, got, want)
	}
}

// status is the value of a key in the last status line that it was told.
func (c *puppet) status(key string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range slices.Backward(c.told) {
		if rest, ok := strings.CutPrefix(l, "status "); ok {
			return valueOf(rest, key)
		}
	}
	return ""
}

// killed is how often it was.
func (c *puppet) killed() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kills
}

func (c *puppet) Pid() int { return c.pid }

func (c *puppet) Kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kills++
	if c.clings.Load() || c.over.Swap(true) {
		return
	}
	go func() {
		select {
		case c.b.s.events <- event{number: c.number, ended: true, exit: platforms.Exit{Code: -1, Signal: 9}}:
		case <-c.b.over:
		}
	}()
}

func (c *puppet) Close() error                     { c.closed.Store(true); return nil }
func (c *puppet) SetWriteDeadline(time.Time) error { return nil }

func (c *puppet) Write(line []byte) (int, error) {
	if c.blocks.Load() {
		return 0, os.ErrDeadlineExceeded
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = append(c.told, strings.TrimSuffix(string(line), "\n"))
	return len(line), nil
}
