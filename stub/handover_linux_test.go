package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

// TestASwapStepByStep: who is told what, and when, from the first look at a release to its commit.
func TestASwapStepByStep(t *testing.T) {
	r := withTrial()
	inVirtualTime(t, r, func(b *led) {
		stray := b.placed(3)
		good := b.start()
		if good.nonce != "" || good.role != boot.GoodRole || b.view().state != starting {
			t.Errorf("the first core: %+v, %v", good.core, b.view().state)
		}
		b.pass(5 * time.Second)
		good.ready().checks(everything64, everything64)
		if v := b.view(); v.state != running || v.phase != "staged" || v.trial != "release 2" || v.core.version != "9.9.1" || v.core.pid != good.pid {
			t.Errorf("good is ready: %+v", v)
		}
		b.pass(7500 * time.Millisecond)
		b.started(1)
		good.hears()
		b.pass(tick)
		trial := b.started(2)
		good.hears("successor " + trial.nonce)
		if _, err := trial.image.Stat(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("its file stays open: %v", err)
		}
		if len(trial.nonce) != 32 || good.number != 1 || trial.number != 2 || trial.role != boot.TrialRole || trial.core != r.Trial {
			t.Errorf("in standby: %q %+v", trial.nonce, trial.core)
		}
		if k := b.kept(); k.Starts != 1 || k.Tries != boot.MaxTries || k.Baseline != everything64 || !slices.Contains(b.history(), "start release=2 version=- hash="+hexOf(r.Trial.Hash)+" starts=1 tries=3") {
			t.Errorf("%s\n%q", short(k), b.history())
		}
		if v := b.view(); v.phase != "standby" || v.core.pid != good.pid || trial.status("role") != "trial" || trial.status("phase") != "standby" || good.status("starts") != "1" {
			t.Errorf("in standby: %+v", v)
		}
		trial.ready()
		good.hears() // before its checks say that its loop runs good is left alone
		trial.checks(everything64, everything64&^scheduleBit)
		good.hears("drain 630")
		trial.hears()
		if v := b.view(); v.phase != "handover" || v.core.pid != good.pid {
			t.Errorf("while it is handed over: %+v", v)
		}
		good.say("handover book 12")
		trial.hears("activate book")
		if v := b.view(); v.phase != "soak" || trial.status("phase") != "soak" || v.core.pid != trial.pid || v.core.role != "trial" || v.state != running || !b.noted("activate", 2, "role=trial") {
			t.Errorf("it soaks: %+v\n%q", v, b.history())
		}
		b.pass(10 * time.Second) // it does not schedule yet: that does not count
		trial.checks(everything64, everything64)
		good.say("drained")
		good.exits(platforms.Exit{})
		b.pass(10 * time.Second)
		if k := b.kept(); k.Good != r.Good {
			t.Errorf("committed before an `alive` came after the soak: %s", short(k))
		}
		b.pass(tick)
		if k := b.kept(); k.Good != r.Trial || k.Previous != r.Good || !k.Trial.None() || k.Committed != time.Now().Add(-time.Millisecond).Unix() || !b.noted("commit", 2, "from=1") {
			t.Errorf("%s\n%q", short(k), b.history())
		}
		if _, err := os.Stat(b.CoreFile(3, hexOf(stray.Hash))); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a core that nobody names stays: %v", err)
		}
		if v := b.view(); v.phase != "" || v.core.role != "good" || trial.status("role") != "good" || trial.status("previous") != hexOf(r.Good.Hash) || v.restarts != 0 {
			t.Errorf("committed: %+v", v)
		}
		b.pass(time.Minute)
		b.started(2)
		trial.hears()
	})
}

// TestAnUpdateMayBeTheCure: where good does not run at all a ready trial gets the schedule, without drain and without a file, and good is ended;
// held against it is only what every core has.
func TestAnUpdateMayBeTheCure(t *testing.T) {
	inVirtualTime(t, withTrial(), func(b *led) {
		good := b.start()
		b.pass(10 * time.Second)
		trial := b.started(2)
		if k := b.kept(); k.Baseline != basicBits {
			t.Errorf("baseline %x", k.Baseline)
		}
		trial.ready()
		good.lines()
		trial.checks(basics, basics)
		good.hears()
		trial.hears("activate")
		if v := b.view(); v.core.pid != trial.pid {
			t.Errorf("%+v", v)
		}
		if good.killed() != 1 { // else it would schedule too, as soon as it could
			t.Error("good is not ended")
		}
		good.exits(platforms.Exit{Code: -1, Signal: 9})
		b.pass(15 * time.Second)
		if b.kept().Good != trial.core {
			t.Errorf("%s", short(b.kept()))
		}
	})
}

