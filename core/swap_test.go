//go:build unix

package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
)

var (
	swaps = flag.Int("swaps", 4, "how many swaps TestSwapsUnderLoad makes")
	fast  = flag.Int("fast", 30, "how many quick plugins it runs each second")
	slow  = flag.Int("slow", 4, "how many plugins that run for seconds")
)

// slack is what wall times of one slot may differ by when two processes compute them.
const slack = 100 * time.Millisecond

// TestSwapsUnderLoad plays the stub for real cores: no run is doubled, none is lost or killed, and no slot goes by but for a run that still
// lasted.
func TestSwapsUnderLoad(t *testing.T) {
	b := newBox(t, "5")
	b.hub.push(b.load(1, *fast, *slow))
	cur := b.start()
	cur.heard("ready")
	b.more(2 * *fast)
	for range *swaps {
		old := cur
		cur = b.swap(old)
		b.more(*fast)
		old.heard("drained") // a stub never starts a trial while a core drains
		if code := old.exited(); code != 0 {
			cur.fatal("the old core did not end with 0")
		}
	}
	b.more(2 * *fast)
	cur.say("stop service 100")
	if code := cur.exited(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	b.away("stop")
	b.hub.mu.Lock()
	// A trial is ready before it has a session: the old core may say goodbye first, and is announced then. It is never lost.
	away := slices.DeleteFunc(slices.Clone(b.hub.away), func(cause string) bool { return cause == "upgrade" })
	if b.hub.actives != *swaps || !slices.Equal(away, []string{"stop"}) {
		t.Errorf("the hub saw %d activations and the agent away for %v", b.hub.actives, away)
	}
	b.hub.mu.Unlock()
	b.judge()
	left, _ := os.ReadDir(b.layout.Handover())
	if len(left) > 3 { // the last old core's, if it was not seen to be gone
		t.Errorf("%d files left in state/handover", len(left))
	}
}

// away waits until the agent said last that it is away for this. The hub may hear of it after the core's end.
func (b *box) away(cause string) {
	b.t.Helper()
	b.eventually("away for "+cause, func() bool {
		b.hub.mu.Lock()
		defer b.hub.mu.Unlock()
		n := len(b.hub.away)
		return n > 0 && b.hub.away[n-1] == cause && len(b.hub.open) == 0
	})
}

// judge compares what ran with what came to the bus, and prints the gap that swaps made. The last core has stopped.
func (b *box) judge() {
	t := b.t
	t.Helper()
	b.handedIn()
	results, lost, _, gaps := b.hub.items()
	if len(lost) > 0 || gaps > 0 {
		t.Errorf("lost runs %v, gaps %d", lost, gaps)
	}
	began, done := b.ran()
	var lags, near []time.Duration // of all runs, of those due around a swap
	for name, n := range began {
		rs := results[name]
		if done[name] != n || len(rs) != n {
			t.Errorf("%s: %d runs began, %d ended, %d results came", name, n, done[name], len(rs))
		}
		slices.SortFunc(rs, func(x, y *wire.Result) int { return int(x.GetDueNs() - y.GetDueNs()) })
		for i, r := range rs {
			lag, due := time.Duration(r.GetStartNs()-r.GetDueNs()), time.Unix(0, r.GetDueNs())
			lags = append(lags, lag)
			if slices.ContainsFunc(b.swaps, func(at time.Time) bool { return due.After(at.Add(-every)) && due.Before(at.Add(every)) }) {
				near = append(near, lag)
			}
			if i > 0 {
				b.judgeSlots(rs[i-1], r)
			}
		}
	}
	t.Logf("all runs: %s; around swaps: %s; the machine held all up for %s at most", quantiles(lags), quantiles(near), b.pulse.worst())
}

func quantiles(lags []time.Duration) string {
	if len(lags) == 0 {
		return "none"
	}
	slices.Sort(lags)
	return fmt.Sprintf("%d, lag p50 %s, p99 %s, worst %s", len(lags), lags[len(lags)/2], lags[len(lags)*99/100], lags[len(lags)-1])
}

// judgeSlots looks at two runs of a check that follow each other: one second apart, or more where the first one lasted past the slots
// in between.
func (b *box) judgeSlots(x, y *wire.Result) {
	every := time.Second
	apart := time.Duration(y.GetDueNs() - x.GetDueNs())
	if apart < every/2-slack {
		b.t.Errorf("%s: due twice within %s", x.GetCheck(), apart)
		return
	}
	over := time.Unix(0, x.GetStartNs()).Add(time.Duration(x.GetDurationNs()))
	if start := time.Unix(0, y.GetStartNs()); start.Before(over.Add(-slack)) {
		b.t.Errorf("%s: started %s before the run before had ended", x.GetCheck(), over.Sub(start))
	}
	// The last slot that went by lay one interval before y's.
	if passed := time.Unix(0, y.GetDueNs()).Add(-every); apart > every*3/2+slack && passed.After(over.Add(slack+250*time.Millisecond)) &&
		!b.pulse.skipped(over, time.Unix(0, y.GetStartNs())) {
		b.t.Errorf("%s: a slot went by %s after the run before had ended", x.GetCheck(), passed.Sub(over))
	}
}

func TestTrialThatDiesInStandbyIsNotNoticed(t *testing.T) {
	b := newBox(t, "1")
	b.hub.push(b.load(1, 5, 1))
	good := b.start()
	good.heard("ready")
	b.more(5)
	trial := b.trial(good)
	b.more(5)
	trial.kill()
	b.more(10)
	good.say("stop service 100")
	if code := good.exited(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	b.judge()
}

// A standby schedules nothing and leaves alone what belongs to the core that does.
func TestStandbyStaysInTheBackground(t *testing.T) {
	b := newBox(t, "1")
	trial := b.trial(nil) // good does not run at all
	b.hub.push(b.load(1, 3, 0))
	if checks := trial.heard("checks"); len(checks) != 2 || checks[1][len(checks[1])-2:] != "0d" { // config, buffer, session; nothing else
		if checks[1][len(checks[1])-2:] != "0d" {
			t.Errorf("judged %s", checks[1])
		}
	}
	if _, err := os.Stat(b.layout.Socket()); err == nil {
		t.Error("it took the socket")
	}
	if began, _ := b.ran(); len(began) > 0 {
		t.Errorf("it ran %v", began)
	}
	trial.say("activate")
	b.more(6)
	if _, err := os.Stat(b.layout.Socket()); err != nil {
		t.Error(err)
	}
	trial.say("stop service 60")
	trial.exited()
}

// Good is killed after `drain`: its successor goes on with what state/checks holds, and states the runs that were cut off.
func TestOldCoreDiesAfterDrain(t *testing.T) {
	b := newBox(t, "30")
	b.hub.push(b.load(1, 5, 1))
	good := b.start()
	good.heard("ready")
	b.more(20) // so that state/checks is there
	trial := b.trial(good)
	good.say("drain 60")
	good.kill()
	trial.say("activate")
	b.more(20)
	b.eventually("the run that was cut off is stated", func() bool {
		_, lost, _, _ := b.hub.items()
		return len(lost) > 0
	})
	trial.say("stop service 10")
	trial.exited()
	results, _, _, _ := b.hub.items()
	for name, rs := range results {
		slices.SortFunc(rs, func(x, y *wire.Result) int { return int(x.GetDueNs() - y.GetDueNs()) })
		for i := 1; i < len(rs); i++ { // state/checks is up to a second old: a slot may run again, none may be shifted
			apart := time.Duration(rs[i].GetDueNs() - rs[i-1].GetDueNs())
			if off := (apart + every/2) % every; i > 1 && (off-every/2).Abs() > slack {
				t.Errorf("%s: slots are %s apart", name, apart)
			}
		}
	}
}

const every = time.Second

// The trial dies after `activate` while good drains: a fresh process of good starts beside the draining one and touches nothing that it runs.
func TestTrialDiesWhileTheOldCoreDrains(t *testing.T) {
	b := newBox(t, "6")
	b.hub.push(b.load(1, 5, 2))
	old := b.start()
	old.heard("ready")
	b.more(12)
	trial := b.trial(old)
	// Both slow ones are under way, and have seconds to go: the trial begins none.
	before, _ := b.ran()
	b.eventually("slow runs", func() bool {
		began, done := b.ran()
		return began["slow-000"] > before["slow-000"] && began["slow-001"] > before["slow-001"] && began["slow-000"] > done["slow-000"] && began["slow-001"] > done["slow-001"]
	})
	b.activate(old, trial)
	trial.kill()
	fresh := b.start()
	fresh.heard("ready")
	b.more(15)
	old.heard("drained")
	if code := old.exited(); code != 0 {
		t.Errorf("exit code of the old core %d", code)
	}
	b.more(15)
	fresh.say("stop service 100")
	fresh.exited()
	b.handedIn()
	b.eventually("what the trial had begun has ended or is stated as lost, if it got so far", func() bool {
		began, done := b.ran()
		_, lost, _, _ := b.hub.items()
		for name, n := range began {
			if n > done[name]+lost[name] {
				return false
			}
		}
		return true
	})
	_, done := b.ran()
	results, lost, _, _ := b.hub.items()
	for _, name := range []string{"slow-000", "slow-001"} {
		if lost[name] > 0 { // the trial lived long enough to begin one
			t.Logf("%s: %d runs died with the trial", name, lost[name])
			continue
		}
		if len(results[name]) != done[name] {
			t.Errorf("%s: %d ended, %d results", name, done[name], len(results[name]))
		}
		rs := results[name]
		slices.SortFunc(rs, func(x, y *wire.Result) int { return int(x.GetDueNs() - y.GetDueNs()) })
		for i := 1; i < len(rs); i++ {
			b.judgeSlots(rs[i-1], rs[i])
		}
	}
}

// No file, or one that does not read: state/checks has to do, and no check runs out of its phase.
func TestHandoverFileMissingOrDamaged(t *testing.T) {
	for name, file := range map[string]string{"missing": "0000000000000001", "damaged": "0000000000000002", "none": ""} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t, "1")
			b.hub.push(b.load(1, 5, 0))
			old := b.start()
			old.heard("ready")
			b.more(15)
			next := b.trial(old)
			old.say("drain 100")
			given := old.heard("handover")[0]
			if err := os.Remove(filepath.Join(b.layout.Handover(), given)); err != nil {
				t.Fatal(err)
			}
			if name == "damaged" {
				if err := os.WriteFile(filepath.Join(b.layout.Handover(), file), []byte("limpet-handover 1\nat 1\nend 0\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			next.say("activate " + file)
			old.heard("drained")
			b.more(15)
			next.say("stop service 100")
			next.exited()
			began, done := b.ran()
			for check := range began {
				if began[check] != done[check] {
					t.Errorf("%s: %d began, %d ended", check, began[check], done[check])
				}
			}
		})
	}
}

// The stub is killed in the middle of a swap: both cores end within five seconds, what they could not finish is stated, and a fresh core goes on.
func TestStubGoneDuringASwap(t *testing.T) {
	b := newBox(t, "200")
	d := b.load(1, 5, 2)
	for _, c := range d.Checks {
		c.TimeoutMs = 300_000
	}
	b.hub.push(d)
	old := b.start()
	old.heard("ready")
	b.more(12)
	b.eventually("slow runs", func() bool { began, _ := b.ran(); return began["slow-000"]+began["slow-001"] >= 2 })
	next := b.swap(old)
	b.more(5)
	gone := time.Now()
	old.stdin.Close()
	next.stdin.Close()
	fresh := b.start()
	old.exited()
	next.exited()
	// They have five seconds, but this machine may have less to give; whoever waited for the slow runs would take 200.
	if took := time.Since(gone); took > time.Minute {
		t.Errorf("the cores took %s to end", took)
	}
	fresh.heard("ready")
	b.more(15)
	b.eventually("both runs are stated as lost", func() bool {
		_, lost, _, _ := b.hub.items()
		return lost["slow-000"] > 0 && lost["slow-001"] > 0
	})
	fresh.say("stop service 5")
	fresh.exited()
	b.handedIn()
	began, done := b.ran()
	results, lost, _, _ := b.hub.items()
	for check, n := range done { // one that was cut off at its last step may have said that it ended
		if got := len(results[check]); got > n || got+lost[check] < n || got+lost[check] > began[check]+3 {
			t.Errorf("%s: %d runs began, %d ended, %d results came, %d are stated as lost", check, began[check], n, got, lost[check])
		}
	}
}

// What the stub knows reaches the hub, and what the hub wants the stub.
func TestStubAndHubHearOfEachOther(t *testing.T) {
	b := newBox(t, "1")
	b.hub.push(b.load(1, 1, 0))
	c := b.start()
	c.heard("ready")
	b.more(1)
	log := b.layout.Rejected("ab12")
	if err := os.MkdirAll(filepath.Dir(log), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(log, []byte("panic: out of luck\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.say("status counter=3 offered=2.6 trial=ab12 phase=rejected why=dies-at-start warning=expired warning=stale")
	b.eventually("the stub's word", func() bool {
		b.hub.mu.Lock()
		defer b.hub.mu.Unlock()
		m := b.hub.more
		return m["offered"] == "2.6" && m["phase"] == "rejected" && m["why"] == "dies-at-start" && m["warning.expired"] == "yes" && m["warning.stale"] == "yes"
	})
	b.eventually("the rejected core's log", func() bool {
		_, _, events, _ := b.hub.items()
		return slices.ContainsFunc(events, func(e *wire.Event) bool {
			return e.GetKind() == "core-rejected" && e.GetAttributes()["hash"] == "ab12" && e.GetText() == "panic: out of luck\n"
		})
	})
	b.hub.tell(&wire.Frame{Body: &wire.Frame_Look{Look: &wire.Look{}}})
	c.heard("look")
	b.hub.tell(&wire.Frame{Body: &wire.Frame_Follow{Follow: &wire.Follow{Channel: "beta", Pin: "2.6"}}})
	if f := c.heard("follow"); !slices.Equal(f, []string{"beta", "2.6"}) {
		t.Errorf("follow %q", f)
	}
	c.say("stop service 60")
	c.exited()
}

// A revision that comes while a trial stands by goes to the core that schedules, and the trial runs it once it takes over.
func TestRevisionDuringATrial(t *testing.T) {
	b := newBox(t, "1")
	b.hub.push(b.load(1, 2, 0))
	old := b.start()
	old.heard("ready")
	b.more(2)
	trial := b.trial(old)
	b.hub.push(b.load(2, 4, 0))
	b.eventually("the new checks run", func() bool { began, _ := b.ran(); return len(began) == 4 })
	old.say("drain 100")
	trial.say("activate " + old.heard("handover")[0])
	old.heard("drained")
	began, _ := b.ran()
	before := began["fast-003"]
	b.eventually("they run on", func() bool { began, _ := b.ran(); return began["fast-003"] >= before+2 })
	trial.say("stop service 100")
	trial.exited()
	b.judge()
}

// `stop` overrides `drain`, and a core that never scheduled has nothing to hand over.
func TestStopOverridesDrain(t *testing.T) {
	b := newBox(t, "30")
	b.hub.push(b.load(1, 1, 1))
	started := time.Now()
	c := b.start()
	c.heard("ready")
	b.eventually("the slow run", func() bool { began, _ := b.ran(); return began["slow-000"] > 0 })
	trial := b.trial(c)
	trial.say("drain 20")
	trial.heard("drained")
	if code := trial.exited(); code != 0 {
		t.Errorf("exit code of the trial %d", code)
	}
	c.say("drain 60")
	f := c.heard("handover")
	ago := int(time.Since(started).Seconds()) // at most that the run has lasted
	if seconds, err := strconv.Atoi(f[len(f)-1]); err != nil || len(f) != 2 || seconds < 20-ago || seconds > 23 {
		t.Errorf("handover %q, want what the slow run may still need after at most %d s", f, ago)
	}
	c.say("stop shutdown 5")
	if code := c.exited(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	b.away("shutdown")
}
