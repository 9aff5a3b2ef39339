package schedule

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
)

// judged is a runner whose results have the states that a check's list says, the last of them for good, and that keeps count as an agent does.
type judged struct {
	*runs
	states map[string][]check.State
	stand  map[string]check.Standing
}

func newJudged() *judged {
	return &judged{newRuns(), map[string][]check.State{}, map[string]check.Standing{}}
}

func (j *judged) Run(ctx context.Context, c check.Check, t check.Trigger, due time.Time, out func(bool, []byte)) check.Result {
	x := j.runs.Run(ctx, c, t, due, out)
	j.mu.Lock()
	defer j.mu.Unlock()
	if list := j.states[c.Name]; len(list) > 0 {
		x.State = list[0]
		if len(list) > 1 {
			j.states[c.Name] = list[1:]
		}
	}
	return x
}

func (j *judged) deliver(c check.Check, x check.Result, kept func(check.Result)) {
	j.mu.Lock()
	j.stand[c.Name] = j.stand[c.Name].After(c, x.State, x.Start)
	x.Standing = j.stand[c.Name]
	j.mu.Unlock()
	j.runs.deliver(c, x, kept)
}

func (j *judged) start(t *testing.T) *Schedule {
	return started(t, j.runs, func(o *Options) { o.Runner, o.Deliver = j, j.deliver })
}

// gaps are the times between runs, in seconds.
func gaps(ds []time.Duration) (s []float64) {
	for i := 1; i < len(ds); i++ {
		s = append(s, (ds[i] - ds[i-1]).Seconds())
	}
	return s
}

const (
	ok  = check.OK
	bad = check.Critical
)

func TestASoftProblemIsTriedAgainSooner(t *testing.T) {
	for _, tt := range []struct {
		name   string
		states []check.State
		takes  string
		want   []float64 // between the runs from the third on: the second is the first at the check's phase
	}{
		{"hard at the third", []check.State{ok, ok, bad, bad, bad}, "10ms", []float64{60, 10, 10, 40, 60, 60}},
		{"over before it is hard", []check.State{ok, ok, bad, ok, ok}, "10ms", []float64{60, 10, 50, 60, 60}},
		{"soft again", []check.State{ok, ok, bad, ok, bad, bad, bad}, "10ms", []float64{60, 10, 50, 10, 10, 40, 60}},
		{"a run takes longer than that", []check.State{ok, ok, bad, bad, bad}, "13s", []float64{60, 20, 20, 20, 60}},
		{"no problem", []check.State{ok}, "10ms", []float64{60, 60, 60}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := newJudged()
				s := j.start(t)
				j.states["web"] = tt.states
				c := plugin("web", time.Minute, tt.takes)
				c.Attempts, c.Retry = 3, 10*time.Second
				origin := time.Now()
				set(t, s, c)
				time.Sleep(6*time.Minute + 30*time.Second)
				synctest.Wait()
				got := gaps(j.times("web", origin)[1:])
				if n := len(tt.want); len(got) < n || !slices.Equal(got[:n], tt.want) {
					t.Errorf("%v seconds between its runs, want %v...", got, tt.want)
				}
				if x, _ := s.Stats(t.Context()); x.Skipped != 0 || x.Shed != 0 {
					t.Errorf("%+v", x)
				}
			})
		})
	}
}

// A regular slot that comes before the next try is as good, and a run that somebody asked for counts like any other.
func TestRetriesAmongOtherRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJudged()
		s := j.start(t)
		c := plugin("web", 20*time.Second, "10ms")
		c.Attempts, c.Retry = 3, 15*time.Second
		origin := time.Now()
		set(t, s, c)
		time.Sleep(time.Minute)
		at := j.times("web", origin)
		time.Sleep(time.Until(origin.Add(at[len(at)-1]+21*time.Second)) % (20 * time.Second)) // a second behind a slot
		j.mu.Lock()
		j.states["web"] = []check.State{bad, ok}
		j.mu.Unlock()
		n := len(j.times("web", origin))
		for range 2 { // a soft problem, and at once its end
			if _, _, err := s.RunNow(t.Context(), "web", nil); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		got := gaps(j.times("web", origin)[n-1:])
		if want := []float64{1, 0.01, 18.99, 20, 20}; !slices.Equal(got[:5], want) {
			t.Errorf("%v seconds between its runs, want %v", got, want)
		}
	})
}