// TestGoodDiesBesideATrial: it comes back, and the trial waits for it; where it dies again the trial gets the schedule.
func TestGoodDiesBesideATrial(t *testing.T) {
	inVirtualTime(t, withTrial(), func(b *led) {
		good, trial := b.standing()
		good.exits(platforms.Exit{Code: 1})
		trial.ready().checks(everything64, everything64)
		trial.hears()
		b.pass(tick)
		good = b.started(3)
		if v := b.view(); v.phase != "standby" || good.role != boot.GoodRole || v.core.pid != good.pid {
			t.Errorf("%+v", v)
		}
		trial.hears()
		b.pass(20 * time.Second) // well for longer than a core has to say its first `checks`
		if trial.killed() > 0 {
			t.Error("a trial that waits is ended")
		}
		good.ready()
		good.hears("drain 630")
		good.say("handover book 0")
		trial.hears("activate book")
	})
	inVirtualTime(t, withTrial(), func(b *led) {
		good, trial := b.standing()
		trial.ready()
		good.exits(platforms.Exit{Code: 1})
		trial.checks(everything64, everything64)
		b.pass(tick)
		b.started(3).exits(platforms.Exit{Code: 1})
		trial.hears("activate")
		if v := b.view(); v.core.pid != trial.pid || v.phase != "soak" || v.state != running || strings.Contains(b.warned(), "restarting") || v.restarts != 2 {
			t.Errorf("%+v", v)
		}
		b.pass(time.Minute)
		b.started(3)
	})
}

// TestGoodDiesWhileItHandsOver: the trial takes what it left.
func TestGoodDiesWhileItHandsOver(t *testing.T) {
	inVirtualTime(t, withTrial(), func(b *led) {
		good, trial := b.standing()
		trial.ready().checks(everything64, everything64)
		good.exits(platforms.Exit{Code: 1})
		trial.hears("activate")
		if v := b.view(); v.state != running || v.core.pid != trial.pid || v.restarts != 1 || v.last != "exit-1" || b.warned() != "" {
			t.Errorf("%+v", v)
		}
		b.pass(time.Minute)
		b.started(2)
	})
}

// TestNoHandover: good has 5 s for it, then it is ended and the trial works without.
func TestNoHandover(t *testing.T) {
	inVirtualTime(t, withTrial(), func(b *led) {
		good, trial := b.standing()
		trial.ready().checks(everything64, everything64)
		b.wait(5*time.Second - time.Millisecond)
		if good.killed() > 0 {
			t.Error("ended too early")
		}
		b.pass(2 * time.Millisecond)
		if good.killed() != 1 {
			t.Error("it is not ended")
		}
		trial.hears("activate")
		if v := b.view(); v.core.pid != trial.pid || v.restarts != 0 || v.phase != "soak" {
			t.Errorf("%+v", v)
		}
		b.pass(5 * time.Second)
		trial.hears()
	})
}

// TestHandovers: how long a core may drain, and with which file its successor starts.
func TestHandovers(t *testing.T) {
	for _, tt := range []struct {
		said, told string
		may        time.Duration
	}{
		{"handover book 12", "activate book", 42 * time.Second},
		{"handover  book  0 more", "activate book", 30 * time.Second},
		{"handover book 100", "activate book", 130 * time.Second},
		{"handover book", "activate book", 630 * time.Second},
		{"handover book 10m", "activate book", 630 * time.Second},
		{"handover book 601", "activate book", 630 * time.Second},
		{"handover", "activate", 630 * time.Second},
		{"handover ../book 5", "activate", 35 * time.Second},
		{"drained", "activate", 630 * time.Second},
	} {
		t.Run(tt.said, func(t *testing.T) {
			inVirtualTime(t, withTrial(), func(b *led) {
				good, trial := b.standing()
				trial.ready().checks(everything64, everything64)
				good.say(tt.said)
				trial.hears(tt.told)
				b.set(func() { b.slept += time.Hour }) // time in which the machine slept does not count
				b.pass(tick)
				b.pass((tt.may - tick - late).Truncate(tick))
				if good.killed() > 0 {
					t.Error("ended too early")
				}
				b.pass(tick)
				if good.killed() != 1 {
					t.Error("it is not ended")
				}
				if v := b.view(); v.restarts != 0 || v.state != running {
					t.Errorf("%+v", v)
				}
			})
		})
	}
}

// TestWhoMayHandOver: the core that has the schedule, once it was asked to; the others are not listened to.
func TestWhoMayHandOver(t *testing.T) {
	inVirtualTime(t, withTrial(), func(b *led) {
		good, trial := b.standing()
		for _, line := range []string{"handover book 5", "drained"} {
			good.say(line)
			trial.say(line)
		}
		trial.ready().checks(everything64, everything64)
		good.hears("drain 630")
		for _, line := range []string{"handover book 5", "drained", "hold", "look"} {
			trial.say(line)
		}
		trial.hears()
		if v := b.view(); v.phase != "handover" || v.core.pid != good.pid || v.hold {
			t.Errorf("%+v", v)
		}
		good.say("handover book 5")
		trial.hears("activate book")
		good.say("handover book 5")
		good.say("drained")
		good.say("hold")
		trial.hears()
		if v := b.view(); v.core.pid != trial.pid || v.hold {
			t.Errorf("%+v", v)
		}
	})
}

