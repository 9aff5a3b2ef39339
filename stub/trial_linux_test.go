package main

import (
	"errors"
	"fmt"
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

const everything64 = basics | checkOne | checkTwo

// standing is a trial in standby beside a good that has settled.
func (b *led) standing() (good, trial *puppet) {
	b.t.Helper()
	good = b.start().ready().checks(everything64, everything64)
	b.pass(10 * time.Second)
	trial = b.started(2)
	good.lines()
	return good, trial
}

// swapped is a trial that has the schedule; good drains.
func (b *led) swapped() (good, trial *puppet) {
	b.t.Helper()
	good, trial = b.standing()
	trial.ready().checks(everything64, everything64)
	good.say("handover book 600")
	good.lines()
	trial.lines()
	return good, trial
}

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

// TestWhenATrialStarts: once good has been ready for a minute, or for the soak where that is less, or has not been for as long.
func TestWhenATrialStarts(t *testing.T) {
	for _, tt := range []struct {
		name  string
		soak  uint16
		after time.Duration
	}{
		{"a long soak", 300, time.Minute}, {"a soak that nobody signed", 0, time.Minute}, {"a short soak", 20, 20 * time.Second},
	} {
		for _, ready := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, good is ready: %v", tt.name, ready), func(t *testing.T) {
				r := withTrial()
				r.Soak = tt.soak
				inVirtualTime(t, r, func(b *led) {
					good := b.start()
					if ready {
						good.ready()
					}
					b.pass(tt.after - tick)
					b.started(1)
					b.pass(tick)
					if trial := b.all()[1]; trial.role != boot.TrialRole {
						t.Errorf("%v", trial.role)
					}
				})
			})
		}
	}
}

// TestATrialWaitsForGood: as long as good is neither well nor down for so long without a break.
func TestATrialWaitsForGood(t *testing.T) {
	inVirtualTime(t, withTrial(), func(b *led) {
		good := b.start().ready()
		for range 4 { // never well for long, nor down for long
			b.pass(5 * time.Second)
			good.exits(platforms.Exit{Code: 1})
			b.pass(5 * time.Second)
			good = b.last().ready()
			if good.role != boot.GoodRole {
				t.Fatalf("%v was started", good.role)
			}
		}
		b.pass(10 * time.Second)
		if trial := b.last(); trial.role != boot.TrialRole {
			t.Errorf("%v", trial.role)
		}
	})
}

// TestAnUpdateMayBeTheCure: where good does not run at all a ready trial gets the schedule, without drain and without a file; held
// against it is only what every core has.
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
		b.pass(15 * time.Second) // good drains, though nobody told it to: it is left to its time
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

// TestATrialThatDoesNotSpeak: it has 15 s from its `ready` to its `checks`, and as long to schedule once it was activated.
func TestATrialThatDoesNotSpeak(t *testing.T) {
	inVirtualTime(t, withTrial(), func(b *led) {
		good, trial := b.standing()
		trial.ready()
		b.pass(12500 * time.Millisecond)
		if trial.killed() > 0 {
			t.Error("ended too early")
		}
		b.pass(tick)
		if k := b.kept(); trial.killed() != 1 || k.Tries != boot.MaxTries-1 || k.Trial.None() || b.view().core.pid != good.pid {
			t.Errorf("%s", short(k))
		}
		good.hears()
		if !slices.Contains(b.history(), "fail release=2 version=9.9.2 hash="+hexOf(trial.core.Hash)+" reason=hang") {
			t.Errorf("%q", b.history())
		}
	})
	inVirtualTime(t, withTrial(), func(b *led) {
		_, trial := b.swapped()
		trial.checks(everything64, everything64&^scheduleBit)
		b.pass(tick) // it had said that it schedules: that counts
		if trial.killed() > 0 {
			t.Error("ended")
		}
	})
	inVirtualTime(t, withTrial(), func(b *led) {
		good, trial := b.standing()
		trial.ready().checks(everything64, everything64&^scheduleBit)
		good.say("handover book 600")
		b.pass(12500 * time.Millisecond)
		if trial.killed() > 0 {
			t.Error("ended too early")
		}
		b.pass(tick)
		if k := b.kept(); trial.killed() != 1 || k.Tries != boot.MaxTries-1 {
			t.Errorf("%s", short(k))
		}
		if again := b.started(3); again.role != boot.GoodRole || again.status("last") != "hang" || b.view().restarts != 0 {
			t.Errorf("%v after %q", again.role, again.status("last"))
		}
	})
}

