package agent

import (
	"fmt"
	"strconv"
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/schedule"
)

// lateFact is what it is called among the facts of an agent.
const lateFact = "behind"

// tellLate tells where more is due than is run.
func (a *agent) tellLate(load schedule.Load) {
	before := a.late.on
	kind, text := a.late.next(time.Now(), load)
	if kind == "" {
		return
	}
	if a.lock != nil { // keeping it may wait for the disk; the loop must not
		go a.event(kind, text, map[string]string{"passed_over": strconv.FormatUint(load.Missed, 10)})
	}
	a.log.Info("the schedule keeps up", "does", !a.late.on, "waiting", load.Queued, "passed_over", load.Missed)
	a.show()
	if before != a.late.on {
		now := cloneFacts(a.facts.Load())
		a.late.note(now.More)
		a.facts.Store(now)
		a.session.SendFacts()
	}
}

// behind is one time in which slots pass while their checks still wait for a place, as it is told: from the first until none did for a while. The zero value is rest.
type behind struct {
	on     bool
	began  uint64    // slots that had passed before it
	seen   uint64    // at the last look
	told   uint64    // when it was told last
	at     time.Time // of that
	rose   time.Time // when the last of them was seen
	queued int
}

// next takes in how the schedule does, and returns the event that the hub is to hear; "" = none.
func (b *behind) next(now time.Time, l schedule.Load) (kind, text string) {
	before := b.seen
	if b.seen, b.queued = l.Missed, l.Queued; l.Missed > before {
		b.rose = now
	}
	switch {
	case !b.on && l.Missed > before:
		b.on, b.began, b.told, b.at = true, before, l.Missed, now
		return "behind", b.text()
	case b.on && now.Sub(b.rose) >= tellShedEvery:
		b.on = false
		return "behind-over", fmt.Sprintf("every check gets a place in time again; %d slots passed meanwhile", l.Missed-b.began)
	case b.on && l.Missed > b.told && now.Sub(b.at) >= tellShedEvery:
		b.told, b.at = l.Missed, now
		return "behind", b.text()
	}
	return "", ""
}

func (b *behind) text() string {
	return fmt.Sprintf("more is due than this box runs: %d slots passed while their checks waited for a place, %d checks wait now (fewer checks, longer intervals, or more at once: limit.runs)", b.seen-b.began, b.queued)
}

// note puts it among an agent's facts.
func (b *behind) note(more map[string]string) {
	delete(more, lateFact)
	if b.on {
		more[lateFact] = "more is due than runs: slots are passed over"
	}
}
