package schedule

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
)

func plugin(name string, d time.Duration, takes string) check.Check {
	return check.Check{Name: name, Plugin: "p", Every: d, Args: []string{takes}}
}

// Forty plugins that hang, with a cap of eight: after the first seconds, in which nobody knows them yet, the others do not notice.
func TestPluginsThatHangHoldUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRuns()
		s := started(t, r, func(o *Options) { o.Concurrency = 8 })
		var checks []check.Check
		for i := range 30 {
			checks = append(checks, plugin(fmt.Sprint("hangs-", i), 20*time.Second, "30s"))
		}
		for i := range 50 {
			checks = append(checks, plugin(fmt.Sprint("quick-", i), time.Second, "5ms"))
		}
		set(t, s, checks...)
		time.Sleep(30 * time.Second)
		origin := time.Now()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		for i := range 50 {
			ds := r.times(fmt.Sprint("quick-", i), origin)
			for j := 1; j < len(ds); j++ {
				if gap := ds[j] - ds[j-1]; ds[j-1] > 0 && gap != time.Second {
					t.Fatalf("quick-%d: %s between two runs, %s after the beginning", i, gap, ds[j])
				}
			}
		}
		if x, _ := s.Stats(t.Context()); x.LagMax > 0 && x.LagP99 > 0 {
			t.Errorf("stats %+v", x)
		}
		for i := range 30 {
			if n := len(r.times(fmt.Sprint("hangs-", i), origin)); n < 6 {
				t.Errorf("hangs-%d ran %d times in five minutes", i, n)
			}
		}
	})
}

// Where even the slow lane is full, what is slow waits for what is slow.
func TestTheSlowLaneHasACapOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRuns()
		s := started(t, r, func(o *Options) { o.Concurrency = 2 })
		var checks []check.Check
		for i := range 30 {
			checks = append(checks, plugin(fmt.Sprint("hangs-", i), time.Minute, "50s"))
		}
		set(t, s, checks...)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if r.most > 2+slowTimes*2 {
			t.Errorf("%d at once", r.most)
		}
		x, _ := s.Stats(t.Context())
		if x.Skipped == 0 || x.Queued == 0 {
			t.Errorf("stats %+v", x)
		}
		if l, err := s.Charge(t.Context(), 0, 0); err != nil || l.Missed == 0 || l.Missed > x.Skipped || l.Queued != x.Queued {
			t.Errorf("%+v %v, where %d slots were skipped", l, err, x.Skipped)
		}
	})
}

func TestTenThousandChecksKeepTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRuns()
		s := started(t, r, nil)
		var checks []check.Check
		for i := range 10_000 {
			checks = append(checks, every(fmt.Sprint("c", i), 10*time.Second))
		}
		set(t, s, checks...)
		time.Sleep(20 * time.Second) // all are in their places
		origin := time.Now()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if x, _ := s.Stats(t.Context()); x.LagMax != 0 || x.Skipped != 0 {
			t.Errorf("stats %+v", x)
		}
		var starts []time.Duration
		for _, c := range checks {
			ds := slices.DeleteFunc(r.times(c.Name, origin), func(d time.Duration) bool { return d <= 0 })
			if len(ds) != 3 || ds[1]-ds[0] != 10*time.Second || ds[2]-ds[1] != 10*time.Second {
				t.Fatalf("%s ran at %v", c.Name, ds)
			}
			starts = append(starts, ds...)
		}
		even(t, starts, 1000)
	})
}

func TestFiveHundredEverySecondStartEvenly(t *testing.T) {
	for box := range 20 {
		synctest.Test(t, func(t *testing.T) {
			r := newRuns()
			s := started(t, r, func(o *Options) { o.Fingerprint = fmt.Sprint("box", box) })
			var checks []check.Check
			for i := range 500 {
				checks = append(checks, every(fmt.Sprint("c", i), time.Second))
			}
			set(t, s, checks...)
			time.Sleep(3 * time.Second)
			origin := time.Now()
			time.Sleep(2 * time.Second)
			synctest.Wait()
			var starts []time.Duration
			for _, c := range checks {
				starts = append(starts, slices.DeleteFunc(r.times(c.Name, origin), func(d time.Duration) bool { return d <= 0 })...)
			}
			even(t, starts, 500)
		})
	}
}

