package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/updater/boot"
	"github.com/limpet-monitoring/limpet/updater/store"
)

// listened starts a listener on a pipe; over is closed when it has ended.
func listened(t *testing.T, done chan struct{}, events chan event) (core *os.File, over chan struct{}) {
	t.Helper()
	from, core, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	over = make(chan struct{})
	go func() {
		listen(7, from, done, events)
		close(over)
	}()
	t.Cleanup(func() { core.Close() })
	return core, over
}

func ended(t *testing.T, what string, over chan struct{}) {
	t.Helper()
	select {
	case <-over:
	case <-time.After(patience):
		t.Errorf("%s: nobody stops listening", what)
	}
}

// Nobody listens for longer than there is somebody to tell, and to hear.
func TestWhenListeningEnds(t *testing.T) {
	events := make(chan event, 10)
	core, over := listened(t, make(chan struct{}), events)
	_, _ = core.WriteString("ready 1.2\nalive\nhalf a li")
	core.Close()
	ended(t, "the core closed its end", over)
	if len(events) != 2 || <-events != (event{number: 7, line: "ready 1.2"}) || <-events != (event{number: 7, line: "alive"}) {
		t.Errorf("%d more events", len(events))
	}

	core, over = listened(t, make(chan struct{}), events)
	_, _ = core.WriteString(strings.Repeat("x", 2*lineSize) + "\nalive\n")
	ended(t, "a flood", over)
	if len(events) != 1 || <-events != (event{number: 7, flood: true}) {
		t.Errorf("a flood is not said once, %d more events", len(events))
	}
	if _, err := core.WriteString("alive\n"); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("after a flood the core is still listened to: %v", err)
	}

	done := make(chan struct{})
	core, over = listened(t, done, make(chan event)) // nobody waits for its lines any more
	_, _ = core.WriteString("alive\n")
	close(done)
	ended(t, "a core that was reaped, with its stdout open in somebody else", over)
}

// An end of which nothing can be learned is a death.
func TestAnEndThatIsNotKnown(t *testing.T) {
	child, out := speaker(t, "exit 0")
	out.Close()
	if exit, err := child.Wait(); err != nil || exit != (platforms.Exit{}) {
		t.Fatal(exit, err)
	}
	events, said := make(chan event, 1), make(chan struct{})
	close(said)
	await(7, child, said, events)
	if e := <-events; e != (event{number: 7, ended: true, exit: platforms.Exit{Code: -1}}) {
		t.Errorf("%+v", e)
	}
}

// Where a core could only be started by its path, what lies there is hashed once more.
func TestACoreThatChangedWhileItWasStarted(t *testing.T) {
	b := emptyBox(t)
	core := b.place(1, []byte("core"))
	image, err := open(b.Layout, core)
	b.must(err)
	defer image.Close()
	if err := hashed(image.Name(), core); err != nil {
		t.Error(err)
	}
	b.flip(core)
	if err := hashed(image.Name(), core); !errors.Is(err, store.ErrUnsound) {
		t.Errorf("changed: %v", err)
	}
	if err := unchanged(image, core); err != nil { // here it was started by what was hashed
		t.Error(err)
	}
	missing := boot.Core{Counter: 9, Length: 1}
	if f, err := open(b.Layout, missing); f != nil || !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(err.Error(), "release 9: ") {
		t.Errorf("missing: %v", err)
	}
}

// life is what a core said, how it ended, and how long after its last word that came.
type life struct {
	lines []string
	exit  platforms.Exit
	after time.Duration
}

// lives launches a core and waits until it has ended.
func lives(b *box, family *platforms.Family, core boot.Core) (l life, err error) {
	image, err := open(b.Layout, core)
	if err != nil {
		return l, err
	}
	defer image.Close()
	events, p := make(chan event, 100), &process{number: 1, core: core}
	if err := launch(family, b.Layout, image, p, events); err != nil {
		return l, err
	}
	defer close(p.done)
	p.stdin.Close()
	for last := time.Now(); ; last = time.Now() {
		e := <-events
		if e.ended {
			l.exit, l.after = e.exit, time.Since(last)
			return l, nil
		}
		l.lines = append(l.lines, e.line)
	}
}

// Without a log a core runs all the same; with one, what it says to stderr is in it, and its last lines come before its end.
func TestACoreAndItsLog(t *testing.T) {
	b := emptyBox(t)
	core := b.place(1, coreBytes(t, ""))
	b.mode("speaks-and-dies")
	for range 2 {
		l, err := lives(b, new(platforms.Family), core)
		if err != nil || l.exit != (platforms.Exit{Code: 3}) || strings.Join(l.lines, " ") != "first last" {
			t.Errorf("%+v, %v", l, err)
		}
	}
	if log, _ := os.ReadFile(b.CoreLog()); string(log) != strings.Repeat("this goes to the log\n", 2) {
		t.Errorf("%q", log)
	}
	b.must(os.Remove(b.CoreLog()))
	b.must(os.Mkdir(b.CoreLog(), 0o755))
	if l, err := lives(b, new(platforms.Family), core); err != nil || l.exit.Code != 3 || len(l.lines) != 2 {
		t.Errorf("without a log: %+v, %v", l, err)
	}
}

// Whoever said its last word is waited for no longer: only something that holds its stdout open costs a moment.
func TestAnEndComesWithTheLastWord(t *testing.T) {
	b := emptyBox(t)
	core := b.place(1, coreBytes(t, ""))
	b.mode("speaks-and-dies")
	shortest := time.Hour
	for range 20 { // on a busy machine one of them is quick
		l, err := lives(b, new(platforms.Family), core)
		b.must(err)
		if shortest = min(shortest, l.after); shortest < lastWords {
			return
		}
	}
	t.Errorf("at best a core's end came %v after its last word", shortest)
}

// The core that answers a person is good or what would run in its place; where that cannot be told, it is said.
func TestNoCoreIsPassedOverInSilence(t *testing.T) {
	b := emptyBox(t)
	good, factory := b.place(2, []byte("good")), b.place(1, []byte("factory"))
	b.saved(boot.Record{Good: good, Factory: factory})
	name := b.CoreFile(good.Counter, hexOf(good.Hash))
	b.must(os.RemoveAll(filepath.Dir(name)))
	f, err := goodCore(b.Layout)
	b.must(err)
	if f.Close(); f.Name() != b.CoreFile(factory.Counter, hexOf(factory.Hash)) {
		t.Errorf("good is gone, and %s answers", f.Name())
	}
	b.must(os.WriteFile(filepath.Dir(name), nil, 0o600))
	if f, err := goodCore(b.Layout); f != nil || !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("a file where good's folder should be: %v", err)
	}
}
