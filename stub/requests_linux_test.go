package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

// leaves puts a file into state/request.
func (st *stage) leaves(name, text string) {
	st.t.Helper()
	if err := fsys.WriteNew(st.power, filepath.Join(worldLayout.Request(), name), []byte(text), 0o600); err != nil {
		st.t.Fatal(err)
	}
}

// left are the files that still lie there.
func (st *stage) left() []string {
	names, err := st.power.ReadDir(worldLayout.Request())
	if err != nil {
		st.t.Fatal(err)
	}
	return names
}

// takes has the supervisor take its requests, and settles what follows.
func (st *stage) takes() (any bool) {
	st.do(func() { any = st.s.requests() })
	st.settle()
	return any
}

// updated is a box that runs release 2 and ran release 1 before.
func updated(t *testing.T, more ...nature) *stage {
	t.Helper()
	st := newStage(t, append([]nature{healthy, healthy}, more...)...)
	st.settled()
	st.activates()
	st.until("it is committed", func() bool { return st.s.record.Good.Counter == 2 })
	st.settled()
	st.forget()
	return st
}

// Each request is what the owner asks for from then on, in the record before it is taken away, and the box looks at once.
func TestWhatEachRequestAsksFor(t *testing.T) {
	_, one := coreOfWorld(1)
	pinned := boot.Wish{PinSet: true, Pin: "7", HoldSet: true, Hold: true, ChannelSet: true, Channel: "edge"}
	with := func(change func(w *boot.Wish)) boot.Wish { w := pinned; change(&w); return w }
	for _, tt := range []struct {
		before  boot.Wish
		text    string
		want    boot.Wish
		looks   int
		history string
	}{
		{boot.Wish{}, "hold\n", boot.Wish{HoldSet: true, Hold: true}, 1, "ask hold\n"},
		{pinned, "hold", pinned, 1, ""},
		{pinned, "resume\n", with(func(w *boot.Wish) { w.HoldSet, w.Hold = false, false }), 1, "ask resume\n"},
		{pinned, "pin 8\n", with(func(w *boot.Wish) { w.Pin = "8" }), 1, "ask pin 8\n"},
		{boot.Wish{}, "pin 8 9\n", boot.Wish{PinSet: true, Pin: "8"}, 1, "ask pin 8 9\n"},
		{pinned, "follow\n", with(func(w *boot.Wish) { w.PinSet, w.Pin = false, "" }), 1, "ask follow\n"},
		{pinned, "follow beta\n", with(func(w *boot.Wish) { w.PinSet, w.Pin, w.Channel = false, "", "beta" }), 1, "ask follow beta\n"},
		{boot.Wish{}, "follow beta\n", boot.Wish{ChannelSet: true, Channel: "beta"}, 1, "ask follow beta\n"},
		{pinned, "look\n", pinned, 1, ""},
		{pinned, "unbar " + hexOf(one.Hash) + "\n", pinned, 1, "unbar release=0 version=- hash=" + hexOf(one.Hash) + "\n"},
		{pinned, "unbar 1\n", pinned, 1, ""},
		{pinned, "rollback\n", pinned, 0, ""}, // to nothing
		{pinned, "dance\n", pinned, 0, ""},
		{pinned, "\n", pinned, 0, ""},
		{boot.Wish{}, "hold" + strings.Repeat(" ", 1020), boot.Wish{HoldSet: true, Hold: true}, 1, "ask hold\n"},
		{boot.Wish{}, "hold" + strings.Repeat(" ", 1021), boot.Wish{}, 0, ""}, // more than 1 KiB
	} {
		st := newStage(t, healthy)
		st.settled()
		st.do(func() { st.s.decide(boot.Ask{Wish: tt.before}) })
		looks := st.s.looking.looks
		st.leaves("1.request", tt.text)
		if !st.takes() || len(st.left()) != 0 {
			t.Errorf("%q is not taken", tt.text)
		}
		if got := st.s.record.Owner; got != tt.want {
			t.Errorf("%q over %+v: %+v", tt.text, tt.before, got)
		}
		if got := st.s.looking.looks - looks; got != tt.looks {
			t.Errorf("%q: %d looks", tt.text, got)
		}
		if got := st.history(); got != tt.history {
			t.Errorf("%q: history has %q", tt.text, got)
		}
	}
}

func TestUnbarLetsAReleaseTryAgain(t *testing.T) {
	st := newStage(t, healthy, dead)
	st.settled()
	st.publishes()
	st.until("it is barred", func() bool { return st.s.record.Barred[0] != (boot.Bar{}) })
	st.leaves("1.request", "unbar "+hexOf(st.s.record.Barred[0].Hash))
	st.do(func() { st.s.requests() })
	if st.s.record.Barred[0] != (boot.Bar{}) {
		t.Errorf("%+v", st.s.record.Barred)
	}
}

