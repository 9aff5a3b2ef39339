package main

import (
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

var (
	exited   = platforms.Exit{Code: 3}
	killed9  = platforms.Exit{Code: -1, Signal: 9}
	checkBit = "bits=400" // of the check that a release of the nature breaks does not hold
)

// A release under which a check breaks costs the host three trials: each time good takes over, shows that the check holds there, and
// the next start waits longer.
func TestAReleaseThatBreaksACheck(t *testing.T) {
	st := newStage(t, healthy, breaks)
	st.settled()
	st.publishes()
	for n, wait := range []time.Duration{soakOfWorld * time.Second, 2 * soakOfWorld * time.Second} {
		st.until("good is watched", func() bool { return st.s.swap.judge != nil })
		if left := st.s.swap.judge.left; left != judgeTime {
			t.Errorf("it must hold again within %v", left)
		}
		st.until("it was the trial", func() bool { return st.s.swap.judge == nil })
		if st.s.swap.notBefore != st.up+wait {
			t.Errorf("the next start after the %d. waits for %v, want %v", n+1, st.s.swap.notBefore-st.up, wait)
		}
		if told := st.fake(st.s.core).p.told; !strings.Contains(told, " tries="+string(rune('0'+2-n))+" ") {
			t.Errorf("the core is told %q", told)
		}
	}
	st.settled()
	_, bad := coreOfWorld(2)
	why := "9.9.2 failed on this box (regressed) and is barred; `limpet unbar " + hexOf(bad.Hash) + "` lets it try again"
	if v := st.s.view(); v.word != "barred" || v.text != why {
		t.Errorf("%s: %s", v.word, v.text)
	}
	if told := st.s.core.told; !strings.Contains(told, " why=barred why_text="+strings.ReplaceAll(why, " ", "_")) || !strings.Contains(told, " barred="+hexOf(bad.Hash)+":regressed") {
		t.Errorf("the core is told %q", told)
	}
	again := []string{"activate 2 role=trial", "broke 2 " + checkBit, "activate 1 role=good", "fail 2 reason=regressed"}
	want := append([]string{"stage 2 as=full bytes=64", "start 2 starts=1 tries=3"}, again...)
	want = append(append(want, "start 2 starts=2 tries=2"), again...)
	want = append(append(want, "start 2 starts=3 tries=1"), again...)
	st.happened(append(want, "reject 2 reason=regressed")...)
}

// What broke and does not hold under good either is no verdict: the start is spent.
func TestWhatDoesNotHoldUnderGoodEither(t *testing.T) {
	st := newStage(t, healthy, healthy)
	st.story.happening = dark
	st.settled()
	st.activates()
	st.forget()
	st.out = true
	st.until("good is watched", func() bool { return st.s.swap.judge != nil && st.s.core.role == boot.GoodRole })
	began := st.up
	st.until("it is over", func() bool { return st.s.swap.judge == nil })
	if took := st.up - began; took < judgeTime || took > judgeTime+time.Minute {
		t.Errorf("good was watched for %v", took)
	}
	if r := st.s.record; r.Tries != boot.MaxTries || r.Starts != 1 {
		t.Errorf("%d tries and %d starts", r.Tries, r.Starts)
	}
	st.happened("broke 2 bits=100008", "activate 1 role=good", "spent 2 it does not hold under good either")
}

// A session that the trial does not get and good then has is an accident twice, and no reason to bar a release the third time.
func TestAReleaseWithoutASession(t *testing.T) {
	st := newStage(t, healthy, healthy)
	st.settled()
	st.publishes()
	for n := range boot.MaxTries {
		st.until("the trial runs the schedule", func() bool { return st.s.activated() && st.s.swap.next == nil })
		st.forget()
		st.refused = true
		st.until("good runs again", func() bool { return st.s.swap.judge != nil && st.s.core.role == boot.GoodRole })
		st.refused = false
		st.until("it was the trial", func() bool { return st.s.swap.judge == nil })
		what := "spent 2 good has a session; it may just have come back"
		if n == boot.MaxTries-1 {
			what = "set-aside 2 why=session"
		}
		st.happened("broke 2 bits=8", "activate 1 role=good", what)
	}
	if r := st.s.record; !r.Trial.None() || r.Barred[0] != (boot.Bar{}) || r.Aside[0].Counter != 2 {
		t.Errorf("%+v", r)
	}
	if v := st.s.view(); v.word != "set-aside" || v.text != "9.9.2 was tried often without a verdict, and is tried again within a day" {
		t.Errorf("%s: %s", v.word, v.text)
	}
	if !strings.Contains(st.s.core.told, " why=set-aside ") {
		t.Errorf("the core is told %q", st.s.core.told)
	}
}

// Each release has its own count of sessions that it did not get.
func TestSessionsAreCountedForEachRelease(t *testing.T) {
	s := &supervisor{}
	for i, tt := range []struct {
		counter int
		again   bool
	}{{2, false}, {2, false}, {3, false}, {3, false}, {3, true}, {2, false}, {2, false}, {2, true}} {
		_, s.record.Trial = coreOfWorld(tt.counter)
		if got := s.aloneAgain(); got != tt.again {
			t.Errorf("%d. time, release %d: %v", i+1, tt.counter, got)
		}
	}
}

// Good that cannot be started beside the trial comes back without it: the trial is ended, and that is no verdict.
func TestGoodComesBackWithoutTheTrial(t *testing.T) {
	for name, befalls := range map[string]func(st *stage){
		"good cannot be started": func(st *stage) { st.stuck = errors.New("no more processes") },
		"good cannot be opened": func(st *stage) {
			_, good := coreOfWorld(1)
			mustWorld(st.power.Rename(worldLayout.CoreFile(1, hexOf(good.Hash)), "/dev/null/limpet/away"))
		},
		"good dies in standby": func(st *stage) {
			st.slow = true
			st.until("good is in standby", func() bool { return st.s.swap.next != nil })
			st.slow = false
			st.dies(st.fake(st.s.swap.next), killed9)
		},
	} {
		t.Run(name, func(t *testing.T) {
			st := newStage(t, healthy, breaks)
			st.settled()
			trial := st.activates()
			st.forget()
			befalls(st)
			st.until("the trial is ended", func() bool { return trial.gone })
			if trial.p.killed != "replaced" {
				t.Errorf("it was ended for %q", trial.p.killed)
			}
			st.stuck = nil
			_ = st.power.Rename("/dev/null/limpet/away", worldLayout.CoreFile(1, hexOf(st.s.record.Good.Hash)))
			st.until("good runs", func() bool { return st.s.core != nil && st.s.core.role == boot.GoodRole && st.s.state == running })
			if tries := st.s.record.Tries; tries != boot.MaxTries {
				t.Errorf("%d tries are left", tries)
			}
			st.happened("broke 2 "+checkBit, "spent 2 how=replaced")
		})
	}
}

// A trial that ends by its own doing is a verdict, and one that somebody else ended is not; good runs at once.
func TestATrialThatEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		exit  platforms.Exit
		tries uint8
		want  string
		tail  string
	}{
		"exits with an error": {exited, 2, "fail 2 reason=exit", "its own last words\n"},
		"is killed":           {killed9, 3, "spent 2 how=signal-9", ""},
		"exits with 0":        {platforms.Exit{}, 3, "spent 2 how=exit-0", ""},
	} {
		t.Run(name, func(t *testing.T) {
			st := newStage(t, healthy, breaks)
			mustWorld(os.WriteFile(st.CoreLog(), []byte("of good\n"), 0o644))
			st.settled()
			trial := st.activates()
			st.forget()
			mustWorld(os.WriteFile(st.CoreLog(), []byte("of good\nits own last words\n"), 0o644))
			st.dies(trial, tt.exit)
			if st.s.core == nil || st.s.core.role != boot.GoodRole || st.s.swap.next != nil {
				t.Errorf("after its end: %s", st.standing())
			}
			if r := st.s.record; r.Tries != tt.tries || r.Starts != 1 {
				t.Errorf("%d tries and %d starts", r.Tries, r.Starts)
			}
			st.happened(tt.want)
			tail, _ := os.ReadFile(st.Rejected(hexOf(trial.core.Hash)))
			if string(tail) != tt.tail {
				t.Errorf("kept of its log: %q", tail)
			}
		})
	}
}

