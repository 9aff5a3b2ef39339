package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/updater/boot"
	"github.com/limpet-monitoring/limpet/updater/store"
)

// TestAQuietBox: what a stub does while nothing happens. It looks, and verifies, and starts and ends nothing, and warns of nothing.
func TestAQuietBox(t *testing.T) {
	inVirtualTime(t, onOne(), func(b *led) {
		b.mirror = looked{verdict: verdict{cores: []signed{release(1, 10)}}}
		b.stored = b.mirror.verdict
		for i := range 2 {
			if info, err := os.Stat(b.Record(i)); err != nil || info.Size() != boot.Size {
				t.Errorf("sector %d: %v %v", i, info, err)
			}
		}
		good := b.start().ready()
		b.pass(tick) // gives back the memory of the start
		if b.shrunk != 1 {
			t.Errorf("memory is given back %d times", b.shrunk)
		}
		began, sweeps := b.view().since, len(b.sweeps)
		b.pass(35 * time.Second)
		if len(b.looks) > 0 {
			t.Error("it looks before its time")
		}
		b.pass(tick)
		if b.pass(tick); b.shrunk != 2 { // after the look
			t.Errorf("memory is given back %d times", b.shrunk)
		}
		b.pass(14 * time.Minute)
		if b.shrunk != 2 || len(b.sweeps) != sweeps || len(b.looks) != 1 {
			t.Errorf("memory given back %d times, %d sweeps, %d looks", b.shrunk, len(b.sweeps), len(b.looks))
		}
		b.pass(50 * time.Minute)
		b.started(1)
		good.hears()
		if v := b.view(); v.since != began || v.state != running || v.restarts != 0 || good.killed() > 0 || b.warned() != "" {
			t.Errorf("%+v", v)
		}
		if strings.Contains(b.text(), "WARN") || strings.Contains(b.text(), "ERROR") {
			t.Error(b.text())
		}
		if b.verifies != 1 {
			t.Errorf("verified %d times", b.verifies)
		}
		b.set(func() { b.slept += 6*time.Hour - time.Since(b.begun).Round(tick) - 2*tick })
		if b.pass(tick); b.verifies != 1 {
			t.Error("verified before its time")
		}
		if b.pass(tick); b.verifies != 2 {
			t.Error("not verified after six hours")
		}
	})
}

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

// TestWhatGrowsIsCapped: the log of the cores is rotated while they go on writing.
func TestWhatGrowsIsCapped(t *testing.T) {
	inVirtualTime(t, onOne(), func(b *led) {
		b.must(os.WriteFile(b.CoreLog(), nil, 0o640))
		b.must(os.Truncate(b.CoreLog(), coreLogSize+1))
		b.start()
		size := func(name string) int64 {
			info, err := os.Stat(name)
			b.must(err)
			return info.Size()
		}
		if size(b.CoreLog()) != 0 || size(b.CoreLog()+".1") == 0 {
			t.Error("not rotated at a start")
		}
		b.must(os.Truncate(b.CoreLog(), coreLogSize+1))
		if b.pass(tick); size(b.CoreLog()) != 0 {
			t.Error("not rotated at a tick")
		}
		if strings.Contains(b.text(), "not rotated") {
			t.Error(b.text())
		}
	})
}

// TestTicks: every 2.5 s, and with a line that comes when half of that has passed; the next is a whole one later.
func TestTicks(t *testing.T) {
	inVirtualTime(t, onOne(), func(b *led) {
		good := b.start().ready()
		b.pass(tick - time.Millisecond)
		asked := 0
		ask := func() {
			asked++
			b.must(os.WriteFile(filepath.Join(b.Request(), "a.request"), []byte("look\n"), 0o600))
		}
		taken := func() bool { _, err := os.Stat(filepath.Join(b.Request(), "a.request")); return err != nil }
		wait := b.wait
		ask()
		wait(tick/2 - 1)
		if good.say("alive"); taken() {
			t.Error("ticked too early")
		}
		wait(1)
		if good.say("alive"); !taken() {
			t.Error("a line did not bring the tick")
		}
		ask()
		wait(tick - 1)
		if taken() {
			t.Error("ticked again too early")
		}
		if wait(1); !taken() {
			t.Error("no tick")
		}
	})
}