func TestACronCheckIsTriedAgainSooner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJudged()
		s := j.start(t)
		j.states["job"] = []check.State{bad, ok, bad, bad, bad}
		c := check.Check{Name: "job", Builtin: "x", Cron: "CRON_TZ=UTC 0 * * * *", Attempts: 3, Retry: 5 * time.Minute, Args: []string{"1s"}}
		origin := time.Now() // midnight
		set(t, s, c)
		time.Sleep(4*time.Hour + time.Minute)
		synctest.Wait()
		var minutes []float64
		for _, d := range j.times("job", origin) {
			minutes = append(minutes, d.Minutes())
		}
		if want := []float64{60, 65, 120, 125, 130, 180, 240}; !slices.Equal(minutes, want) {
			t.Errorf("runs at minutes %v, want %v", minutes, want)
		}
	})
}

// What is due between two slots is so for the next core, too.
func TestARetryIsHandedOver(t *testing.T) {
	for _, c := range []check.Check{
		{Name: "c", Builtin: "x", Every: 10 * time.Minute, Attempts: 3, Retry: time.Minute},
		{Name: "c", Builtin: "x", Cron: "CRON_TZ=UTC */10 * * * *", Attempts: 3, Retry: time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			j := newJudged()
			a := j.start(t)
			j.states["c"] = []check.State{bad}
			set(t, a, c)
			origin := time.Now()
			time.Sleep(30 * time.Minute)
			synctest.Wait()
			ran := j.times("c", origin)
			time.Sleep(ran[len(ran)-1] + 10*time.Minute + 10*time.Second - time.Since(origin)) // behind a slot
			j.mu.Lock()
			j.states["c"], j.stand["c"] = []check.State{bad}, check.Standing{}
			j.mu.Unlock()
			at := time.Now()
			if _, _, err := a.RunNow(t.Context(), "c", nil); err != nil {
				t.Fatal(err)
			}
			p, err := a.HandOver(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			b := started(t, j.runs, func(o *Options) { o.Runner, o.Deliver, o.Standby = j, j.deliver, true })
			set(t, b, c)
			if err := b.Resume(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			if got := j.times("c", at); !slices.Equal(got[len(got)-3:], []time.Duration{0, time.Minute, 2 * time.Minute}) {
				t.Errorf("%s%s: runs %v after the soft problem", c.Every, c.Cron, got)
			}
		})
	}
}

// load drives a schedule whose checks use processor time: so much for each run.
type load struct {
	each map[string]time.Duration
	rate float64
}

// used is what the runs so far have used.
func (l load) used(j *judged) (sum time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for name, began := range j.began {
		sum += time.Duration(len(began)) * l.each[name]
	}
	return sum
}

// during charges as an agent does, for so long, and returns what was said last.
func (l load) during(t *testing.T, j *judged, s *Schedule, d time.Duration) (last Load) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(5 * time.Second) {
		var err error
		if last, err = s.Charge(t.Context(), l.used(j), l.rate); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Wait()
	return last
}

func ranSince(j *judged, name string, since time.Time) (n int) {
	for _, d := range j.times(name, since) {
		if d >= 0 {
			n++
		}
	}
	return n
}

func TestProcessorTimeIsKeptWithinItsBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJudged()
		s := j.start(t)
		l := load{map[string]time.Duration{}, 0.2}
		var checks []check.Check
		add := func(name string, every, each time.Duration, change func(*check.Check)) {
			c := plugin(name, every, "10ms")
			if change != nil {
				change(&c)
			}
			l.each[name] = each
			checks = append(checks, c)
		}
		for i := range 30 { // 0.6 processors
			add(fmt.Sprint("normal-", i), 10*time.Second, 200*time.Millisecond, nil)
		}
		add("low", 10*time.Second, 0, func(c *check.Check) { c.Importance = check.Low })
		add("high", 10*time.Second, 0, func(c *check.Check) { c.Importance = check.High })
		add("problem", 10*time.Second, 0, nil)
		add("soft", time.Minute, 0, func(c *check.Check) { c.Attempts, c.Retry = 100, 5*time.Second })
		add("hourly", time.Hour, 0, nil)
		add("default", 10*time.Second, 0, func(c *check.Check) { c.Default = true })
		add("cron", 0, 0, func(c *check.Check) { c.Every, c.Cron = 0, "CRON_TZ=UTC * * * * *" })
		j.states["problem"] = []check.State{bad}
		for range 20 {
			j.states["soft"] = append(append(j.states["soft"], slices.Repeat([]check.State{bad}, 90)...), ok)
		}
		set(t, s, checks...)

		if x := l.during(t, j, s, 10*time.Second); x.Level != 0 || x.Shed != 0 {
			t.Fatalf("as long as there is a reserve: %+v", x)
		}
		l.during(t, j, s, 10*time.Minute) // to settle
		since, before := time.Now(), l.used(j)
		x := l.during(t, j, s, time.Hour)
		if rate := (l.used(j) - before).Seconds() / time.Hour.Seconds(); rate > 0.21 || rate < 0.15 {
			t.Errorf("%.3f processors used, the budget is 0.2", rate)
		}
		if x.Level == 0 || x.Used > 0.3 || x.Normal == 0 || x.Low <= x.Normal {
			t.Errorf("%+v", x)
		}
		for name, want := range map[string]int{"high": 360, "problem": 360, "default": 360, "cron": 60, "hourly": 1} {
			if n := ranSince(j, name, since); n < want-1 || n > want+1 {
				t.Errorf("%s ran %d times in an hour, want %d", name, n, want)
			}
		}
		if n := ranSince(j, "soft", since); n < 600 {
			t.Errorf("a soft problem was looked at %d times in an hour, every 5 s", n)
		}
		low, normal := ranSince(j, "low", since), ranSince(j, "normal-1", since)
		if low == 0 || low*2 > normal || normal > 180 {
			t.Errorf("of low importance ran %d times in an hour, normal %d times", low, normal)
		}
		entries, _ := s.List(t.Context())
		var shed uint64
		slots := 0
		for _, e := range entries {
			shed += e.Shed
			if (e.Check.Name == "normal-1" || e.Check.Name == "low") && int(e.Shed)+len(j.times(e.Check.Name, since)) < 420 {
				t.Errorf("%s: %d passed over and %d run: some are in neither count", e.Check.Name, e.Shed, len(j.times(e.Check.Name, since)))
			}
			slots++
		}
		if stats, _ := s.Stats(t.Context()); stats.Shed != shed || shed != x.Shed && stats.Shed < x.Shed || stats.Skipped != 0 {
			t.Errorf("%d slots passed over in all, %d of single checks; %+v", stats.Shed, shed, stats)
		}

		for name := range l.each { // the burden is gone
			l.each[name] = 0
		}
		j.mu.Lock()
		j.states["soft"] = []check.State{ok}
		j.mu.Unlock()
		if x := l.during(t, j, s, 10*time.Minute); x.Level != 0 {
			t.Errorf("ten minutes after what was too much: %+v", x)
		}
		since = time.Now()
		l.during(t, j, s, 10*time.Minute)
		if n := ranSince(j, "low", since); n < 59 || n > 61 {
			t.Errorf("of low importance ran %d times in ten minutes after that", n)
		}
	})
}

