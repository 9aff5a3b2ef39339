package schedule

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
)

// Two schedules in turn make the same runs as one would: no slot twice, none left out, each at its phase.
func TestHandOverKeepsEveryPhase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRuns()
		checks := []check.Check{every("a", time.Second), every("b", 10*time.Second), every("c", 7*time.Second), every("long", time.Minute),
			{Name: "cron", Builtin: "x", Cron: "CRON_TZ=UTC * * * * *"}}
		cur := started(t, r, nil)
		set(t, cur, checks...)
		origin := time.Now()
		for range 20 {
			time.Sleep(7300 * time.Millisecond)
			next := started(t, r, func(o *Options) { o.Standby = true; o.Fingerprint = "another: only the plan keeps the phase" })
			set(t, next, checks...)
			plan, err := cur.HandOver(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := cur.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(30 * time.Millisecond) // the gap
			if err := next.Resume(t.Context(), plan); err != nil {
				t.Fatal(err)
			}
			cur = next
		}
		synctest.Wait()
		for name, apart := range map[string]time.Duration{"a": time.Second, "b": 10 * time.Second, "c": 7 * time.Second, "long": time.Minute, "cron": time.Minute} {
			ds := r.dues[name]
			began := r.times(name, origin)
			for i := range ds {
				if i > 1 && (ds[i].Sub(ds[i-1])-apart).Abs() > time.Millisecond {
					t.Errorf("%s: due %s apart", name, ds[i].Sub(ds[i-1]))
				}
				if late := began[i] - ds[i].Sub(origin.Round(0)); late < -time.Millisecond || late > 31*time.Millisecond {
					t.Errorf("%s: %s late", name, late)
				}
			}
			if want := int(146 * time.Second / apart); len(ds) < want {
				t.Errorf("%s ran %d times, want %d", name, len(ds), want)
			}
		}
	})
}

func TestHandOverGivesWhatWaitsAndKeepsWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRuns()
		old := started(t, r, func(o *Options) { o.Concurrency = 1 })
		set(t, old, every("x", time.Minute, "20s"))
		time.Sleep(2 * time.Second) // x runs
		set(t, old, every("x", time.Minute, "20s"), every("waits", time.Minute))
		time.Sleep(2 * time.Second)
		asked := make(chan error, 1)
		go func() { _, _, err := old.RunNow(t.Context(), "x", nil); asked <- err }()
		synctest.Wait()
		plan, err := old.HandOver(t.Context())
		if err != nil || len(plan.Slots) != 2 || len(plan.Flights) != 1 || plan.Flights[0].Name != "x" {
			t.Fatalf("%+v, %v", plan, err)
		}
		if again, err := old.HandOver(t.Context()); err != nil || len(again.Slots)+len(again.Flights) != 0 {
			t.Errorf("a second time: %+v, %v", again, err)
		}
		if x, _ := old.Stats(t.Context()); x.Running != 1 || x.Skipped != 0 {
			t.Errorf("after the handover: %+v", x)
		}
		next := started(t, r, func(o *Options) { o.Standby = true })
		set(t, next, every("x", time.Minute, "20s"), every("waits", time.Minute))
		if err := next.Resume(t.Context(), plan); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := len(r.times("waits", time.Now())); n != 1 {
			t.Errorf("what waited ran %d times", n)
		}
		if err := old.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-asked; err != nil {
			t.Errorf("who listened to the run heard %v", err)
		}
	})
}

func TestRunElsewhereHoldsItsCheckBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRuns()
		now := time.Now()
		s := started(t, r, func(o *Options) { o.Standby = true })
		set(t, s, every("x", 10*time.Second), every("y", 10*time.Second))
		slot := func(name string) Slot {
			return Slot{Name: name, Every: 10 * time.Second, Anchor: now, Next: now.Add(10 * time.Second)}
		}
		plan := Plan{Slots: []Slot{slot("x"), slot("y")}, Flights: []Flight{{Name: "x", Start: now}}}
		if err := s.Resume(t.Context(), plan); err != nil {
			t.Fatal(err)
		}
		time.Sleep(25 * time.Second)
		if len(r.times("x", now)) != 0 || len(r.times("y", now)) != 2 {
			t.Errorf("x ran at %v, y at %v", r.times("x", now), r.times("y", now))
		}
		if err := s.Set(t.Context(), []check.Check{every("x", 10*time.Second)}); err != nil { // y is removed; x's flight stays
			t.Fatal(err)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := s.RunNow(short, "x", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("run now meanwhile: %v", err)
		}
		asked := make(chan error, 1)
		go func() { _, _, err := s.RunNow(t.Context(), "x", nil); asked <- err }()
		synctest.Wait()
		if err := s.Landed(t.Context(), "x", "nobody"); err != nil {
			t.Fatal(err)
		}
		if err := <-asked; err != nil {
			t.Errorf("run now after it: %v", err)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if x, _ := s.Stats(t.Context()); len(r.times("x", now)) != 2 || x.Skipped != 2 || x.Running != 0 {
			t.Errorf("x ran at %v; %+v", r.times("x", now), x)
		}
		if err := s.Drain(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestResumeBelievesNoNonsense(t *testing.T) {
	now := time.Now()
	wall := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	const cron = "CRON_TZ=UTC 0 * * * *"
	interval := func(anchor, next time.Duration) Slot {
		return Slot{Every: time.Minute, Anchor: now.Add(anchor), Next: now.Add(next)}
	}
	at := func(d time.Duration) Slot { return Slot{Cron: cron, Wall: wall.Add(d)} }
	for name, c := range map[string]struct {
		check check.Check
		slot  Slot
		in    time.Duration // when it is due then; negative: planned anew
	}{
		"soon":                                {every("x", time.Minute), interval(-time.Hour, time.Second), time.Second},
		"just late":                           {every("x", time.Minute), interval(-time.Hour, -5*time.Second), -5 * time.Second},
		"a first run, half a minute off":      {every("x", time.Minute), interval(time.Minute, 85*time.Second), 85 * time.Second},
		"further away than can be":            {every("x", time.Minute), interval(0, time.Hour), time.Hour * -1},
		"another interval":                    {every("x", time.Hour), interval(0, time.Second), -time.Hour},
		"became a cron check":                 {check.Check{Name: "x", Cron: cron}, interval(0, time.Second), -time.Hour},
		"cron ahead":                          {check.Check{Name: "x", Cron: cron}, at(time.Hour), time.Hour},
		"cron passed in the gap":              {check.Check{Name: "x", Cron: cron}, at(0), 0},
		"cron passed long ago":                {check.Check{Name: "x", Cron: cron}, at(-5 * time.Hour), -time.Hour},
		"cron years ahead: a clock set right": {check.Check{Name: "x", Cron: cron}, at(9000 * time.Hour), -time.Hour},
		"another expression":                  {check.Check{Name: "x", Cron: "CRON_TZ=UTC 5 * * * *"}, at(time.Hour), -time.Hour},
	} {
		e, err := newEntry(c.check)
		if err != nil {
			t.Fatal(err)
		}
		ok := e.resume(c.slot, 1, now, wall)
		if !ok {
			if c.in != -time.Hour {
				t.Errorf("%s: planned anew", name)
			}
			continue
		}
		if got := e.next.Sub(now); got != c.in {
			t.Errorf("%s: due in %s, want %s", name, got, c.in)
		}
	}
	e, _ := newEntry(every("x", time.Second))
	if !e.resume(Slot{Every: time.Second, Anchor: now, Next: now.Add(-time.Hour)}, 77, now, wall) || e.next.Before(now) || e.next.Sub(now) > time.Second {
		t.Errorf("an hour late: due in %s, want within a second", e.next.Sub(now))
	}
}

func TestSnapshotChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRuns()
		s := started(t, r, nil)
		set(t, s, every("a", time.Second))
		time.Sleep(10 * time.Second)
		for range 5 {
			p, err := s.Snapshot(t.Context())
			if err != nil || len(p.Slots) != 1 || p.Slots[0].Next.Before(time.Now()) {
				t.Fatalf("%+v, %v", p, err)
			}
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		ds := r.dues["a"]
		if len(ds) < 19 || !slices.IsSortedFunc(ds, time.Time.Compare) {
			t.Errorf("ran at %v", ds)
		}
	})
}

func TestEndIsToldWithTheStartThatBeginWasTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRuns()
		var began, ended []time.Time
		s := started(t, r, func(o *Options) {
			o.Begin = func(_ check.Check, at time.Time) { began = append(began, at) }
			o.End = func(c check.Check, at time.Time) {
				if len(r.results) != len(ended)+1 {
					t.Error("told before the result was delivered")
				}
				ended = append(ended, at)
			}
		})
		set(t, s, every("a", 10*time.Second, "1s"))
		time.Sleep(35 * time.Second)
		synctest.Wait()
		if len(ended) < 3 || !slices.Equal(began, ended) {
			t.Errorf("began %v, ended %v", began, ended)
		}
	})
}
