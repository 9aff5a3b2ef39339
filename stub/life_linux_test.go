package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/updater/boot"
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

// TestLooksWhileNothingGoesOn: with what the core says, which is every 5 s, and every 10 s by itself; every 2.5 s again once `alive` is overdue or
// something goes on. A core that hangs is killed at the first look after its time is up.
func TestLooksWhileNothingGoesOn(t *testing.T) {
	calm := func(test func(b *led, good *puppet, ask func(), taken func() bool)) {
		inVirtualTime(t, onOne(), func(b *led) {
			b.s.swap.owned = true
			good := b.start().ready()
			b.pass(70 * time.Second)
			good.lively = false
			request := filepath.Join(b.Request(), "a.request")
			test(b, good, func() { b.must(os.WriteFile(request, []byte("odd\n"), 0o600)) },
				func() bool { _, err := os.Stat(request); return err != nil })
		})
	}
	calm(func(b *led, good *puppet, ask func(), taken func() bool) {
		for before := true; before || !taken(); b.wait(tick) { // until it has looked by itself just now
			before = false
			good.say("alive")
			ask()
		}
		good.say("alive")
		ask()
		if b.wait(5 * time.Second); taken() {
			t.Error("looked in between")
		}
		if good.say("alive"); !taken() {
			t.Error("not looked with a line")
		}
		ask()
		if b.wait(calmTick - 5*time.Second - time.Millisecond - 1); taken() { // the millisecond by which all happens after a tick
			t.Error("looked too early")
		}
		if b.wait(1); !taken() {
			t.Error("not looked in time")
		}
		ask()
		if b.wait(tick - 1); taken() {
			t.Error("looked too early, with `alive` overdue")
		}
		if b.wait(1); !taken() {
			t.Error("not looked in time, with `alive` overdue")
		}
		if b.wait(3 * tick); good.killed() > 0 {
			t.Error("killed a millisecond before its time was up")
		}
		if b.wait(tick); good.killed() != 1 {
			t.Error("not killed when its time was up")
		}
	})
	calm(func(b *led, good *puppet, ask func(), taken func() bool) {
		b.set(func() { b.silent = true })
		b.wait(tick / 2)
		good.say("look")
		ask()
		if b.wait(tick); !taken() {
			t.Error("a look for releases is under way, and no look comes")
		}
	})
}

// over reports whether the stub has ended.
func over(b *led) bool {
	select {
	case <-b.over:
		return true
	default:
		return false
	}
}

// TestStop: every core is told, has ten seconds, and is killed then; no swap begins any more.
func TestStop(t *testing.T) {
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
}

// TestAStopAskedForTwice: it does not wait, for what drains either.
func TestAStopAskedForTwice(t *testing.T) {
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
}

// TestAStopWaits: for what a core left behind, and holds no silence against a core.
func TestAStopWaits(t *testing.T) {
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
}

// TestAStopEndsWhatClings: again, where its time is over.
func TestAStopEndsWhatClings(t *testing.T) {
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
}

// TestAStopWhileNothingRuns: is over at once, and nothing is started after it.
func TestAStopWhileNothingRuns(t *testing.T) {
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