func TestBudget(t *testing.T) {
	begin := time.Now()
	at := func(s int) time.Time { return begin.Add(time.Duration(s) * time.Second) }
	b := budget{}.limited(0.5).after(at(0), 100*time.Second)
	if b.level != 0 || b.balance != 30*time.Second {
		t.Fatalf("at first %+v", b)
	}
	use := 100 * time.Second
	for s := 5; s <= 55; s += 5 { // all of one processor: the bucket lasts a minute
		use += 5 * time.Second
		if b = b.after(at(s), use); b.level != 0 {
			t.Fatalf("after %d s %+v", s, b)
		}
	}
	for s := 60; s <= 600; s += 5 {
		use += 5 * time.Second
		b = b.after(at(s), use)
		if want := min(1+(s-60)/15, maxLevel); b.level != want {
			t.Fatalf("after %d s level %d, want %d", s, b.level, want)
		}
	}
	if b.balance != -5*time.Second || b.recent < 0.9 || b.recent > 1 {
		t.Errorf("%+v", b)
	}
	for s := 605; s <= 605+70; s += 5 { // nothing: 5 s of debt and 30 s to fill at 0.5
		b = b.after(at(s), use)
	}
	if b.level != maxLevel-1 {
		t.Errorf("70 s of rest: %+v", b)
	}
	if c := b.after(at(700), use-time.Hour); c.balance < b.balance { // a count that began anew
		t.Errorf("a count that fell was charged: %+v", c)
	}
	if c := b.limited(0).after(at(700), use+time.Hour); c.level != 0 {
		t.Errorf("no limit: %+v", c)
	}
}
