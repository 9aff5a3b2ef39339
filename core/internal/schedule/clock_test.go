package schedule

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
)

// clock is a wall clock that can be stepped.
type clock struct {
	mu   sync.Mutex // guards step
	step time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Round(0).Add(c.step)
}

func (c *clock) by(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.step += d
}

// The bubble's clock starts at 2000-01-01 00:00 UTC.
func TestCron(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRuns()
		origin := time.Now()
		s := started(t, r, nil)
		set(t, s, check.Check{Name: "half", Builtin: "x", Cron: "CRON_TZ=UTC 30 * * * *"})
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		ds := r.times("half", origin)
		if len(ds) != 3 || ds[0] != 30*time.Minute || ds[2] != 150*time.Minute {
			t.Errorf("ran at %v", ds)
		}
		if due := r.dues["half"][0]; !due.Equal(origin.Add(30 * time.Minute)) {
			t.Errorf("due %v", due)
		}
	})
}

func TestStepsOfTheWallClock(t *testing.T) {
	const daily, hourly, interval = "CRON_TZ=UTC 0 2 * * *", "CRON_TZ=UTC 0 * * * *", ""
	cases := []struct {
		name, cron string
		at, by     time.Duration   // when the step comes after the start at midnight, and how far
		until      time.Duration   // monotonic, what is looked at
		want       []time.Duration // monotonic moments of the runs, to the minute
	}{
		{"an hour forward over the time: made up for once", daily, 90 * time.Minute, time.Hour, 26 * time.Hour, []time.Duration{91 * time.Minute, 25 * time.Hour}},
		{"an hour back after the time: not again", daily, 150 * time.Minute, -time.Hour, 28 * time.Hour, []time.Duration{2 * time.Hour, 27 * time.Hour}},
		{"an hour back before it: waited for", daily, 90 * time.Minute, -time.Hour, 5 * time.Hour, []time.Duration{3 * time.Hour}},
		{"years forward: a clock set right, nothing made up for", daily, time.Hour, 9 * 365 * 24 * time.Hour, 3 * time.Hour, []time.Duration{2 * time.Hour}},
		{"a day back: a clock set right", daily, 150 * time.Minute, -24 * time.Hour, 28 * time.Hour, []time.Duration{2 * time.Hour, 26 * time.Hour}},
		{"many times jumped over: one run", hourly, 10 * time.Minute, 150 * time.Minute, 40 * time.Minute, []time.Duration{11 * time.Minute, 30 * time.Minute}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, wall := newRuns(), &clock{}
				origin := time.Now()
				s := started(t, r, func(o *Options) { o.Wall = wall.now })
				set(t, s, check.Check{Name: "c", Builtin: "x", Cron: c.cron}, every("steady", 10*time.Minute))
				time.Sleep(c.at)
				wall.by(c.by)
				time.Sleep(c.until - c.at)
				synctest.Wait()
				ds := r.times("c", origin)
				if len(ds) != len(c.want) {
					t.Fatalf("ran at %v, want %v", ds, c.want)
				}
				for i := range ds {
					if d := c.want[i] - ds[i]; d.Abs() > time.Minute {
						t.Errorf("ran at %v, want %v", ds, c.want)
					}
				}
				ds = r.times("steady", origin)
				for i := 2; i < len(ds); i++ {
					if ds[i]-ds[i-1] != 10*time.Minute {
						t.Errorf("the interval check ran at %v", ds)
					}
				}
			})
		})
	}
}

// A box that slept runs once for all that it missed, and says how much that was.
func TestPassAfterALongSleep(t *testing.T) {
	now := time.Now()
	e := &entry{check: every("a", 10*time.Second), anchor: now, next: now.Add(10 * time.Second)}
	due, missed := e.pass(now.Add(65 * time.Second))
	if !due.Equal(now.Add(60*time.Second)) || missed != 5 || !e.next.Equal(now.Add(70*time.Second)) {
		t.Errorf("due %s, missed %d, next %s", due.Sub(now), missed, e.next.Sub(now))
	}
}

func TestSlotAfter(t *testing.T) {
	anchor := time.Now()
	e := &entry{check: every("a", 10*time.Second), anchor: anchor}
	for after, want := range map[time.Duration]time.Duration{0: 10, 1: 10, -1: 0, 9999999999: 10, 10e9: 20, -10e9: 0, -11e9: -10, -25e9: -20} {
		if got := e.slotAfter(anchor.Add(after)).Sub(anchor); got != want*time.Second {
			t.Errorf("after %s: %s, want %ds", after, got, want)
		}
	}
}

func TestSplaySpreadsAFleet(t *testing.T) {
	const boxes, parts = 10_000, 10
	var n [parts]int
	for i := range boxes {
		d := spread(splay(time.Duration(i).String(), "disk"), time.Minute)
		n[int(d*parts/time.Minute)]++
	}
	for i, x := range n {
		if x < boxes/parts*8/10 || x > boxes/parts*12/10 {
			t.Errorf("part %d of a minute has %d of %d boxes", i, x, boxes)
		}
	}
}