// What cannot be written into the record stays, and so does what was asked after it.
func TestRequestsWaitForTheRecord(t *testing.T) {
	_, bad := coreOfWorld(3)
	for _, text := range []string{"hold", "pin 8", "unbar " + hexOf(bad.Hash), "rollback", "rollback 7"} {
		st := updated(t, dead)
		st.s.record.Barred[0] = boot.Bar{Hash: bad.Hash, Counter: 3, Reason: boot.Exited}
		before := st.s.record
		st.leaves("1.request", text)
		st.leaves("2.request", "look")
		st.power.FailAt(1, errors.New("worn out"))
		looks := st.s.looking.looks
		if st.takes() || !slices.Equal(st.left(), []string{"1.request", "2.request"}) || st.s.record != before || st.history() != "" || st.s.looking.looks != looks {
			t.Errorf("%s: taken, though it is nowhere: %q", text, st.left())
		}
		if !st.takes() || len(st.left()) != 0 || st.s.record == before {
			t.Errorf("%s: not taken: %q", text, st.left())
		}
	}
	st := openStage(t, story{releases: []nature{healthy}, fresh: true})
	st.s.found = false
	st.leaves("1.request", "hold")
	if st.takes() || len(st.left()) != 1 {
		t.Error("a request is taken without a record")
	}
}

// A request that is taken is gone for good before the next is looked at: a power cut brings no hold back.
func TestRequestsThatAreTakenStayAway(t *testing.T) {
	st := newStage(t, healthy)
	st.settled()
	if st.takes() {
		t.Error("there was a request")
	}
	st.leaves("1.request", "hold")
	st.leaves("2.request", "resume")
	if !st.takes() || st.s.record.Owner.Hold {
		t.Errorf("%+v", st.s.record.Owner)
	}
	st.power = st.power.Restart(crashdisk.Lost{})
	if left := st.left(); len(left) != 0 {
		t.Errorf("after a power cut there are %q again", left)
	}
}

// One that cannot be taken away ends the taking, and is asked again.
func TestRequestsThatCannotBeTakenAway(t *testing.T) {
	for call, left := range map[int]int{1: 2, 2: 1} { // of its removal, and of what makes that durable
		st := newStage(t, healthy)
		st.settled()
		st.leaves("1.request", "look")
		st.leaves("2.request", "hold")
		st.power.FailAt(call, errors.New("worn out"))
		if st.takes() || len(st.left()) != left || st.s.record.Owner.Hold {
			t.Errorf("call %d failed: %q lie there", call, st.left())
		}
		if !strings.Contains(st.log.String(), `msg="a request cannot be taken away" file=1.request err="worn out"`) {
			t.Errorf("%s", &st.log)
		}
	}
}

// So many are taken at a time, in the order of their names; what is no request stays.
func TestRequestsAtATime(t *testing.T) {
	st := newStage(t, healthy)
	st.settled()
	st.leaves("000.new", "hold")
	st.leaves("100.request", "hold")
	for i := range 64 {
		st.leaves(fmt.Sprint(200+i, ".request"), "resume")
	}
	if !st.takes() || !slices.Equal(st.left(), []string{"000.new", "263.request"}) {
		t.Errorf("%q are left", st.left())
	}
	if !st.takes() || !slices.Equal(st.left(), []string{"000.new"}) || st.s.record.Owner.Hold {
		t.Errorf("%q are left", st.left())
	}
	mustWorld(st.power.Remove(worldLayout.Request() + "/000.new"))
	mustWorld(st.power.Remove(worldLayout.Request()))
	if st.takes() {
		t.Error("there is no folder, and something in it")
	}
}

