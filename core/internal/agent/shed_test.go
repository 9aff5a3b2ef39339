package agent

import (
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/schedule"
)

func TestWhoseWordOnProcessorTimeCounts(t *testing.T) {
	for _, tt := range []struct {
		name           string
		owner, hub, of int
		want           float64
	}{
		{"nobody's: half of the box", 0, 0, 4, 2},
		{"the hub's", 0, 30, 4, 0.3},
		{"the owner's before it", 150, 30, 4, 1.5},
		{"none, says the owner", -1, 30, 4, 0},
	} {
		if got := share(tt.owner, tt.hub, tt.of); got != tt.want {
			t.Errorf("%s: %g, want %g", tt.name, got, tt.want)
		}
	}
}

// An hour of shedding that comes and goes is one story: a beginning, a word every ten minutes while slots are passed over, an end when it has been over for long.
func TestSheddingIsToldAsOneStory(t *testing.T) {
	begin := time.Now()
	var s shedding
	var told []string
	shed := uint64(7) // of a time before, which is not told again
	for m := range 120 {
		l := schedule.Load{Used: 0.5, Shed: shed}
		if m >= 10 && m < 70 && m%4 != 0 {
			l.Level, l.Low, l.Normal = 3, 2*time.Minute, 30*time.Second
			shed += 10
			l.Shed = shed
		}
		kind, text := s.next(begin.Add(time.Duration(m)*time.Minute), l, 0.1)
		if kind != "" {
			told = append(told, kind)
		}
		more := map[string]string{"phase": "idle"}
		s.note(more)
		if (l.Level > 0) != (more[shedFact] != "") || len(more) > 2 {
			t.Fatalf("minute %d: facts %v", m, more)
		}
		if kind == "shedding" && !strings.Contains(text, "use 50 % of one processor and may use 10 % (limit.cpu): checks of low importance run every 2m0s at most, others every 30s") {
			t.Errorf("minute %d: %s", m, text)
		}
		if kind == "shedding-over" && !strings.Contains(text, "; 440 slots were passed over") {
			t.Errorf("minute %d: %s", m, text)
		}
	}
	if got := strings.Join(told, " "); got != "shedding shedding shedding shedding shedding shedding shedding-over" {
		t.Errorf("told: %s", got)
	}
}