// TestATrialEnds: in standby good never noticed; with the schedule good starts at once. Either way only its own doing is held against it.
func TestATrialEnds(t *testing.T) {
	for _, tt := range []struct {
		exit  platforms.Exit
		tries uint8
		noted string
	}{
		{platforms.Exit{Code: 7}, 2, "reason=exit"},
		{platforms.Exit{Code: -1, Signal: 11}, 2, "reason=exit"},
		{platforms.Exit{Code: -1, Signal: 9}, 3, "how=signal-9"},
	} {
		what := map[uint8]string{2: "fail", 3: "spent"}[tt.tries]
		t.Run(tt.exit.String(), func(t *testing.T) {
			inVirtualTime(t, withTrial(), func(b *led) {
				b.must(os.WriteFile(b.CoreLog(), []byte("before\n"), 0o640))
				good, trial := b.standing()
				b.must(os.WriteFile(b.CoreLog(), []byte("before\nafter\n"), 0o640))
				trial.exits(tt.exit)
				if kept, _ := os.ReadFile(b.Rejected(hexOf(trial.core.Hash))); string(kept) != map[string]string{"fail": "after\n"}[what] {
					t.Errorf("of its log is kept: %q", kept)
				}
				if good.status("tries") != fmt.Sprint(tt.tries) || good.status("phase") != "staged" {
					t.Errorf("good is told %q", good.told)
				}
				if k := b.kept(); k.Tries != tt.tries || b.view().core.pid != good.pid || !slices.Contains(b.history(), what+" release=2 version=- hash="+hexOf(trial.core.Hash)+" "+tt.noted) {
					t.Errorf("%s\n%q", short(k), b.history())
				}
				good.hears()
				if v := b.view(); v.phase != "staged" || v.restarts != 0 || v.last != "none" {
					t.Errorf("%+v", v)
				}
				b.pass(7500 * time.Millisecond) // the first 10 s are over: it starts again, and then after 20, 40 s
				b.started(2)
				b.pass(tick)
				b.started(3).exits(tt.exit)
				b.pass(17500 * time.Millisecond)
				b.started(3)
				b.pass(tick)
				b.started(4)
			})
			inVirtualTime(t, withTrial(), func(b *led) {
				_, trial := b.swapped()
				trial.exits(tt.exit)
				good := b.started(3)
				if v := b.view(); good.role != boot.GoodRole || v.core.pid != good.pid || v.restarts != 0 || v.last != tt.exit.String() || b.kept().Tries != tt.tries {
					t.Errorf("%+v", v)
				}
			})
		})
	}
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

// TestAFailedStartOfATrial is asked for again as after any start; where the record takes no start nothing is started.
func TestAFailedStartOfATrial(t *testing.T) {
	inVirtualTime(t, withTrial(), func(b *led) {
		b.set(func() { b.launches = errors.New("no processes left") })
		b.start()
		b.set(func() { b.launches = nil })
		b.pass(time.Second)
		b.started(1).ready().checks(everything64, everything64)
		b.pass(7500 * time.Millisecond)
		b.set(func() { b.launches = errors.New("no processes left") })
		b.pass(tick)
		if k := b.kept(); k.Starts != 1 || k.Tries != boot.MaxTries {
			t.Errorf("%s", short(k))
		}
		b.set(func() { b.launches = nil })
		b.pass(7500 * time.Millisecond)
		b.started(1)
		b.pass(tick)
		if k := b.kept(); b.started(2).role != boot.TrialRole || k.Starts != 2 {
			t.Errorf("%s", short(k))
		}
	})
	r := withTrial()
	r.Starts = 3 // the fourth would be 40 s after it
	inVirtualTime(t, r, func(b *led) {
		b.start().ready().checks(everything64, everything64)
		b.set(func() { b.broken = os.ErrPermission })
		b.pass(12500 * time.Millisecond)
		b.set(func() { b.broken = nil })
		b.pass(5 * time.Second)
		b.started(1)
		if k := b.kept(); k.Starts != 3 || b.warned() != "record" {
			t.Errorf("%s %s", short(k), b.warned())
		}
		b.pass(tick)
		if b.started(2).role != boot.TrialRole || b.kept().Starts != 4 || b.warned() != "" {
			t.Errorf("%s %s", short(b.kept()), b.warned())
		}
	})
}

// TestATrialThatCannotBeOpened: damaged it is dropped, and brought again at once; where the disk does not answer it waits.
func TestATrialThatCannotBeOpened(t *testing.T) {
	for _, missing := range []bool{false, true} {
		inVirtualTime(t, withTrial(), func(b *led) {
			b.mirror = looked{verdict: verdict{cores: []signed{release(1, 10), release(2, 10)}}}
			b.luck = 0.999
			b.start().ready().checks(everything64, everything64)
			path := b.CoreFile(2, hexOf(release(2, 0).Hash))
			b.must(os.Remove(path))
			if !missing {
				b.must(os.WriteFile(path, []byte("something else"), 0o555))
			}
			b.pass(10 * time.Second)
			if !b.kept().Trial.None() || len(b.looks) > 0 || !slices.Contains(b.history(), "drop release=2 version=- hash="+hexOf(release(2, 0).Hash)+" why=damaged") {
				t.Errorf("%s %q", short(b.kept()), b.history())
			}
			b.pass(tick)
			if b.started(2); len(b.brings) != 1 || b.kept().Trial != release(2, 0).Core || b.kept().Starts != 1 {
				t.Errorf("%d looks: %s", len(b.looks), short(b.kept()))
			}
		})
	}
	inVirtualTime(t, withTrial(), func(b *led) {
		b.start().ready().checks(everything64, everything64)
		b.set(func() { b.opens = os.ErrPermission })
		b.pass(10 * time.Second)
		b.set(func() { b.opens = nil })
		b.pass(10*time.Minute - tick)
		if b.started(1); b.kept().Trial.None() || b.kept().Starts != 0 {
			t.Errorf("%s", short(b.kept()))
		}
		b.pass(tick)
		b.started(2)
	})
}

// TestBaseline: what held under good as its trial was started; a session that good had within the hour counts, whatever became of it.
func TestBaseline(t *testing.T) {
	const lost = everything64 &^ sessionBit
	for _, tt := range []struct {
		name string
		says func(b *led, good *puppet)
		want uint64
	}{
		{"all that holds", func(_ *led, good *puppet) { good.ready().checks(everything64, everything64) }, everything64},
		{"what is not judged", func(_ *led, good *puppet) { good.ready().checks(everything64, everything64&^checkOne) }, everything64 &^ checkOne},
		{"what does not hold", func(_ *led, good *puppet) { good.ready().checks(lost&^checkTwo, everything64) }, lost &^ checkTwo},
		{"nothing was said", func(_ *led, good *puppet) { good.ready() }, basicBits},
		{"said before it was ready", func(_ *led, good *puppet) { good.checks(everything64, everything64) }, basicBits},
		{"a session lost", func(_ *led, good *puppet) {
			good.ready().checks(everything64, everything64).checks(lost, everything64)
		}, everything64},
		{"a session that was not judged", func(_ *led, good *puppet) {
			good.ready().checks(everything64, lost).checks(lost, everything64)
		}, lost},
		{"a session lost an hour ago", func(b *led, good *puppet) {
			good.ready().checks(everything64, everything64).checks(lost, everything64)
			b.set(func() { b.slept = time.Hour - 10*time.Second + time.Millisecond })
		}, lost},
		{"a session lost within the hour", func(b *led, good *puppet) {
			good.ready().checks(everything64, everything64).checks(lost, everything64)
			b.set(func() { b.slept = time.Hour - 10*time.Second })
		}, everything64},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inVirtualTime(t, withTrial(), func(b *led) {
				tt.says(b, b.start())
				b.pass(10 * time.Second)
				if b.started(2); b.kept().Baseline != tt.want {
					t.Errorf("%x, want %x", b.kept().Baseline, tt.want)
				}
			})
		})
	}
	inVirtualTime(t, withTrial(), func(b *led) {
		good := b.start().ready().checks(lost, everything64)
		b.pass(10 * time.Second)
		b.started(2).checks(everything64, everything64)
		b.last().exits(platforms.Exit{Code: 1})
		b.pass(10 * time.Second)
		if b.started(3); b.kept().Baseline != lost || good.killed() > 0 {
			t.Errorf("the trial's session counts: %x", b.kept().Baseline)
		}
	})
}