// TestATrialDiesWhileGoodHandsOver: good was told to drain and does; a fresh process of it takes its place at once.
func TestATrialDiesWhileGoodHandsOver(t *testing.T) {
	inVirtualTime(t, withTrial(), func(b *led) {
		good, trial := b.standing()
		trial.ready().checks(everything64, everything64)
		trial.exits(platforms.Exit{Code: 7})
		again := b.started(3)
		if v := b.view(); again.role != boot.GoodRole || again.nonce != "" || v.core.pid != again.pid || v.phase != "staged" {
			t.Errorf("%+v", v)
		}
		again.ready()
		good.say("handover book 5")
		again.hears()
		b.pass(5*time.Second + tick) // nobody waits for the handover any more
		again.hears()
		if good.killed() > 0 {
			t.Error("what drains is ended")
		}
		b.pass(10 * time.Second)
		b.started(3) // no trial while a core drains
		good.exits(platforms.Exit{})
		b.pass(tick)
		b.started(4)
	})
}

// TestWhatDrainsHasItsTime, to the tick.
func TestWhatDrainsHasItsTime(t *testing.T) {
	inVirtualTime(t, withTrial(), func(b *led) {
		good, trial := b.standing()
		trial.ready().checks(everything64, everything64)
		good.say("handover book 0")
		if b.pass(30*time.Second - tick); good.killed() > 0 {
			t.Error("ended too early")
		}
		if b.pass(tick); good.killed() != 1 {
			t.Error("not ended in time")
		}
	})
}

// TestAForeignHolderOfTheLock: 10 s after good was started a core of an earlier stub that still holds state/lock is ended; what is no
// core of this box is left alone, and said.
func TestAForeignHolderOfTheLock(t *testing.T) {
	const said = "a process that is no core of ours holds state/lock"
	hold := func(b *led) *platforms.Lock {
		l, err := platforms.Take(b.Lock())
		b.must(err)
		return l
	}
	inVirtualTime(t, onOne(), func(b *led) {
		b.set(func() { b.launches = os.ErrPermission })
		lock := hold(b)
		b.start()
		b.pass(20 * time.Second) // not from the start of the stub on
		b.set(func() { b.launches = nil })
		b.pass(17500 * time.Millisecond)
		b.started(1).ready()
		b.must(lock.Release())
		b.pass(tick)
		if strings.Contains(b.text(), said) {
			t.Errorf("said with no core of ours, or too early:\n%s", b.text())
		}
		lock = hold(b)
		b.pass(7500 * time.Millisecond)
		b.must(lock.Release())
		b.pass(tick)
		lock = hold(b)
		b.pass(7500 * time.Millisecond)
		if strings.Contains(b.text(), said) {
			t.Errorf("it did not hold it all the time:\n%s", b.text())
		}
		b.pass(tick)
		if strings.Count(b.text(), said) != 1 {
			t.Errorf("not said once:\n%s", b.text())
		}
		b.pass(7500 * time.Millisecond)
		if strings.Count(b.text(), said) != 1 {
			t.Errorf("said again too early:\n%s", b.text())
		}
		b.pass(tick)
		if strings.Count(b.text(), said) != 2 || strings.Contains(b.text(), "was ended") {
			t.Errorf("not said again:\n%s", b.text())
		}
		b.must(lock.Release())
	})
	inVirtualTime(t, onOne(), func(b *led) {
		core := b.start().ready()
		lock := hold(b)
		b.pass(7500 * time.Millisecond)
		core.pid = os.Getpid()
		b.pass(tick)
		core.pid = 1
		b.pass(time.Minute)
		if strings.Contains(b.text(), said) {
			t.Errorf("a core of ours held it:\n%s", b.text())
		}
		b.must(lock.Release())
	})
}

// TestACoreOfAnEarlierStubIsEnded: it runs from ver/ and holds state/lock.
func TestACoreOfAnEarlierStubIsEnded(t *testing.T) {
	b := emptyBox(t)
	c := b.place(1, coreBytes(t, ""))
	earlier := exec.Command(b.CoreFile(1, hexOf(c.Hash)), "run", "--root", b.Root)
	in, err := earlier.StdinPipe()
	b.must(err)
	b.must(earlier.Start())
	defer in.Close()
	b.until("it schedules", func() bool { pid, _ := platforms.Holder(b.Lock()); return pid == earlier.Process.Pid })
	s := newSupervisor(b.Layout, &logger{io.Discard, time.Now})
	s.core = &process{child: &puppet{pid: os.Getpid()}}
	s.oustHolder(holderTime - 1)
	s.oustHolder(0)
	if pid, _ := platforms.Holder(b.Lock()); pid != earlier.Process.Pid {
		t.Fatal("it is ended too early")
	}
	s.oustHolder(1)
	if err := earlier.Wait(); err == nil || earlier.ProcessState.String() != "signal: killed" {
		t.Errorf("it ended with %v", earlier.ProcessState)
	}
	if s.oustHolder(holderTime); s.swap.foreign != 0 || s.swap.owned {
		t.Errorf("nobody holds it: %v", s.swap.foreign)
	}
}
