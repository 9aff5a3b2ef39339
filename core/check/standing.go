package check

import (
	"fmt"
	"math/bits"
	"time"
)

// DefaultAttempts is how many results in a row make a problem hard where a check does not say.
const DefaultAttempts = 1

// Standing is where a check stands after its results: what one result alone does not say. The zero value is a check that has had none.
//
// A problem is soft until it has been seen Attempts times in a row, whatever kind of problem each time; then it is hard, and stays so while it lasts. OK
// is hard at once. (Nagios, "State Types".)
type Standing struct {
	State     State
	Attempt   int       // of Attempts: 1 for OK and for a problem seen first; 0 = no result yet
	Attempts  int       // as the check says
	Hard      State     // the last state that was hard
	Since     time.Time // wall time: start of the first result in State
	HardSince time.Time // the same of Hard
	Flapping  bool
	Percent   float64 // weighted changes of state, see Flap
	history   uint64  // the states that flap detection looks at, two bits each, the newest lowest
}

// IsHard says whether the state has been seen often enough to be acted upon.
func (s Standing) IsHard() bool { return s.Attempt > 0 && (s.State == OK || s.Attempt >= s.Attempts) }

// Flap says when a check flaps, in percent of weighted change. Zero fields are Nagios' own: it begins at 20, and ends at 5. Off: it never does.
type Flap struct {
	Off       bool
	Low, High float64
}

// What Nagios has by default.
const (
	flapLow  = 5.0
	flapHigh = 20.0
	// flapResults is how many results are looked at; between them lie flapResults-1 possible changes.
	flapResults = 21
)

func (f Flap) thresholds() (low, high float64) {
	low, high = f.Low, f.High
	if high == 0 {
		high = flapHigh
	}
	if low == 0 {
		low = min(flapLow, high)
	}
	return low, high
}

func (f Flap) validate() error {
	low, high := f.thresholds()
	if !(low >= 0 && low <= high && high <= 100) {
		return fmt.Errorf("flap from %g to %g percent: 0 to 100, the lower one first", f.Low, f.High)
	}
	return nil
}

// After is the standing after one more result of a check. It depends on nothing else, so whoever has the same results in the same order
// comes to the same standing.
func (s Standing) After(c Check, state State, start time.Time) Standing {
	s.Attempts = max(c.Attempts, DefaultAttempts)
	switch {
	case state == OK:
		s.Attempt = 1
	case s.Attempt == 0 || s.State == OK:
		s.Attempt = 1
	case s.Attempt < s.Attempts:
		s.Attempt++
	default:
		s.Attempt = s.Attempts // hard, and stays so; also where the check asks for fewer than before
	}
	if s.Since.IsZero() || state != s.State {
		s.Since = start
	}
	s.State = state
	if s.IsHard() && (s.HardSince.IsZero() || s.Hard != state) {
		s.Hard, s.HardSince = state, start
	}
	if s.IsHard() { // a soft problem may be nothing, so it is no change either
		s.history = (s.history<<2 | uint64(state&3)) & (1<<(2*flapResults) - 1)
	}
	s.flap(c.Flap)
	return s
}

// flap is Nagios' algorithm: of the last 21 results that were OK or hard, OK where there were fewer, the 20 steps between them are looked at. A
// step that changes the state weighs from 0.75 (the oldest) to 1.25 (the newest), evenly rising; the sum over 20 is the percentage. Flapping begins
// at the upper threshold and ends at the lower one.
func (s *Standing) flap(f Flap) {
	s.Percent = s.changed()
	low, high := f.thresholds()
	switch {
	case f.Off:
		s.Flapping = false
	case s.Percent >= high:
		s.Flapping = true
	case s.Percent <= low:
		s.Flapping = false
	}
}

func (s *Standing) changed() float64 {
	const steps = flapResults - 1
	differ := s.history ^ s.history>>2
	differ = (differ | differ>>1) & 0x5555555555 // one bit for each of the 20 steps, the newest lowest
	sum := 0.0
	for ; differ != 0; differ &= differ - 1 {
		age := bits.TrailingZeros64(differ) / 2 // 0 for the newest step
		sum += 1.25 - 0.5*float64(age)/(steps-1)
	}
	return sum / steps * 100
}

// Flaps is what flap detection goes on with: the states it looks at, the newest last, as digits 0 to 3.
func (s Standing) Flaps() string {
	var digits [flapResults]byte
	for i := range digits {
		digits[flapResults-1-i] = '0' + byte(s.history>>(2*i)&3)
	}
	return string(digits[:])
}

// WithFlaps is the standing with what Flaps returned; false where it cannot be that.
func (s Standing) WithFlaps(digits string) (Standing, bool) {
	if len(digits) != flapResults {
		return s, false
	}
	s.history = 0
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '3' {
			return s, false
		}
		s.history = s.history<<2 | uint64(digits[i]-'0')
	}
	s.Percent = s.changed()
	return s, true
}
