package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/updater/boot"
	"github.com/limpet-monitoring/limpet/updater/store"
)

// TestAStart: good starts before anything else is known, and what is known is published at once.
func TestAStart(t *testing.T) {
	inVirtualTime(t, onOne(), func(b *led) {
		b.silent = true
		b.must(appendHistory(b.History(), "2026-01-02T03:04:05Z stage release=1 came=9.9.1 came_as=full\n"))
		b.must(os.WriteFile(b.BoxFile(), []byte("channel = beta\n"), 0o644))
		good := b.start()
		if v := b.view(); v.state != starting || v.core.pid != good.pid || v.channel != "beta" || v.pid != os.Getpid() || v.last != "none" || v.bootID == "" {
			t.Errorf("%+v", v)
		}
		if b.verifies != 1 || len(b.looks) > 0 {
			t.Errorf("verified %d times, %d looks", b.verifies, len(b.looks))
		}
		b.s.verdicts <- verdict{cores: []signed{release(1, 10)}}
		synctest.Wait()
		if good.status("came_as") != "full" || good.status("channel") != "beta" || good.status("last") != "none" {
			t.Errorf("it is told %q", good.told)
		}
		if good.ready(); b.view().state != running || b.view().core.version != "9.9.1" {
			t.Errorf("%+v", b.view())
		}
		if _, err := good.image.Stat(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("the core's file stays open: %v", err)
		}
	})
}

// TestANewBox: without a record the verifier says what may be adopted, and it is asked again as long as there is nothing.
func TestANewBox(t *testing.T) {
	inVirtualTime(t, boot.Record{}, func(b *led) {
		b.placed(1)
		b.placed(2)
		b.start()
		if v := b.view(); v.state != noCore || b.warned() != "no-core" || v.last != "no-core" || b.verifies != 1 {
			t.Errorf("%+v", v)
		}
		if _, found := b.record(); found {
			t.Error("a record was written")
		}
		b.set(func() {
			b.stored = verdict{cores: []signed{release(1, 10), release(2, 10)}}
			b.broken = os.ErrPermission
		})
		b.pass(tick)
		if b.started(0); b.warned() != "no-core record" || b.view().state != noCore {
			t.Errorf("what could not be written down starts: %s", b.warned())
		}
		b.set(func() { b.broken = nil })
		b.pass(5 * time.Second)
		core := b.started(1)
		if core.role != boot.GoodRole || core.core != release(2, 0).Core || b.kept().Factory != core.core || b.view().state != starting || b.warned() != "" {
			t.Errorf("%v %+v\n%s", core.role, core.core, b.warned())
		}
		if core.exits(platforms.Exit{Code: 1}); b.view().state != restarting {
			t.Errorf("%+v", b.view())
		}
		asked := b.verifies
		b.pass(10 * time.Second)
		if b.started(2); b.verifies != asked {
			t.Error("the verifier is asked for a core that is known")
		}
	})
}

