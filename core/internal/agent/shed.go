package agent

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/schedule"
	"github.com/limpet-monitoring/limpet/platforms"
)

const (
	// defaultShare of all of the box's processors is what the agent with its plugins may use: a box that spends more than half of itself on being watched is no normal
	// one.
	defaultShare = 0.5
	// tellShedEvery is how often the hub hears of it while it goes on, and how long it must be over to be over.
	tellShedEvery = 10 * time.Minute
	// shedFact is what it is called among the facts of an agent.
	shedFact = "shedding"
)

// share is how many processors the agent with its plugins may use: the box file's word, else the hub's, else the default; 0 = all.
func share(owner, hub, processors int) float64 {
	switch {
	case owner < 0: // none
		return 0
	case owner > 0:
		return float64(owner) / 100
	case hub > 0:
		return float64(hub) / 100
	default:
		return defaultShare * float64(processors)
	}
}

// used is the processor time of this core and its plugins in all. Collectors are not in it: they have limits of their own.
func (a *agent) used() time.Duration {
	return platforms.ProcessorTime() + time.Duration(a.runs.spent.Load()) + a.slots.Used()
}

// charge has the schedule keep within the processor time that there is, and tells where it has to. An error: the schedule ends, or hangs.
func (a *agent) charge(ctx context.Context) error {
	may := share(a.box.Limit.CPU, a.set.CPU, runtime.NumCPU())
	load, err := a.plan.Charge(ctx, a.used(), may)
	if err != nil {
		return err
	}
	a.normalApart.Store(int64(load.Normal))
	a.lowApart.Store(int64(load.Low))
	before := a.shed.level
	kind, text := a.shed.next(time.Now(), load, may)
	if kind != "" && a.lock != nil { // keeping it may wait for the disk; the loop must not
		go a.event(kind, text, map[string]string{"level": strconv.Itoa(load.Level), "passed_over": strconv.FormatUint(load.Shed, 10)})
	}
	if before != a.shed.level {
		a.log.Info("processor time", "level", load.Level, "used", load.Used, "may", may, "passed_over", load.Shed)
		a.show()
		now := cloneFacts(a.facts.Load())
		a.shed.note(now.More)
		a.facts.Store(now)
		a.session.SendFacts()
	}
	a.tellLate(load)
	return nil
}

// shedding is one time in which slots are passed over for want of processor time, as it is told: from the first until there were none for a while. The zero value is rest.
type shedding struct {
	level  int // now
	on     bool
	began  uint64 // slots passed over before it
	told   uint64 // when it was told last
	at     time.Time
	rest   time.Time // since when every check runs as it says; meaningful while on
	apart  [2]time.Duration
	use    float64
	may    float64
	passed uint64
}

// next takes in how the schedule does, and returns the event that the hub is to hear; "" = none.
func (s *shedding) next(now time.Time, l schedule.Load, may float64) (kind, text string) {
	if s.level > 0 && l.Level == 0 {
		s.rest = now
	}
	s.level, s.apart, s.use, s.may, s.passed = l.Level, [2]time.Duration{l.Normal, l.Low}, l.Used, may, l.Shed
	switch {
	case !s.on && l.Level > 0:
		s.on, s.began, s.told, s.at = true, l.Shed, l.Shed, now
		return "shedding", s.text()
	case s.on && l.Level == 0 && now.Sub(s.rest) >= tellShedEvery:
		s.on = false
		return "shedding-over", fmt.Sprintf("every check runs as often as it says again; %d slots were passed over meanwhile", l.Shed-s.began)
	case s.on && l.Level > 0 && l.Shed > s.told && now.Sub(s.at) >= tellShedEvery:
		s.told, s.at = l.Shed, now
		return "shedding", s.text()
	}
	return "", ""
}

func (s *shedding) text() string {
	return fmt.Sprintf("the agent and its plugins use %.0f %% of one processor and may use %.0f %% (limit.cpu): %s; %d slots passed over", 100*s.use, 100*s.may, s.how(), s.passed-s.began)
}

// how says which checks run how often.
func (s *shedding) how() string {
	text := fmt.Sprintf("checks of low importance run every %s at most", s.apart[1])
	if s.apart[0] > 0 {
		text += fmt.Sprintf(", others every %s", s.apart[0])
	}
	return text
}

// note puts it among an agent's facts.
func (s *shedding) note(more map[string]string) {
	delete(more, shedFact)
	if s.level > 0 {
		more[shedFact] = s.how()
	}
}
