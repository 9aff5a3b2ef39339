package schedule

import (
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
)

// What decides about processor time. docs/care.md, "Processor time", has it for people.
const (
	// window is what may be used at once after a time of rest: the budget of so long. A short rush is nobody's concern.
	window = time.Minute
	// debt is the most that counts of what was used beyond it, so that recovery begins soon after what was too much has ended.
	debt = 10 * time.Second
	// raiseEvery and lowerEvery are the least time between two steps: as long as it takes to see what the one before did.
	raiseEvery = 15 * time.Second
	lowerEvery = time.Minute
	maxLevel   = 8
	// ahead is by how many levels checks of low importance are ahead of the others.
	ahead = 2
	// leastOften is the longest that a check is kept from running.
	leastOften = 16 * time.Minute
)

// budget is what the agent may use of the box's processors, and what it does about it: a bucket of processor time that fills at the rate of the budget.
// Each time it is found empty the level rises, each time it is found full again the level falls. It is a value: after is a pure function.
type budget struct {
	rate    float64 // processors; 0 = no limit
	balance time.Duration
	level   int
	changed time.Time     // when the level last did; zero: never
	at      time.Time     // when it was charged last; zero: never
	used    time.Duration // in all, then
	recent  float64       // processors used, averaged over about the window
}

// limited is the budget with another rate. What is owed stays owed.
func (b budget) limited(rate float64) budget {
	if rate == b.rate {
		return b
	}
	b.balance = of(rate, window)
	if rate <= 0 {
		b.level = 0
	}
	b.rate = rate
	return b
}

// after is the budget at now, when used is the processor time used in all.
func (b budget) after(now time.Time, used time.Duration) budget {
	elapsed, spent := now.Sub(b.at), max(0, used-b.used)
	first := b.at.IsZero()
	b.at, b.used = now, used
	if first || elapsed <= 0 {
		return b
	}
	b.recent += (spent.Seconds()/elapsed.Seconds() - b.recent) * min(1, elapsed.Seconds()/window.Seconds())
	if b.rate <= 0 {
		return b
	}
	full := of(b.rate, window)
	b.balance = min(full, max(b.balance+of(b.rate, elapsed)-spent, -of(b.rate, debt)))
	since := now.Sub(b.changed)
	switch {
	case b.balance <= 0 && spent > of(b.rate, elapsed) && b.level < maxLevel && (b.changed.IsZero() || since >= raiseEvery):
		b.level++
		b.changed = now
	case b.balance == full && b.level > 0 && since >= lowerEvery:
		b.level--
		b.changed = now
	}
	return b
}

// of is the processor time that a rate gives in d.
func of(rate float64, d time.Duration) time.Duration { return time.Duration(rate * float64(d)) }

// apart is how far apart runs of a check of this importance are at least; 0 = as it says.
func (b budget) apart(i check.Importance) time.Duration {
	level := b.level
	switch i {
	case check.High:
		return 0
	case check.Low:
	default:
		level -= ahead
	}
	if level <= 0 {
		return 0
	}
	return min(15*time.Second<<level, leastOften)
}