// TestWhatMayRun: good, where it hashes; else what ran before it, else what the box came with; and good is brought again at once.
func TestWhatMayRun(t *testing.T) {
	r := boot.Record{Good: release(3, 0).Core, Previous: release(2, 0).Core, Factory: release(1, 0).Core}
	for n, role := range []boot.Role{boot.GoodRole, boot.PreviousRole, boot.FactoryRole, boot.NoRole} {
		t.Run(role.String(), func(t *testing.T) {
			inVirtualTime(t, r, func(b *led) {
				b.luck = 0.999
				for i := range n {
					path := b.CoreFile(uint64(3-i), hexOf(release(3-i, 0).Hash))
					b.must(os.Remove(path))
					if i != 1 {
						b.must(os.WriteFile(path, []byte("something else"), 0o555))
					}
				}
				stray := b.placed(4)
				core := b.start()
				b.mirror = looked{verdict: verdict{cores: []signed{release(3, 10)}}}
				warned := map[int]string{0: "", 1: "repair", 2: "repair", 3: "no-core"}[n]
				if v := b.view(); b.warned() != warned || n < 3 && (core.role != role || core.core.Counter != uint64(3-n) || v.core.role != role.String()) || n == 3 && v.state != noCore {
					t.Errorf("%+v", v)
				}
				if n < 3 {
					core.ready()
				}
				b.pass(tick)
				if want := min(1, n); len(b.brings) != want {
					t.Fatalf("%d cores are brought", len(b.brings))
				}
				_, err := os.Stat(b.CoreFile(4, hexOf(stray.Hash)))
				switch n {
				case 0:
					if !errors.Is(err, os.ErrNotExist) {
						t.Errorf("a core that nobody names stays: %v", err)
					}
				case 3: // what was placed starts at once, and once
					if again := b.started(1); again.role != boot.GoodRole || b.warned() != "" {
						t.Errorf("%v %s", again.role, b.warned())
					}
					b.pass(30 * time.Second)
					b.started(1)
				default:
					if err != nil {
						t.Errorf("a core is taken away before good runs: %v", err)
					}
					if len(b.brings) > 0 && (!b.brings[0].base.None() || b.brings[0].core.Core != r.Good) {
						t.Errorf("brought %+v from %+v", b.brings[0].core, b.brings[0].base)
					}
					core.hears("stop restart 10")
					core.exits(platforms.Exit{})
					b.pass(tick)
					if again := b.started(2).ready(); again.role != boot.GoodRole || b.warned() != "" {
						t.Errorf("%v %s", again.role, b.warned())
					}
				}
			})
		})
	}
}

// TestNothingMayRunForNow: it stays up, waits longer and longer, and looks.
func TestNothingMayRunForNow(t *testing.T) {
	inVirtualTime(t, onOne(), func(b *led) {
		b.luck = 0
		b.must(os.Remove(b.CoreFile(1, hexOf(release(1, 0).Hash))))
		b.start()
		began := b.view().since
		if len(b.looks) != 0 {
			t.Error("it looks before its time")
		}
		b.pass(tick)
		if v := b.view(); len(b.looks) != 1 || v.state != noCore || v.since != began || b.warned() != "no-core" || strings.Count(b.text(), "no core on this box may run") != 1 {
			t.Errorf("%d looks, %+v\n%s", len(b.looks), v, b.text())
		}
		for _, at := range []time.Duration{250, 750, 1750, 3750, 7750, 15750, 31750, 61750, 91750} {
			b.wait(time.Until(b.begun.Add(at*time.Millisecond - time.Millisecond/2)))
			before := strings.Count(b.text(), "core refused")
			b.wait(time.Millisecond)
			if n := strings.Count(b.text(), "core refused") - before; at > 2500 && n != 1 {
				t.Errorf("after %v it is tried %d times", at*time.Millisecond, n)
			}
		}
		b.placed(1)
		b.pass(time.Minute)
		if b.started(1); b.warned() != "" {
			t.Error(b.warned())
		}
	})
}

// TestACoreThatCannotBeStarted: it is tried again, and that is said; what is wrong with the machine is not held against the release.
func TestACoreThatCannotBeStarted(t *testing.T) {
	for _, at := range []string{"open", "launch"} {
		inVirtualTime(t, onOne(), func(b *led) {
			if at == "open" {
				b.opens = os.ErrPermission
			} else {
				b.launches = os.ErrPermission
			}
			b.start()
			if v := b.view(); v.state != restarting || v.last != "start-failed" || b.warned() != "restarting" || b.looks != nil {
				t.Errorf("%s: %+v", at, v)
			}
			b.set(func() { b.opens, b.launches = nil, nil })
			b.pass(time.Second)
			core := b.started(1)
			if v := b.view(); v.state != starting || core.role != boot.GoodRole || core.status("last") != "start-failed" || b.warned() != "restarting" {
				t.Errorf("%s: %+v", at, v)
			}
			if core.ready(); b.warned() != "" {
				t.Errorf("%s: %s", at, b.warned())
			}
		})
	}
}