// A trial under which something broke, and which then ends while good is on its way, is judged once: by its end.
func TestATrialThatEndsWhileGoodIsOnItsWay(t *testing.T) {
	for name, ready := range map[string]bool{"before good is ready": false, "while its handover is awaited": true} {
		t.Run(name, func(t *testing.T) {
			st := newStage(t, healthy, breaks)
			st.settled()
			trial := st.activates()
			trial.nature, st.slow = stubborn, true
			st.do(func() { st.s.goBack(1 << 10) })
			good := st.fake(st.s.swap.next)
			if ready {
				st.readies(good)
			}
			if st.s.swap.handing != ready {
				t.Fatalf("a handover is awaited: %v", st.s.swap.handing)
			}
			st.forget()
			st.dies(trial, exited)
			if st.s.swap.judge != nil || st.s.record.Tries != 2 || st.s.swap.handing {
				t.Errorf("judge %v, %d tries, handing %v", st.s.swap.judge, st.s.record.Tries, st.s.swap.handing)
			}
			if !ready {
				if st.s.core != nil || st.s.swap.next != good.p {
					t.Errorf("a second good is started: %s", st.standing())
				}
				st.readies(good)
			}
			if st.s.core != good.p || !good.active {
				t.Errorf("good does not run: %s", st.standing())
			}
			st.happened("fail 2 reason=exit", "activate 1 role=good")
		})
	}
}

