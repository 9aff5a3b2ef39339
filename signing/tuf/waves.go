package tuf

import (
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// Cohorts is how many places a fleet is divided into.
const Cohorts = 10_000

// Cohort is the place of a box in a release's waves, 0 to Cohorts-1: the first four
// bytes, big endian, of SHA-256(fingerprint ":" version), modulo Cohorts. A box
// without a fingerprint ("") is last. Anybody can compute it, and with every version
// other boxes are first.
func Cohort(finger, version string) int {
	if finger == "" {
		return Cohorts - 1
	}
	sum := sha256.Sum256([]byte(finger + ":" + version))
	return int(binary.BigEndian.Uint32(sum[:4]) % Cohorts)
}

// Open is the share of the fleet, in percent, that waves are open to at a time. None
// at all are open to everybody.
func Open(waves []Wave, now time.Time) int {
	if len(waves) == 0 {
		return 100
	}
	percent := 0
	for _, w := range waves {
		if !w.From.After(now) {
			percent = w.Percent
		}
	}
	return percent
}

// Most is the largest share that waves ever open to as they stand, in percent: 0 is a
// release that its publisher paused.
func Most(waves []Wave) int {
	if len(waves) == 0 {
		return 100
	}
	return waves[len(waves)-1].Percent
}

// Within reports whether a cohort is in a share of so many percent.
func Within(cohort, percent int) bool { return cohort < percent*(Cohorts/100) }

// OpensTo is when the first wave opens that a cohort is in; false when there is none.
// Without waves it always was.
func OpensTo(waves []Wave, cohort int) (time.Time, bool) {
	if len(waves) == 0 {
		return time.Time{}, true
	}
	for _, w := range waves {
		if Within(cohort, w.Percent) {
			return w.From, true
		}
	}
	return time.Time{}, false
}