// TestEveryStartHasItsNumber, and what comes from a core that is gone is passed over.
func TestEveryStartHasItsNumber(t *testing.T) {
	inVirtualTime(t, onOne(), func(b *led) {
		first := b.start().ready()
		first.exits(platforms.Exit{Code: 3})
		select {
		case <-first.done:
		default:
			t.Error("somebody still waits for its lines")
		}
		if v := b.view(); v.state != restarting || v.core.pid != 0 || v.last != "exit-3" || v.restarts != 1 || b.warned() != "restarting" || !first.closed.Load() {
			t.Errorf("%+v", v)
		}
		b.wait(248 * time.Millisecond)
		b.started(1)
		first.say("ready 1")
		b.pass(20 * time.Millisecond) // a quarter of a second, and half of the tenth that chance may add
		second := b.started(2)
		if first.number != 1 || second.number != 2 || second.status("restarts") != "1" || second.status("last") != "exit-3" {
			t.Errorf("%d %d %q", first.number, second.number, second.told)
		}
		first.say("ready 1")
		first.say("hold")
		if v := b.view(); v.state != starting || v.hold {
			t.Errorf("%+v", v)
		}
		second.ready()
		if v := b.view(); v.state != running || b.warned() != "" {
			t.Errorf("%+v", v)
		}
	})
}

// TestBackoffOfGood: what happened before a minute of health is forgiven, and no sooner.
func TestBackoffOfGood(t *testing.T) {
	inVirtualTime(t, onOne(), func(b *led) {
		b.luck = 0
		core := b.start()
		dies := func(after time.Duration) {
			t.Helper()
			n := len(b.all())
			core.exits(platforms.Exit{Code: 3})
			b.wait(after - time.Millisecond)
			b.started(n)
			b.pass(2 * time.Millisecond)
			core = b.started(n + 1)
		}
		dies(250 * time.Millisecond)
		dies(500 * time.Millisecond)
		core.ready()
		b.pass(57500 * time.Millisecond)
		dies(time.Second)
		core.ready()
		b.pass(65 * time.Second)
		dies(250 * time.Millisecond)
		dies(500 * time.Millisecond)
	})
}

// TestARecordThatCannotBeWritten: nothing changes, good runs, and it is said until it can.
func TestARecordThatCannotBeWritten(t *testing.T) {
	r := boot.Record{Good: release(2, 0).Core, Previous: release(1, 0).Core, Factory: release(1, 0).Core, Committed: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Unix()}
	inVirtualTime(t, r, func(b *led) {
		core := b.start()
		b.set(func() { b.broken = os.ErrPermission })
		for range 3 {
			core.ready()
			core.exits(platforms.Exit{Code: 1})
			b.pass(tick)
			core = b.last()
		}
		if b.started(4); core.role != boot.GoodRole || core.core != r.Good || b.kept().Good != r.Good || b.warned() != "restarting record" {
			t.Errorf("%v %s %s", core.role, short(b.kept()), b.warned())
		}
		b.set(func() { b.broken = nil })
		core.exits(platforms.Exit{Code: 1})
		b.pass(tick)
		if core = b.started(5); core.core != r.Previous || b.kept().Good != r.Previous || b.kept().Barred[0].Reason != boot.Demoted || b.warned() != "restarting" {
			t.Errorf("%v %s %s", core.role, short(b.kept()), b.warned())
		}
		if !slices.Contains(b.history(), "demote release=2 version=9.9.2 hash="+hexOf(r.Good.Hash)+" to=1") {
			t.Errorf("%q", b.history())
		}
	})
}

// TestGoodStartsOnlyOnce: not while it is on its way in standby, nor beside a core that runs, nor after the stub was told to stop.
func TestGoodStartsOnlyOnce(t *testing.T) {
	inVirtualTime(t, withTrial(), func(b *led) {
		good, trial := b.swapped()
		good.exits(platforms.Exit{})
		b.s.again()
		b.started(2)
		trial.checks(basics, everything64)
		b.pass(5 * time.Second)
		b.started(3)
		trial.exits(platforms.Exit{Code: 1})
		b.s.again()
		b.started(3).ready()
		if v := b.view(); v.core.pid != b.last().pid || v.state != running {
			t.Errorf("%+v", v)
		}
	})
	inVirtualTime(t, withTrial(), func(b *led) {
		good, _ := b.standing()
		good.exits(platforms.Exit{Code: 1})
		b.s.again() // a trial in standby does not stand in for good
		b.started(3)
	})
}