// A trial that ends after good was told to drain: that one drains, and a fresh process of good runs.
func TestATrialThatEndsInTheHandover(t *testing.T) {
	st := newStage(t, stubborn, breaks)
	st.settled()
	old := st.fake(st.s.core)
	st.publishes()
	st.until("a handover is awaited", func() bool { return st.s.swap.handing })
	st.forget()
	st.dies(st.fake(st.s.swap.next), exited)
	s := st.s
	if s.swap.handing || s.swap.next != nil || s.core == nil || s.core == old.p || s.core.role != boot.GoodRole || old.gone {
		t.Errorf("%s", st.standing())
	}
	if len(s.swap.draining) != 1 || s.swap.draining[0] != old.p || old.p.drainFor != drainTime {
		t.Errorf("%d drain, for up to %v", len(s.swap.draining), old.p.drainFor)
	}
	st.happened("fail 2 reason=exit")
}

// A trial is dropped as long as it does not run the schedule, and ended where it is in standby; nothing changes where the record cannot
// say so.
func TestDrop(t *testing.T) {
	for name, tt := range map[string]struct {
		brings func(st *stage) *fake // to the moment of the drop; nil where the trial has no process
		drops  bool
	}{
		"staged": {func(st *stage) *fake { st.publishes(); return nil }, true},
		"in standby": {func(st *stage) *fake {
			st.settled()
			st.slow = true
			st.publishes()
			st.until("it is in standby", func() bool { return st.s.swap.next != nil })
			return st.fake(st.s.swap.next)
		}, true},
		"as good is told to drain": {func(st *stage) *fake {
			st.settled()
			st.fake(st.s.core).nature = stubborn
			st.publishes()
			st.until("a handover is awaited", func() bool { return st.s.swap.handing })
			return st.fake(st.s.swap.next)
		}, true},
		"running": {func(st *stage) *fake {
			st.settled()
			return st.activates()
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			st := newStage(t, healthy, healthy)
			trial := tt.brings(st)
			before := st.s.record
			st.forget()
			st.power.FailAt(1, errors.New("worn out"))
			st.do(func() { st.s.drop("held") })
			st.power.FailAt(1, nil)
			if st.s.record != before || trial != nil && trial.gone || st.history() != "" {
				t.Errorf("the record cannot be written: %s", st.standing())
			}
			st.do(func() { st.s.drop("held") })
			if !tt.drops {
				if st.s.record != before || trial.gone || st.history() != "" {
					t.Errorf("%s", st.standing())
				}
				return
			}
			if !strings.Contains(st.s.core.told, " phase=") || strings.Contains(st.s.core.told, " trial=") {
				t.Errorf("the core is told %q", st.s.core.told)
			}
			if trial != nil && (trial.p.killed != "dropped" || !trial.gone || trial.active) {
				t.Errorf("it is ended for %q", trial.p.killed)
			}
			st.settle()
			if s := st.s; s.core == nil || s.core.role != boot.GoodRole || s.swap.next != nil || s.swap.handing || !s.record.Trial.None() {
				t.Errorf("%s", st.standing())
			}
			st.happened("drop 2 why=held")
		})
	}
}

