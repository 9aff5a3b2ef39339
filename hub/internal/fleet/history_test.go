package fleet

import (
	"encoding/json"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/presence"
)

// An answer may take as long as it likes, as long as it goes on.
func TestOnlySilenceEndsALongAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, s := listen(t.Context())
		defer s.end()
		for range 10 {
			time.Sleep(maxSilence - time.Second) // the stream
			s.pause()
			time.Sleep(2 * maxSilence) // the reader
			if ctx.Err() != nil {
				t.Fatal("ended while it went on")
			}
			s.begin()
		}
		time.Sleep(maxSilence - time.Nanosecond)
		synctest.Wait()
		if ctx.Err() != nil {
			t.Error("ended before its time")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if ctx.Err() == nil {
			t.Error("nothing came for too long, and it goes on")
		}
	})
}

func TestThinKeepsTheShapeOfALine(t *testing.T) {
	points := make([]Point, 0, 10_000)
	for i := range 10_000 {
		v := float64(i)
		if i >= 5000 && i < 5100 {
			v = math.NaN()
		}
		points = append(points, Point{Number(i * 1000), Number(v)})
	}
	out := thin(points, 1000)
	if len(out) > 1000 || len(out) < 990 {
		t.Fatalf("%d points", len(out))
	}
	gaps := 0
	for i, p := range out {
		if i > 0 && p[0] <= out[i-1][0] {
			t.Fatalf("point %d is not later", i)
		}
		if math.IsNaN(float64(p[1])) {
			gaps++
			continue
		}
		if off := float64(p[1]) - float64(p[0])/1000; off < -6 || off > 6 {
			t.Errorf("point %v", p)
		}
	}
	if gaps < 8 || gaps > 10 {
		t.Errorf("%d points without a value", gaps)
	}
	if same := thin(points[:1000], 1000); len(same) != 1000 {
		t.Errorf("1000 became %d", len(same))
	}
	one := []Point{{1, 1}, {1, 3}, {1, 5}}
	if out := thin(one, 2); len(out) == 0 || len(out) > 2 {
		t.Errorf("all at one moment: %v", out)
	}
}

func TestStepsAreTheChanges(t *testing.T) {
	got := steps([]StatePoint{{3, 1}, {1, 0}, {2, 0}, {4, 1}, {5, 0}, {6, 0}})
	want := []StatePoint{{1, 0}, {3, 1}, {5, 0}, {6, 0}}
	if len(got) != len(want) {
		t.Fatalf("got %v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("got %v", got)
		}
	}
}

func TestWhatIsNoNumberIsNull(t *testing.T) {
	data, err := json.Marshal(Perfdata{Label: "x", Value: Number(math.Inf(1)), Min: Number(math.NaN()), Max: 1.5e300})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"label":"x","value":null,"unit":"","warn":"","crit":"","min":null,"max":1.5e+300}`; string(data) != want {
		t.Errorf("got %s", data)
	}
	var back Perfdata
	if err := json.Unmarshal(data, &back); err != nil || !math.IsNaN(float64(back.Value)) || back.Max != 1.5e300 {
		t.Errorf("back %+v, %v", back, err)
	}
}

func TestGone(t *testing.T) {
	on := presence.Entry{State: presence.Online, Revision: 2}
	for _, c := range []struct {
		name    string
		tally   tally
		session presence.Entry
		stale   bool
		quiet   time.Duration
		gone    bool
	}{
		{"stale, of an older revision", tally{Revision: 1, Status: CheckStatus{EveryMS: 1000}}, on, true, time.Minute, true},
		{"stale, of this revision", tally{Revision: 2, Status: CheckStatus{EveryMS: 1000}}, on, true, time.Minute, false},
		{"fresh, of an older revision", tally{Revision: 1, Status: CheckStatus{EveryMS: 1000}}, on, false, time.Second, false},
		{"the agent is away", tally{Revision: 1, Status: CheckStatus{EveryMS: 1000}}, presence.Entry{State: presence.Offline, Revision: 2}, true, time.Hour, false},
		{"cron, an hour", tally{Revision: 1}, on, false, time.Hour, false},
		{"cron, two days", tally{Revision: 1}, on, false, 48 * time.Hour, true},
	} {
		if got := c.tally.gone(c.session, c.stale, c.quiet); got != c.gone {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestAnUpgradeThatTakesTooLongIsALoss(t *testing.T) {
	since := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	b := &box{session: presence.Entry{State: presence.Upgrading, Cause: "upgrade", Since: Time{Time: since}}}
	if a := b.describe(since.Add(upgradeWithin)); a.Presence != Upgrading || a.Cause != "upgrade" {
		t.Errorf("in time: %s %s", a.Presence, a.Cause)
	}
	if a := b.describe(since.Add(upgradeWithin + time.Second)); a.Presence != Offline || a.Cause != presence.Lost {
		t.Errorf("too late: %s %s", a.Presence, a.Cause)
	}
}
