package schedule

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
)

// Thirty checks through one program that takes two at a time: it gets two, each check its turn, and nothing else waits for it.
func TestRunsOfOneProgramAreCapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRuns()
		s := started(t, r, func(o *Options) { o.Concurrency, o.Caps = 8, map[string]int{"check_ssh": 2, "never": 1} })
		var checks []check.Check
		for i := range 30 {
			c := plugin(fmt.Sprint("ssh-", i), 10*time.Second, "900ms")
			c.Plugin = "check_ssh"
			checks = append(checks, c)
		}
		checks = append(checks, plugin("other", time.Second, "5ms"))
		set(t, s, checks...)
		time.Sleep(10 * time.Second)
		since := time.Now()
		r.mu.Lock()
		r.most = 0
		r.mu.Unlock()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if r.most > 3 {
			t.Errorf("%d at once, two of them and one other may be", r.most)
		}
		for i := range 30 { // 300 s of two places at 0.9 s for 30 checks: 22 each
			n := 0
			for _, d := range r.times(fmt.Sprint("ssh-", i), since) {
				if d >= 0 {
					n++
				}
			}
			if n < 20 || n > 24 {
				t.Errorf("ssh-%d ran %d times", i, n)
			}
		}
		ds := r.times("other", since)
		for i := 1; i < len(ds); i++ {
			if ds[i-1] >= 0 && ds[i]-ds[i-1] != time.Second {
				t.Fatalf("other: %s between two runs", ds[i]-ds[i-1])
			}
		}
		x, _ := s.Stats(t.Context())
		if x.Skipped == 0 || x.Queued == 0 {
			t.Errorf("%+v", x)
		}

		// Who asks is served before what is due, and what is taken away no longer waits.
		asked := time.Now()
		if _, _, err := s.RunNow(t.Context(), "ssh-7", nil); err != nil || time.Since(asked) > 4*time.Second {
			t.Errorf("asked for: %v after %s", err, time.Since(asked))
		}
		set(t, s, checks[:1]...)
		synctest.Wait()
		if x, _ := s.Stats(t.Context()); x.Queued > 1 {
			t.Errorf("29 of 30 taken away: %+v", x)
		}
		time.Sleep(time.Minute)
		now := time.Now()
		time.Sleep(time.Minute)
		if n := ranAfter(r, "ssh-0", now); n < 5 || n > 7 {
			t.Errorf("the one that is left ran %d times in a minute", n)
		}
	})
}

func ranAfter(r *runs, name string, since time.Time) (n int) {
	for _, d := range r.times(name, since) {
		if d >= 0 {
			n++
		}
	}
	return n
}

// What waits for its program is due in the next core, as what waits in a lane is.
func TestWhatWaitsForItsProgramIsHandedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRuns()
		s := started(t, r, func(o *Options) { o.Caps = map[string]int{"p": 1} })
		var checks []check.Check
		for i := range 5 {
			checks = append(checks, plugin(fmt.Sprint("c", i), time.Minute, "10s"))
		}
		set(t, s, checks...)
		time.Sleep(5 * time.Second)
		now := time.Now()
		p, err := s.HandOver(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		due := 0
		for _, slot := range p.Slots {
			if slot.Next.Before(now) {
				due++
			}
		}
		if len(p.Flights) != 1 || due != 4 || len(p.Slots) != 5 {
			t.Errorf("%d under way, %d due, %d in all", len(p.Flights), due, len(p.Slots))
		}
	})
}

func TestRunOnceTakesACheckThatIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRuns()
		s := started(t, r, func(o *Options) { o.Caps = map[string]int{"p": 1} })
		set(t, s, plugin("known", time.Hour, "1s"))
		time.Sleep(10 * time.Second)
		c := plugin("given", time.Hour, "2s")
		if _, _, err := s.RunNow(t.Context(), "given", nil); !errors.Is(err, ErrUnknownCheck) {
			t.Errorf("by its name alone: %v", err)
		}
		if _, _, err := s.RunOnce(t.Context(), plugin("known", time.Hour, "1s"), nil); err == nil {
			t.Error("it ran in the place of another check")
		}
		began := time.Now()
		var wait sync.WaitGroup
		joins := make(chan bool, 2)
		for range 2 {
			wait.Go(func() {
				x, joined, err := s.RunOnce(t.Context(), c, nil)
				if err != nil || x.Check != "given" || x.Trigger != check.Manual {
					t.Errorf("%+v %v", x, err)
				}
				joins <- joined
			})
		}
		wait.Wait()
		if first, second := <-joins, <-joins; first == second || time.Since(began) != 2*time.Second {
			t.Errorf("two at once: not one run, joined, after %s", time.Since(began))
		}
		time.Sleep(2 * time.Hour)
		if n := len(r.times("given", began)); n != 1 {
			t.Errorf("ran %d times", n)
		}
		if all, _ := s.List(t.Context()); len(all) != 1 {
			t.Errorf("%d checks", len(all))
		}
	})
}
