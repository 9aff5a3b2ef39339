package main

import (
	"errors"
	"fmt"
	"os"
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
				if again := b.started(3); again.nonce == trial.nonce {
					t.Error("the hub cannot tell one start from another")
				}
				b.last().exits(tt.exit)
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