// even holds the starts of any 50 ms against one and a half times the even share.
func even(t *testing.T, starts []time.Duration, perSecond int) {
	t.Helper()
	const window = 50 * time.Millisecond
	slices.Sort(starts)
	most, from := 0, 0
	for i, at := range starts {
		for at-starts[from] >= window {
			from++
		}
		most = max(most, i-from+1)
	}
	if share := perSecond / 20; most > share*3/2 {
		t.Errorf("%d starts within 50 ms, the even share is %d", most, share)
	}
}

func TestACheckAlsoAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRuns()
		origin := time.Now()
		s := started(t, r, nil)
		c := check.Check{Name: "inventory", Builtin: "x", Cron: "CRON_TZ=UTC 0 6 * * *", AtStart: true}
		set(t, s, c, every("other", time.Minute))
		time.Sleep(31 * time.Hour)
		set(t, s, c) // unchanged
		time.Sleep(time.Hour)
		synctest.Wait()
		ds := r.times("inventory", origin)
		if len(ds) != 3 || ds[0] > time.Second || ds[1] != 6*time.Hour || ds[2] != 30*time.Hour {
			t.Errorf("ran at %v", ds)
		}
	})
}

// What happens in the nights in which clocks are set forward and back.
func TestDaylightSaving(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skipf("NOT TESTED HERE: %v", err)
	}
	for _, c := range []struct {
		name, cron string
		from, to   time.Time
		want       []string // UTC
	}{
		{"forward: the time that is not there", "30 2 * * *", time.Date(2000, 3, 25, 0, 0, 0, 0, berlin), time.Date(2000, 3, 28, 0, 0, 0, 0, berlin),
			[]string{"25 01:30", "26 01:00", "27 00:30"}},
		{"back: the time that is there twice", "30 2 * * *", time.Date(2000, 10, 28, 0, 0, 0, 0, berlin), time.Date(2000, 10, 31, 0, 0, 0, 0, berlin),
			[]string{"28 00:30", "29 00:30", "30 01:30"}},
		{"hourly, forward", "0 * * * *", time.Date(2000, 3, 26, 0, 30, 0, 0, berlin), time.Date(2000, 3, 26, 4, 30, 0, 0, berlin),
			[]string{"26 00:00", "26 01:00", "26 02:00"}},
		{"hourly, back", "0 * * * *", time.Date(2000, 10, 29, 0, 30, 0, 0, berlin), time.Date(2000, 10, 29, 4, 30, 0, 0, berlin),
			[]string{"28 23:00", "29 00:00", "29 01:00", "29 02:00", "29 03:00"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRuns()
				time.Sleep(time.Until(c.from))
				s := started(t, r, nil)
				set(t, s, check.Check{Name: "c", Builtin: "x", Cron: "CRON_TZ=Europe/Berlin " + c.cron})
				time.Sleep(time.Until(c.to))
				synctest.Wait()
				var got []string
				for _, at := range r.began["c"] {
					got = append(got, at.UTC().Format("02 15:04"))
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("ran at %v, want %v", got, c.want)
				}
			})
		})
	}
}

// A result waits for a sync of the disk. Its run's place does not.
func TestAResultBeingKeptHoldsNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRuns()
		s := started(t, r, func(o *Options) {
			o.Concurrency = 1
			o.Deliver = func(c check.Check, x check.Result, kept func(check.Result)) {
				time.AfterFunc(50*time.Millisecond, func() { r.deliver(c, x, kept) })
			}
		})
		var checks []check.Check
		for i := range 200 {
			checks = append(checks, every(fmt.Sprintf("check-%d", i), time.Second))
		}
		set(t, s, checks...)
		time.Sleep(time.Minute)
		stats, err := s.Stats(t.Context())
		if err != nil || stats.Skipped > 0 || stats.Runs < 200*59 {
			t.Errorf("%d runs, %d skipped, %v", stats.Runs, stats.Skipped, err)
		}
	})
}
