package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

// Rules of a swap and of the soak after it (SWAP §4 and §5).
const (
	settleTime   = 60 * time.Second                // good has been ready for so long before a trial starts, or the soak if shorter
	handTime     = 5 * time.Second                 // from `drain` to `handover`
	drainTime    = 10*time.Minute + 30*time.Second // the longest timeout of a check, and grace
	drainGrace   = 30 * time.Second                // beyond what a core said that it needs
	breakTime    = 5 * time.Second                 // what broke and comes back sooner is forgiven
	sessionTime  = 10 * time.Minute                // a soak is prolonged by so much while only the session is missing
	judgeTime    = 10 * time.Minute                // in which what broke must hold again under good, to be a verdict
	sessionAge   = time.Hour                       // a session of good younger than this is part of the baseline
	verdictAge   = 10 * time.Minute                // good is demoted for three verdicts within this
	holderTime   = 10 * time.Second                // a foreign holder of state/lock has from the start of good on
	firstTryWait = 10 * time.Second                // between two starts of a trial; doubles
	mostTryWait  = 10 * time.Minute

	scheduleBit = 1 << 1
	sessionBit  = 1 << 3
	basicBits   = 1<<0 | scheduleBit // config and schedule
)

// soak follows an activated trial, from when it schedules on. It holds no clock: time comes in by pass.
type soak struct {
	need, done time.Duration
	begun      bool
	waiting    time.Duration // for which it has been activated and does not schedule
	breaking   time.Duration // for which something has been broken
	alone      time.Duration // for which only the session was missing after need
}

// outcome is what a soak came to.
type outcome int

const (
	soaking outcome = iota
	soaked
	broke
	idle // it never began to schedule
)

// pass lets time pass with the baseline and what the trial says holds and is judged, and returns what
// broke where it did. quiet is the time since its last `alive`: one from after the soak's end is
// awaited, since a core that hung meanwhile still has its last `checks` to show.
func (s *soak) pass(elapsed, quiet time.Duration, baseline, holds, judged uint64) (outcome, uint64) {
	if s.begun = s.begun || holds&judged&scheduleBit != 0; !s.begun {
		if s.waiting += elapsed; s.waiting >= aliveTime {
			return idle, 0
		}
		return soaking, 0
	}
	s.done += elapsed
	over := s.done >= s.need
	broken := baseline & judged &^ holds
	if hard := broken &^ sessionBit; hard == 0 {
		s.breaking = 0
	} else if s.breaking += elapsed; over || s.breaking >= breakTime {
		return broke, broken
	}
	switch {
	case !over:
		return soaking, 0
	case broken == 0:
		if quiet <= s.done-s.need {
			return soaked, 0
		}
		return soaking, 0
	}
	if s.alone += elapsed; s.alone >= sessionTime {
		return broke, broken
	}
	return soaking, 0
}

// judge waits, after a trial broke something, whether that holds again under good.
type judge struct {
	broken uint64
	left   time.Duration
}

// pass reports whether the wait is over, and then whether it was the trial.
func (j *judge) pass(elapsed time.Duration, holds, judged uint64) (over, guilty bool) {
	j.left -= elapsed
	guilty = j.broken&judged&holds == j.broken
	return guilty || j.left <= 0, guilty
}

// verdictOf is what the end of a core is held against it for, 0 for nothing. killed is why we ended it, "" when we
// did not.
func verdictOf(killed string, exit platforms.Exit) boot.Reason {
	switch killed {
	case "hang", "not-ready", "flood":
		return boot.Hung
	case "":
	default:
		return 0
	}
	switch exit.Signal {
	case 0:
		if exit.Code != 0 { // 0: somebody asked it to end
			return boot.Exited
		}
	case 4, 5, 6, 7, 8, 10, 11, 12, 31: // ILL TRAP ABRT BUS FPE … SEGV SYS: its own doing
		return boot.Exited
	}
	return 0 // killed by somebody else
}

// parseChecks reads the two numbers of a `checks` line.
func parseChecks(rest string) (holds, judged uint64, ok bool) {
	f := strings.Fields(rest)
	if len(f) < 2 {
		return
	}
	holds, err1 := strconv.ParseUint(f[0], 16, 64)
	judged, err2 := strconv.ParseUint(f[1], 16, 64)
	return holds, judged, err1 == nil && err2 == nil
}

// tryWait is the time between two starts of a trial, the first of which was the n-th.
func tryWait(n uint8, soak time.Duration) time.Duration {
	wait := min(firstTryWait, soak)
	for ; n > 1; n-- {
		wait = min(2*wait, mostTryWait)
	}
	return wait
}