// Good that is on its way, because the trial died meanwhile, is not the trial.
func TestDropWhileGoodIsOnItsWay(t *testing.T) {
	st := newStage(t, healthy, healthy)
	st.settled()
	trial := st.activates()
	st.slow = true
	st.do(func() { st.s.goBack(1 << 10) })
	good := st.fake(st.s.swap.next)
	st.dies(trial, killed9)
	st.do(func() { st.s.drop("held") })
	st.readies(good)
	if st.s.core != good.p || good.gone || !st.s.record.Trial.None() {
		t.Errorf("%s", st.standing())
	}
}

// What good did by itself counts against it, for ten minutes; what runs in its place has no record to lose.
func TestVerdictsAgainstGood(t *testing.T) {
	st := newStage(t, healthy)
	for _, tt := range []struct {
		role   boot.Role
		exit   platforms.Exit
		counts bool
	}{{boot.GoodRole, exited, true}, {boot.GoodRole, killed9, false}, {boot.PreviousRole, exited, false}, {boot.FactoryRole, killed9, false}} {
		st.s.swap.verdicts = nil
		st.s.blameGood(&process{role: tt.role}, tt.exit)
		if got := len(st.s.swap.verdicts) == 1; got != tt.counts {
			t.Errorf("%v, %v: %v", tt.role, tt.exit, got)
		}
	}
	st.s.swap.verdicts = []time.Duration{st.up - 11*time.Minute, st.up - 10*time.Minute - 1, st.up - 10*time.Minute, st.up}
	if died := st.s.died(); died.Verdicts != 2 || died.Now != st.wall || len(st.s.swap.verdicts) != 2 {
		t.Errorf("%+v of %v", died, st.s.swap.verdicts)
	}
}

// A release that keeps failing just after its commit is demoted: what ran before it runs again, and the verdicts were the other's.
func TestDemotion(t *testing.T) {
	st := newStage(t, healthy, rots)
	st.settled()
	st.activates()
	st.until("it is committed", func() bool { return st.s.record.Good.Counter == 2 })
	st.forget()
	st.until("it is demoted", func() bool { return st.s.record.Good.Counter == 1 })
	_, one := coreOfWorld(1)
	if s := st.s; s.core == nil || s.core.core != one || s.core.role != boot.GoodRole || s.swap.verdicts != nil {
		t.Errorf("%s, verdicts %v", st.standing(), s.swap.verdicts)
	}
	st.happened("demote 2 to=1")
	if !reflect.DeepEqual(st.s.record.Barred[0].Reason, boot.Demoted) {
		t.Errorf("%+v", st.s.record.Barred[0])
	}
	if data, err := fsys.Read(st.power, worldLayout.Record(0), boot.Size); err != nil || len(data) != boot.Size {
		t.Error(err)
	}
}