// A rollback goes to the release before, which is here, without a mirror; to any other it is a pin.
func TestRollback(t *testing.T) {
	for name, tt := range map[string]struct {
		before func(st *stage)
		text   string
		trial  uint64 // staged at once
		pin    string
		past   string // history
	}{
		"to the release before":            {func(*stage) {}, "rollback", 1, "9.9.1", "revert 1 asked"},
		"to its version":                   {func(*stage) {}, "rollback 9.9.1", 1, "9.9.1", "revert 1 asked"},
		"to another":                       {func(*stage) {}, "rollback 9.9.0", 0, "9.9.0", "ask rollback 9.9.0"},
		"to what has no name":              {func(st *stage) { delete(st.s.versions, 1) }, "rollback", 0, "", ""},
		"to a name that nobody knows here": {func(st *stage) { delete(st.s.versions, 1) }, "rollback 9.9.1", 0, "9.9.1", "ask rollback 9.9.1"},
		"to what is set aside": {func(st *stage) {
			st.s.record.Aside[0] = boot.Aside{Hash: st.s.record.Previous.Hash, Counter: 1, Until: st.wall + 3600}
		}, "rollback", 0, "9.9.1", "ask rollback 9.9.1"},
		"to what is newer": {func(st *stage) {
			st.s.record.Good, st.s.record.Previous = st.s.record.Previous, st.s.record.Good
		}, "rollback", 0, "9.9.2", "ask rollback 9.9.2"},
	} {
		t.Run(name, func(t *testing.T) {
			st := updated(t)
			tt.before(st)
			looks := st.s.looking.looks
			st.leaves("1.request", tt.text)
			st.do(func() { st.s.requests() })
			r := st.s.record
			if r.Trial.Counter != tt.trial || r.Owner.Pin != tt.pin || r.Owner.PinSet != (tt.pin != "") {
				t.Errorf("trial %d, pin %q", r.Trial.Counter, r.Owner.Pin)
			}
			if tt.trial != 0 && (st.s.swap.next == nil || r.Soak != soakOfWorld) {
				t.Errorf("it is not started at once, or soaks for %d s", r.Soak)
			}
			want := tt.past
			if tt.trial != 0 {
				st.happened(want, "start 1 starts=1 tries=3")
			} else if got := strings.TrimSuffix(st.history(), "\n"); got != want {
				t.Errorf("history has %q", got)
			}
			st.settle()
			if got := st.s.looking.looks > looks; got != (tt.past != "") {
				t.Errorf("it looks: %v", got)
			}
			if len(st.left()) != 0 {
				t.Error("it is asked again")
			}
		})
	}
	t.Run("from a newer one on trial", func(t *testing.T) {
		st := updated(t, healthy)
		st.slow = true
		st.publishes()
		st.until("release 3 is in standby", func() bool { return st.s.swap.next != nil })
		trial := st.fake(st.s.swap.next)
		st.slow = false
		st.forget()
		st.leaves("1.request", "rollback")
		st.takes()
		st.until("release 1 runs for good", func() bool { return st.s.record.Good.Counter == 1 })
		if trial.p.killed != "dropped" || st.s.view().pin != "9.9.1" {
			t.Errorf("release 3 was ended for %q, the pin is %q", trial.p.killed, st.s.view().pin)
		}
		if past := st.history(); !strings.HasPrefix(past, "drop release=3 ") || !strings.Contains(past, " why=rollback\nrevert release=1 ") {
			t.Errorf("history has\n%s", past)
		}
	})
}

// A command leaves a file that only the owner may read, wakes the stub, and waits until that has looked.
func TestAskStubWakes(t *testing.T) {
	woken := make(chan os.Signal, 1)
	signal.Notify(woken, syscall.SIGHUP)
	defer signal.Stop(woken)
	b := emptyBox(t)
	lock, err := platforms.Take(b.StubLock())
	b.must(err)
	defer lock.Release()
	b.must(view{pid: os.Getpid(), looks: 4}.save(b.RunStub()))
	v, err := askStub(b.Layout, 0, "pin", "1.2")
	if err != nil || v.looks != 4 {
		t.Errorf("%+v, %v", v, err)
	}
	select {
	case <-woken:
	case <-time.After(patience):
		t.Error("the stub is not woken")
	}
	names, err := os.ReadDir(b.Request())
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	if info, err := names[0].Info(); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	b.requested()
	b.must(os.Remove(b.Request()))
	if _, err := askStub(b.Layout, 0, "hold"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is no folder for it: %v", err)
	}
}

// The answer is from a look that began after the request: the first that ends once it was taken, or the second.
func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		looks int
		phase string
		taken bool
		want  bool
	}{
		{4, "", true, false}, {5, "", true, true}, {5, "look", true, false}, {5, "fetch", true, false}, {5, "soak", true, true}, {4, "soak", true, false},
		{5, "", false, false}, {6, "", false, true}, {6, "look", false, false}, {6, "soak", true, true},
	} {
		if got := (view{looks: tt.looks, phase: tt.phase}).answers(view{looks: 4}, tt.taken); got != tt.want {
			t.Errorf("%+v", tt)
		}
	}
}

// A look that was under way when a request was left is no answer to it, wherever the stub is when it takes the request.
func TestALookUnderWayIsNoAnswer(t *testing.T) {
	woken := make(chan os.Signal, 1) // it is in this process
	signal.Notify(woken, syscall.SIGHUP)
	defer signal.Stop(woken)
	for _, early := range []bool{true, false} { // the request is taken before that look ends
		inVirtualTime(t, onOne(), func(b *led) {
			b.silent = true
			lock, err := platforms.Take(b.StubLock())
			b.must(err)
			defer lock.Release()
			good := b.start().ready()
			good.say("look")
			answer := make(chan string, 1)
			go func() {
				var out bytes.Buffer
				err := local(b.Layout, call{name: "look", args: []string{"--wait"}}, &out)
				answer <- fmt.Sprint(out.String(), err)
			}()
			b.wait(time.Second)
			if !early {
				b.answers(verdict{cores: []signed{release(1, 10)}})
				b.wait(time.Second)
			}
			b.pass(tick)
			if early {
				b.answers(verdict{cores: []signed{release(1, 10)}})
			}
			b.pass(tick)
			if len(answer) > 0 || len(b.looks) != 2 {
				t.Errorf("early %v: answered after %d looks", early, len(b.looks))
			}
			b.must(os.WriteFile(b.BoxFile(), []byte("hold = yes\n"), 0o644))
			b.answers(verdict{cores: []signed{release(1, 10), release(2, 10)}})
			b.wait(time.Second)
			if got := <-answer; got != "updates of this box are held\n<nil>" {
				t.Errorf("early %v: %s", early, got)
			}
		})
	}
}