// TestStop: every core is told, has ten seconds, and is killed then; asked for again at once.
func TestStop(t *testing.T) {
	const stopped = stopped
	over := func(b *led) bool {
		select {
		case <-b.over:
			return true
		default:
			return false
		}
	}
	inVirtualTime(t, withTrial(), func(b *led) {
		good, trial := b.standing()
		good.lively, trial.lively = false, false
		b.signal(b.stop)
		good.hears("stop service 10")
		trial.hears("stop service 10")
		if v := b.view(); v.state != stopping {
			t.Errorf("%+v", v)
		}
		trial.ready().checks(everything64, everything64)
		if v := b.view(); v.state != stopping || v.phase != "standby" {
			t.Errorf("a swap begins: %+v", v)
		}
		good.hears()
		good.exits(platforms.Exit{})
		if v := b.view(); over(b) || v.last != "exit-0" || v.restarts != 0 || v.state != stopping || b.warned() != "" {
			t.Errorf("%+v", v)
		}
		b.wait(9998 * time.Millisecond)
		if trial.killed() > 0 {
			t.Error("killed too early")
		}
		b.pass(2 * time.Millisecond)
		if v := b.view(); trial.killed() != 1 || !over(b) || v.state != stopped || v.last != "stop" || b.kept().Tries != boot.MaxTries {
			t.Errorf("%+v", v)
		}
		b.started(2)
	})
	inVirtualTime(t, withTrial(), func(b *led) {
		_, trial := b.swapped() // good drains
		b.signal(b.stop)
		trial.hears("stop service 10")
		b.all()[0].hears("stop service 10")
		b.signal(b.stop)
		if v := b.view(); trial.killed() != 1 || b.all()[0].killed() != 1 || !over(b) || v.last != "stop" {
			t.Errorf("%+v", v)
		}
	})
	inVirtualTime(t, onOne(), func(b *led) {
		good := b.start().ready() // and is silent from now on
		good.lively = false
		good.clings.Store(true)
		b.pass(12500 * time.Millisecond)
		b.signal(b.stop)
		if b.pass(7500 * time.Millisecond); good.killed() > 0 {
			t.Error("a core that is stopped is killed for its silence")
		}
		b.pass(tick)
		if good.killed() != 1 || over(b) {
			t.Error("it is not killed")
		}
		b.set(func() { b.left = 1 })
		good.exits(platforms.Exit{Code: -1, Signal: 9})
		if b.pass(tick); over(b) || b.view().last != "stop" {
			t.Error("something that it left behind lives, and the stub does not")
		}
		b.s.again()
		b.set(func() { b.left = 0 })
		if b.pass(tick); !over(b) || b.view().state != stopped {
			t.Error("it does not stop")
		}
		b.started(1)
	})
	inVirtualTime(t, onOne(), func(b *led) {
		good := b.start()
		good.clings.Store(true)
		b.signal(b.stop)
		b.pass(5 * time.Second)
		b.signal(b.stop)
		if good.killed() != 1 {
			t.Error("it is not killed at once")
		}
		if b.pass(5 * time.Second); good.killed() != 2 { // what does not end is killed again when its time is over
			t.Errorf("killed %d times", good.killed())
		}
	})
	inVirtualTime(t, onOne(), func(b *led) {
		b.start().exits(platforms.Exit{Code: 1})
		b.signal(b.stop)
		if !over(b) || b.view().state != stopped {
			t.Error("it does not stop while it waits")
		}
		b.wait(time.Minute)
		b.started(1)
	})
}

// TestWhatACoreLeavesBehind: it is ended with it, until nothing is left; only what a core leaves that drained and ended well lives on.
func TestWhatACoreLeavesBehind(t *testing.T) {
	for _, tt := range []struct {
		name string
		ends func(b *led)
		want bool
	}{
		{"good", func(b *led) { b.start().exits(platforms.Exit{}) }, true},
		{"a trial in standby", func(b *led) { _, trial := b.standing(); trial.exits(platforms.Exit{}) }, true},
		{"one that drained", func(b *led) { good, _ := b.swapped(); good.exits(platforms.Exit{}) }, false},
		{"one that drained badly", func(b *led) { good, _ := b.swapped(); good.exits(platforms.Exit{Code: 1}) }, true},
		{"one that was killed", func(b *led) {
			good, trial := b.standing()
			trial.ready().checks(everything64, everything64)
			good.clings.Store(true)
			b.pass(2 * tick)
			good.exits(platforms.Exit{}) // just before
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inVirtualTime(t, withTrial(), func(b *led) {
				b.left = 2
				tt.ends(b)
				if n := len(b.sweeps); n == 0 || b.sweeps[n-1] != tt.want {
					t.Fatalf("%v", b.sweeps)
				}
				before := len(b.sweeps)
				b.pass(tick)
				if n := len(b.sweeps) - before; n != map[bool]int{true: 1, false: 0}[tt.want] {
					t.Errorf("looked for it %d times in the next tick", n)
				}
				b.set(func() { b.left = 0 })
				b.pass(tick)
				before = len(b.sweeps)
				if b.pass(tick); len(b.sweeps) != before {
					t.Error("looked for what is gone")
				}
				b.signal(b.child)
				if n := len(b.sweeps); n != before+1 || b.sweeps[n-1] {
					t.Errorf("a child that ended: %v", b.sweeps[before:])
				}
				b.set(func() { b.left = 1 }) // of others than ours
				b.signal(b.child)
			})
		})
	}
}