// TestWhatBrokeUnderATrial: good takes over again, from standby, and the trial starts anew only after its time.
func TestWhatBrokeUnderATrial(t *testing.T) {
	inVirtualTime(t, withTrial(), func(b *led) {
		good, trial := b.swapped()
		good.exits(platforms.Exit{})
		trial.checks(everything64&^checkTwo, everything64)
		b.pass(tick)
		b.started(2)
		b.pass(tick)
		again := b.started(3)
		if v := b.view(); again.role != boot.GoodRole || again.nonce == "" || v.phase != "back" || v.core.pid != trial.pid || trial.killed() > 0 {
			t.Errorf("%v %+v", again.role, v)
		}
		trial.hears("successor " + again.nonce)
		if !b.noted("broke", 2, "bits=100000") {
			t.Errorf("%q", b.history())
		}
		b.pass(5 * time.Second) // it does not soak on meanwhile
		again.ready()
		trial.hears("drain 630") // good does not have to prove itself first
		trial.say("handover book 30")
		again.hears("activate book")
		if v := b.view(); v.phase != "back" || v.core.pid != again.pid {
			t.Errorf("%+v", v)
		}
		again.checks(everything64&^checkTwo, everything64)
		b.pass(10*time.Second - time.Millisecond)
		b.started(3) // no trial while good is watched
		again.checks(everything64, everything64)
		b.pass(tick)
		if k := b.kept(); k.Tries != boot.MaxTries-1 || b.view().phase != "staged" || !b.noted("fail", 2, "reason=regressed") {
			t.Errorf("%s\n%q", short(k), b.history())
		}
		b.pass(10 * time.Second)
		b.started(3) // the trial still drains
		trial.exits(platforms.Exit{})
		b.pass(tick)
		b.started(4)
	})
}

