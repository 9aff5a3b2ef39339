package agent

import (
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/schedule"
)

// An hour in which checks wait too long now and then is one story: a beginning, a word every ten minutes while slots pass, an end when none did for long.
func TestBeingBehindIsToldAsOneStory(t *testing.T) {
	begin := time.Now()
	b := behind{seen: 7} // of a time before, which is not told again
	l := schedule.Load{Missed: 7}
	var told []string
	for m := range 120 {
		l.Queued = 0
		if m >= 10 && m < 70 && m%4 != 0 {
			l.Missed, l.Queued = l.Missed+10, 5
		}
		kind, text := b.next(begin.Add(time.Duration(m)*time.Minute), l)
		if kind != "" {
			told = append(told, kind)
		}
		more := map[string]string{"phase": "idle"}
		b.note(more)
		if on := m >= 10 && m < 79; on != (more[lateFact] != "") || len(more) > 2 {
			t.Fatalf("minute %d: facts %v", m, more)
		}
		if m == 10 && !strings.Contains(text, "10 slots passed while their checks waited for a place, 5 checks wait now") {
			t.Errorf("minute %d: %s", m, text)
		}
		if kind == "behind-over" && !strings.Contains(text, "; 450 slots passed") {
			t.Errorf("minute %d: %s", m, text)
		}
	}
	if got := strings.Join(told, " "); got != "behind behind behind behind behind behind behind behind-over" {
		t.Errorf("told: %s", got)
	}
}