// TestWatching: a core that breaks the rules is ended, for the first of the reasons, and once.
func TestWatching(t *testing.T) {
	for _, tt := range []struct {
		name  string
		does  func(b *led, c *puppet)
		cause string
	}{
		{"never ready", func(b *led, _ *puppet) { b.pass(time.Minute) }, "not-ready"},
		{"silent", func(b *led, c *puppet) { c.ready().lively = false; b.pass(15 * time.Second) }, "hang"},
		{"floods", func(b *led, c *puppet) { c.ready().sends(event{number: c.number, flood: true}) }, "flood"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inVirtualTime(t, onOne(), func(b *led) {
				good := b.start()
				good.clings.Store(true)
				tt.does(b, good)
				if good.killed() != 1 || b.view().restarts != 0 {
					t.Fatalf("killed %d times, %+v", good.killed(), b.view())
				}
				good.lines()
				good.told = nil
				b.pass(2 * tick)
				b.signal(b.reload)
				if good.killed() != 1 || len(good.told) > 0 {
					t.Errorf("killed %d times, and told %q", good.killed(), good.told)
				}
				good.exits(platforms.Exit{Code: -1, Signal: 9})
				if v := b.view(); v.last != tt.cause || v.restarts != 1 || v.state != restarting {
					t.Errorf("%+v", v)
				}
			})
		})
	}
	inVirtualTime(t, onOne(), func(b *led) {
		good := b.start()
		if b.pass(time.Minute - tick); good.killed() > 0 {
			t.Error("ended before its minute was over")
		}
		good.ready().lively = false
		if b.pass(12500 * time.Millisecond); good.killed() > 0 {
			t.Error("ended before three of its lines were missed")
		}
		good.say("alive")
		if b.pass(12500 * time.Millisecond); good.killed() > 0 {
			t.Error("it is not heard")
		}
	})
	inVirtualTime(t, withTrial(), func(b *led) {
		good, trial := b.standing() // which is not ready in its time
		b.pass(time.Minute - tick)
		if trial.killed() > 0 {
			t.Error("ended before its minute was over")
		}
		if b.pass(tick); trial.killed() != 1 || good.killed() > 0 || b.kept().Tries != boot.MaxTries-1 {
			t.Error("it is not ended")
		}
	})
}

// TestASignalReloads: a signal is for a request that lies there, or else says that the box file changed.
func TestASignalReloads(t *testing.T) {
	inVirtualTime(t, onOne(), func(b *led) {
		good := b.start().ready()
		b.must(os.WriteFile(b.BoxFile(), []byte("channel = beta\n"), 0o644))
		b.must(os.WriteFile(filepath.Join(b.Request(), "a.request"), []byte("hold\n"), 0o600))
		b.signal(b.reload)
		good.hears()
		if len(b.looks) != 1 || b.verifies != 1 || !b.kept().Owner.Hold {
			t.Errorf("%d looks, verified %d times, %s", len(b.looks), b.verifies, short(b.kept()))
		}
		b.signal(b.reload)
		good.hears("reload")
		if v := b.view(); len(b.looks) != 2 || b.verifies != 2 || v.channel != "beta" || b.looks[1].channel != "beta" {
			t.Errorf("%d looks, verified %d times, %+v", len(b.looks), b.verifies, v)
		}
	})
}

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
		if err := socket.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
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
		b.must(socket.SetReadDeadline(time.Now().Add(20 * time.Second)))
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
	if n := debug.SetGCPercent(20); n != 20 {
		t.Errorf("memory may grow by %d %%", n)
	}
	if m := syscall.Umask(0o022); m != 0o022 {
		t.Errorf("umask %o", m)
	}
	// An orphan becomes the stub's child, and is taken when it ends.
	out, _ := exec.Command("sh", "-c", "sleep 0.5 >/dev/null 2>&1 & echo $!").Output() // the stub may have taken it before it is waited for
	orphan, err := strconv.Atoi(strings.TrimSpace(string(out)))
	b.must(err)
	if data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", orphan)); err != nil || !strings.Contains(string(data), fmt.Sprintf("PPid:\t%d\n", os.Getpid())) {
		t.Errorf("the orphan's parent: %s %v", data, err)
	}
	b.until("the orphan is taken", 2*time.Second, func() bool { return !alive(orphan) })
	tell(syscall.SIGHUP)
	b.until("it reloads", 10*time.Second, func() bool { return b.logged("msg=reload") })
	tell(syscall.SIGTERM)
	heard("STOPPING=1")
	select {
	case err := <-ended:
		b.must(err)
	case <-time.After(20 * time.Second):
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