// TestReady: it is of the one that is heard of, and only the first counts. What the verifier knows of a release's name counts more.
func TestReady(t *testing.T) {
	inVirtualTime(t, withTrial(), func(b *led) {
		good := b.start()
		good.say("ready 1.0-dirty built yesterday")
		good.say("ready 1.1")
		good.lively = true
		if v := b.view(); v.core.version != "1.0-dirty" {
			t.Errorf("%+v", v)
		}
		stray := b.placed(3)
		b.pass(10 * time.Second)
		trial := b.started(2)
		trial.say("ready 2.0-dirty")
		if v := b.view(); v.core.version != "1.0-dirty" || v.trial != "2.0-dirty" {
			t.Errorf("%+v", v)
		}
		b.set(func() { b.stored = verdict{cores: []signed{release(1, 10), release(2, 10)}} })
		b.signal(b.reload)
		if v := b.view(); v.trial != "9.9.2" {
			t.Errorf("%+v", v)
		}
		trial.exits(platforms.Exit{Code: 1})
		good.exits(platforms.Exit{Code: 1})
		b.pass(time.Second)
		b.started(3).say("ready 3.0-dirty")
		if v := b.view(); v.core.version != "3.0-dirty" || b.s.versions[1] != "9.9.1" {
			t.Errorf("%+v", v)
		}
		if _, err := os.Stat(b.CoreFile(3, hexOf(stray.Hash))); err != nil {
			t.Errorf("cores are taken away beside a trial: %v", err)
		}
	})
}

// TestCollect: once good runs, what the record does not name is taken away; nothing is as long as a former core drains.
func TestCollect(t *testing.T) {
	r := onOne()
	r.Previous = release(2, 0).Core
	r.Good = release(3, 0).Core
	inVirtualTime(t, r, func(b *led) {
		stray := b.placed(4)
		there := func() (n int) {
			list, err := store.In(b.Layout).List()
			b.must(err)
			return len(list)
		}
		old := b.start()
		if there() != 4 {
			t.Error("taken away before good was ready")
		}
		if old.ready(); there() != 3 {
			t.Errorf("%d cores, with %v", there(), stray.Counter)
		}
	})
	inVirtualTime(t, onOne(), func(b *led) { // a core gets ready while the next is on its way, or here already
		good := b.start().ready().checks(everything64, everything64)
		b.pass(10 * time.Second)
		b.set(func() { b.silent = true })
		good.say("look")
		b.answers(verdict{cores: []signed{release(1, 10), release(2, 10)}})
		next := b.placed(2)
		good.exits(platforms.Exit{Code: 1})
		b.pass(tick)
		b.started(2).ready()
		if _, err := os.Stat(b.CoreFile(2, hexOf(next.Hash))); err != nil {
			t.Errorf("what is being brought is taken away: %v", err)
		}
		b.delivers(nil)
		if k := b.kept(); k.Trial != next || b.s.looking.bringing != (boot.Core{}) {
			t.Errorf("%s", short(k))
		}
	})
	inVirtualTime(t, withTrial(), func(b *led) {
		good, trial := b.standing()
		trial.ready().checks(everything64, everything64)
		trial.exits(platforms.Exit{Code: 1})
		for _, file := range []string{"hold", "resume"} { // no trial any more
			b.must(os.WriteFile(filepath.Join(b.Request(), file+".request"), []byte(file), 0o600))
		}
		b.mirror = looked{verdict: verdict{cores: []signed{release(1, 10)}}}
		b.pass(tick)
		if !b.kept().Trial.None() {
			t.Fatal(short(b.kept()))
		}
		if again := b.started(3); good.killed() == 0 {
			again.ready()
		}
		if _, err := os.Stat(b.CoreFile(2, hexOf(trial.core.Hash))); err != nil {
			t.Errorf("while a core drains: %v", err)
		}
	})
}
