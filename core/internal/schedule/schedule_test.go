package schedule

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
)

// runs is a Runner whose runs take the time that the check's first argument says, in virtual time, and print at their start and end. It
// keeps when each began.
type runs struct {
	mu      sync.Mutex // guards what follows
	began   map[string][]time.Time
	dues    map[string][]time.Time
	results []check.Result
	now     int
	most    int
}

func newRuns() *runs { return &runs{began: map[string][]time.Time{}, dues: map[string][]time.Time{}} }

func (r *runs) Run(ctx context.Context, c check.Check, t check.Trigger, due time.Time, out func(bool, []byte)) check.Result {
	r.mu.Lock()
	r.began[c.Name] = append(r.began[c.Name], time.Now())
	r.dues[c.Name] = append(r.dues[c.Name], due)
	r.now++
	r.most = max(r.most, r.now)
	r.mu.Unlock()
	out(false, []byte("begin;"))
	took := time.Duration(0)
	if len(c.Args) > 0 {
		took, _ = time.ParseDuration(c.Args[0])
	}
	x := check.Result{Check: c.Name, Due: due, Start: time.Now(), Trigger: t}
	// Not time.After: where nothing is to be waited for, Go 1.26's race detector trips over a timer of virtual time that is due at once.
	over, stop := context.WithTimeout(ctx, took)
	<-over.Done()
	stop()
	if ctx.Err() == nil {
		out(true, []byte("end;"))
	} else {
		x.Text = "cut off"
	}
	x.Duration = time.Since(x.Start)
	r.mu.Lock()
	r.now--
	r.mu.Unlock()
	return x
}

func (r *runs) deliver(c check.Check, x check.Result, kept func(check.Result)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.results = append(r.results, x)
	kept(x)
}

// times are the starts of a check's runs after origin.
func (r *runs) times(name string, origin time.Time) []time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ds []time.Duration
	for _, t := range r.began[name] {
		ds = append(ds, t.Sub(origin))
	}
	return ds
}

// started runs a schedule within a synctest bubble and ends it with the test.
func started(t *testing.T, r *runs, change func(*Options)) *Schedule {
	t.Helper()
	o := Options{Fingerprint: "f", Runner: r, Deliver: r.deliver}
	if change != nil {
		change(&o)
	}
	s := New(o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Loop(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

func set(t *testing.T, s *Schedule, checks ...check.Check) {
	t.Helper()
	if err := s.Set(t.Context(), checks); err != nil {
		t.Fatal(err)
	}
}

func every(name string, d time.Duration, args ...string) check.Check {
	return check.Check{Name: name, Builtin: "x", Every: d, Args: args}
}

func TestANewCheckRunsAtOnceAndThenAtItsPhase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRuns()
		origin := time.Now()
		s := started(t, r, nil)
		var names []string
		for i := range 20 {
			names = append(names, fmt.Sprintf("check-%d", i))
		}
		var checks []check.Check
		for _, n := range names {
			checks = append(checks, every(n, 10*time.Second))
		}
		set(t, s, checks...)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		firsts, phases := map[time.Duration]bool{}, map[time.Duration]bool{}
		for _, n := range names {
			ds := r.times(n, origin)
			if len(ds) < 29 || len(ds) > 31 || ds[0] >= time.Second {
				t.Fatalf("%s: %d runs, the first after %s", n, len(ds), ds[0])
			}
			if gap := ds[1] - ds[0]; gap < 5*time.Second || gap >= 15*time.Second {
				t.Errorf("%s: %s between the first two runs", n, gap)
			}
			for i := 2; i < len(ds); i++ {
				if ds[i]-ds[i-1] != 10*time.Second {
					t.Errorf("%s: %s between runs %d and %d", n, ds[i]-ds[i-1], i-1, i)
				}
			}
			phase := time.Duration(origin.Add(ds[1]).UnixNano() % int64(10*time.Second))
			places := map[time.Duration]bool{}
			for h, tries := splay("f", n), 0; tries < crowdTries; tries++ {
				places[spread(h, 10*time.Second)] = true
				h = mix(h + 0x9e3779b97f4a7c15)
			}
			if !places[phase] {
				t.Errorf("%s: phase %s is none of its places %v", n, phase, places)
			}
			firsts[ds[0]], phases[phase] = true, true
		}
		if len(firsts) < 15 || len(phases) < 15 {
			t.Errorf("%d first moments and %d phases for 20 checks", len(firsts), len(phases))
		}
		if x, _ := s.Stats(t.Context()); x.LagMax != 0 || x.Skipped != 0 || x.Checks != 20 {
			t.Errorf("stats %+v", x)
		}
	})
}

func TestSetTouchesOnlyWhatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRuns()
		origin := time.Now()
		s := started(t, r, nil)
		set(t, s, every("same", 10*time.Second, "0s"), every("changed", 10*time.Second), every("gone", 10*time.Second))
		time.Sleep(35 * time.Second)
		synctest.Wait()
		at := time.Since(origin)
		set(t, s, every("same", 10*time.Second, "0s"), every("changed", 20*time.Second), every("new", 10*time.Second))
		time.Sleep(2 * time.Second)
		for _, n := range []string{"changed", "new"} {
			ds := r.times(n, origin)
			if last := ds[len(ds)-1]; last < at || last > at+time.Second {
				t.Errorf("%s last ran at %s, set at %s", n, last, at)
			}
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		ds := r.times("same", origin)
		for i := 2; i < len(ds); i++ {
			if ds[i]-ds[i-1] != 10*time.Second {
				t.Errorf("the unchanged check lost its phase: %v", ds)
			}
		}
		if ds := r.times("gone", origin); ds[len(ds)-1] > at {
			t.Errorf("the removed check ran at %s", ds[len(ds)-1])
		}
		list, err := s.List(t.Context())
		if err != nil || len(list) != 3 || list[0].Check.Name != "changed" || list[0].Check.Every != 20*time.Second || !list[1].Next.After(time.Now()) {
			t.Errorf("list %+v, %v", list, err)
		}
	})
}

func TestSetIsWholeOrNotAtAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, newRuns(), nil)
		set(t, s, every("a", time.Minute))
		for want, checks := range map[string][]check.Check{
			"b: cron expression":    {every("c", time.Minute), {Name: "b", Cron: "x"}},
			"b is there twice":      {every("b", time.Minute), every("b", time.Hour)},
			"b: no interval and no": {{Name: "b"}},
		} {
			if err := s.Set(t.Context(), checks); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want %q", err, want)
			}
		}
		if list, _ := s.List(t.Context()); len(list) != 1 || list[0].Check.Name != "a" {
			t.Errorf("list %+v", list)
		}
	})
}

func TestASlotThatFindsItsCheckRunningIsSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRuns()
		origin := time.Now()
		s := started(t, r, nil)
		set(t, s, every("slow", 10*time.Second, "25s"), every("quick", 10*time.Second))
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		ds := r.times("slow", origin)
		for i := 2; i < len(ds); i++ {
			if ds[i]-ds[i-1] != 30*time.Second {
				t.Errorf("runs at %v", ds)
			}
		}
		list, _ := s.List(t.Context())
		if list[1].Skipped < 6 || list[0].Skipped != 0 || len(r.times("quick", origin)) < 11 {
			t.Errorf("skipped %d and %d, quick ran %d times", list[1].Skipped, list[0].Skipped, len(r.times("quick", origin)))
		}
		if l, err := s.Charge(t.Context(), 0, 0); err != nil || l.Missed != 0 {
			t.Errorf("%+v %v: none waited for a place", l, err)
		}
	})
}

func TestTheCapQueuesInOrderAndMeasuresLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRuns()
		s := started(t, r, func(o *Options) { o.Concurrency = 2 })
		var checks []check.Check
		for i := range 6 {
			checks = append(checks, every(fmt.Sprint("c", i), time.Hour, "10s"))
		}
		set(t, s, checks...)
		time.Sleep(5 * time.Second)
		if x, _ := s.Stats(t.Context()); x.Running != 2 || x.Queued != 4 {
			t.Errorf("stats %+v", x)
		}
		time.Sleep(60 * time.Second)
		synctest.Wait()
		if r.most != 2 || len(r.results) != 6 {
			t.Errorf("%d at once, %d results", r.most, len(r.results))
		}
		if !slices.IsSortedFunc(r.results, func(a, b check.Result) int { return a.Due.Compare(b.Due) }) {
			t.Errorf("not in the order they were due: %v", r.results)
		}
		x, _ := s.Stats(t.Context())
		if x.LagMax < 19*time.Second || x.LagMax > 20*time.Second || x.LagP50 < 9*time.Second || x.LagP50 > 10*time.Second || x.LagP99 != x.LagMax {
			t.Errorf("stats %+v", x)
		}
		time.Sleep(LagWindow)
		if x, _ := s.Stats(t.Context()); x.LagMax != 0 {
			t.Errorf("old lags are still told: %+v", x)
		}
	})
}

func TestRunNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRuns()
		s := started(t, r, nil)
		set(t, s, check.Check{Name: "job", Builtin: "x", Cron: "0 0 1 1 *", Args: []string{"10s"}})
		var outs [2]strings.Builder
		var joined [2]bool
		var results [2]check.Result
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 5 * time.Second)
				var err error
				results[i], joined[i], err = s.RunNow(t.Context(), "job", func(stderr bool, data []byte) { fmt.Fprint(&outs[i], stderr, string(data)) })
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if joined != [2]bool{false, true} || outs[0].String() != "falsebegin;trueend;" || outs[1].String() != "trueend;" {
			t.Errorf("joined %v, output %q and %q", joined, outs[0].String(), outs[1].String())
		}
		if results[0].Trigger != check.Manual || !results[0].Due.IsZero() || results[1].Start != results[0].Start || len(r.results) != 1 {
			t.Errorf("results %+v, delivered %d", results, len(r.results))
		}
		if _, again, err := s.RunNow(t.Context(), "job", nil); again || err != nil || len(r.results) != 2 {
			t.Errorf("asked again: joined %v, %v, delivered %d", again, err, len(r.results))
		}
		if _, _, err := s.RunNow(t.Context(), "none", nil); !errors.Is(err, ErrUnknownCheck) {
			t.Errorf("unknown: %v", err)
		}
	})
}

func TestWhoStopsListeningDoesNotStopTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRuns()
		s := started(t, r, nil)
		set(t, s, check.Check{Name: "job", Builtin: "x", Cron: "0 0 1 1 *", Args: []string{"10s"}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := s.RunNow(ctx, "job", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if len(r.results) != 1 || r.results[0].Text != "" {
			t.Errorf("results %+v", r.results)
		}
	})
}

func TestRunNowGoesFirstButCannotStopTheSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRuns()
		s := started(t, r, func(o *Options) { o.Concurrency = 1 })
		checks := []check.Check{every("busy", time.Hour, "1m"), every("waiting", time.Hour, "1s"), every("later", time.Hour, "1s")}
		for i := range 8 {
			checks = append(checks, check.Check{Name: fmt.Sprint("m", i), Builtin: "x", Cron: "0 0 1 1 *", Args: []string{"1s"}})
		}
		set(t, s, checks[0])
		time.Sleep(2 * time.Second)
		set(t, s, checks...)
		time.Sleep(2 * time.Second)
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() { s.RunNow(t.Context(), fmt.Sprint("m", i), nil) })
			synctest.Wait()
		}
		_, joined, err := s.RunNow(t.Context(), "later", nil) // waits already: it is urged on
		if !joined || err != nil {
			t.Errorf("joined %v, %v", joined, err)
		}
		wg.Wait()
		var order []string
		for _, x := range r.results[1:] {
			order = append(order, x.Check)
		}
		if want := "m0 m1 m2 waiting m3 m4 m5 m6 m7 later"; strings.Join(order, " ") != want {
			t.Errorf("order %v, want %s", order, want)
		}
	})
}

func TestEndCutsRunsOffAndDeliversThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRuns()
		s := New(Options{Runner: r, Deliver: r.deliver, Concurrency: 1})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Loop(ctx) }()
		set(t, s, every("a", time.Minute, "1h"))
		time.Sleep(2 * time.Second)
		set(t, s, every("a", time.Minute, "1h"), check.Check{Name: "b", Builtin: "x", Cron: "0 0 1 1 *"})
		waiting := make(chan error, 1)
		go func() { _, _, err := s.RunNow(t.Context(), "b", nil); waiting <- err }()
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := <-waiting; !errors.Is(err, ErrStopped) {
			t.Errorf("who waited for a run heard %v", err)
		}
		if len(r.results) != 1 || r.results[0].Text != "cut off" {
			t.Errorf("results %+v", r.results)
		}
		if _, _, err := s.RunNow(t.Context(), "a", nil); !errors.Is(err, ErrStopped) {
			t.Errorf("after the end: %v", err)
		}
		if err := s.Drain(t.Context()); err != nil {
			t.Errorf("drain after the end: %v", err)
		}
	})
}

func TestDrainFinishesWhatRunsAndStartsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRuns()
		s := started(t, r, nil)
		set(t, s, every("a", 10*time.Second, "5s"), every("b", 10*time.Second))
		time.Sleep(12 * time.Second)
		for { // until a runs
			if x, _ := s.Stats(t.Context()); x.Running > 0 {
				break
			}
			time.Sleep(time.Second)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := s.Drain(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("an impatient drain: %v", err)
		}
		if err := s.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		before, _ := s.Stats(t.Context())
		time.Sleep(time.Minute)
		after, _ := s.Stats(t.Context())
		if before.Running != 0 || before.Runs != after.Runs {
			t.Errorf("before %+v, after %+v", before, after)
		}
		if _, _, err := s.RunNow(t.Context(), "a", nil); !errors.Is(err, ErrStopped) {
			t.Errorf("run now while draining: %v", err)
		}
	})
}

func TestStandbyStartsNothingUntilActivated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRuns()
		s := started(t, r, func(o *Options) { o.Standby = true })
		set(t, s, every("a", 10*time.Second))
		time.Sleep(time.Minute)
		if _, _, err := s.RunNow(t.Context(), "a", nil); !errors.Is(err, ErrStopped) {
			t.Errorf("run now in standby: %v", err)
		}
		if len(r.results) != 0 {
			t.Errorf("ran in standby: %+v", r.results)
		}
		if err := s.Activate(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(21 * time.Second)
		synctest.Wait()
		if n := len(r.results); n < 2 || n > 3 {
			t.Errorf("%d runs after activation", n)
		}
	})
}