// TestGoodCannotComeBackBesideATrial: then it comes back without it.
func TestGoodCannotComeBackBesideATrial(t *testing.T) {
	inVirtualTime(t, withTrial(), func(b *led) {
		_, trial := b.swapped()
		trial.checks(everything64&^checkTwo, everything64)
		b.set(func() { b.launches = os.ErrPermission })
		b.pass(5 * time.Second)
		if v := b.view(); trial.killed() != 1 || v.last != "start-failed" || b.kept().Tries != boot.MaxTries {
			t.Errorf("%+v %s", v, short(b.kept()))
		}
		b.set(func() { b.launches = nil })
		b.pass(tick)
		if good := b.started(3); good.role != boot.GoodRole || good.nonce != "" {
			t.Errorf("%v", good.role)
		}
	})
}

// TestATrialThatWasStartedTooOften is set aside for a day, though no verdict fell.
func TestATrialThatWasStartedTooOften(t *testing.T) {
	r := withTrial()
	r.Starts = boot.MaxStarts
	inVirtualTime(t, r, func(b *led) {
		b.start().ready()
		b.pass(15 * time.Second)
		b.started(1)
		if k := b.kept(); !k.Trial.None() || k.Aside[0].Hash != r.Trial.Hash || k.Barred[0].Reason != 0 || b.view().word != "set-aside" || len(b.history()) != 1 {
			t.Errorf("%s %q", short(k), b.history())
		}
	})
}

// TestACommitThatCannotBeWritten: the trial soaks on.
func TestACommitThatCannotBeWritten(t *testing.T) {
	inVirtualTime(t, withTrial(), func(b *led) {
		good, trial := b.swapped()
		good.exits(platforms.Exit{})
		b.set(func() { b.broken = os.ErrPermission })
		b.pass(time.Minute)
		if v := b.view(); v.core.role != "trial" || v.phase != "soak" || b.warned() != "record" || slices.ContainsFunc(b.history(), func(l string) bool { return strings.HasPrefix(l, "commit") }) {
			t.Errorf("%+v %q", v, b.history())
		}
		b.set(func() { b.broken = nil })
		b.pass(tick)
		if b.kept().Good != trial.core || b.warned() != "" || trial.killed() > 0 {
			t.Errorf("%s %s", short(b.kept()), b.warned())
		}
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
	b.until("it schedules", 10*time.Second, func() bool { pid, _ := platforms.Holder(b.Lock()); return pid == earlier.Process.Pid })
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
