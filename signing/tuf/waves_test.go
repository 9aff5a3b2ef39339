package tuf

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"
)

// The numbers were computed by another program, in another language.
func TestCohortIsThePublishedFunction(t *testing.T) {
	for _, c := range []struct {
		finger, version string
		want            int
	}{
		{strings.Repeat("0", 63) + "1", "0.2.0", 5351},
		{strings.Repeat("ab", 32), "0.2.0", 845},
		{strings.Repeat("ab", 32), "0.3.0", 1779},
		{strings.Repeat("ff", 32), "1.0.0-rc.1", 8554},
		{"", "0.2.0", 9999},
	} {
		if got := Cohort(c.finger, c.version); got != c.want {
			t.Errorf("%s of %s: cohort %d, want %d", c.version, c.finger, got, c.want)
		}
	}
}

// Ten thousand boxes over a whole rollout, second by second where something changes:
// the set of each wave is exactly the set that the published definition gives, worked
// out here from the definition and not from the code.
func TestEachWaveIsExactlyItsSet(t *testing.T) {
	const boxes = 10_000
	begin := time.Date(2030, 5, 1, 12, 0, 0, 0, time.UTC)
	waves := []Wave{{begin, 1}, {begin.Add(time.Hour), 10}, {begin.Add(7 * time.Hour), 50}, {begin.Add(31 * time.Hour), 100}}
	places := map[string]uint32{}
	for i := range boxes {
		sum := sha256.Sum256(fmt.Append(nil, i))
		finger := hex.EncodeToString(sum[:])
		mix := sha256.Sum256([]byte(finger + ":0.2.0"))
		places[finger] = binary.BigEndian.Uint32(mix[:]) % 10_000
	}
	for _, step := range []struct {
		at   time.Time
		upTo uint32 // places below it are in
	}{
		{begin.Add(-time.Second), 0}, {begin, 100}, {waves[1].From.Add(-time.Second), 100}, {waves[1].From, 1000},
		{waves[2].From.Add(-time.Second), 1000}, {waves[2].From, 5000}, {waves[3].From.Add(-time.Second), 5000}, {waves[3].From, 10_000},
	} {
		in := 0
		for finger, place := range places {
			got := Within(Cohort(finger, "0.2.0"), Open(waves, step.at))
			if got != (place < step.upTo) {
				t.Fatalf("%s at %s: in %v, its place is %d of %d", finger, step.at, got, place, step.upTo)
			}
			opens, some := OpensTo(waves, int(place))
			if !some || got != !opens.After(step.at) {
				t.Fatalf("%s at %s: in %v, and its wave opens %s", finger, step.at, got, opens)
			}
			if got {
				in++
			}
		}
		if want := int(step.upTo); in < want-boxes/100 || in > want+boxes/100 {
			t.Errorf("at %s %d boxes are in, about %d should be", step.at, in, want)
		}
	}
}

func TestOpen(t *testing.T) {
	at := time.Date(2030, 5, 1, 12, 0, 0, 0, time.UTC)
	if Open(nil, at) != 100 {
		t.Error("no waves are not open to all")
	}
	if opens, ok := OpensTo(nil, 9999); !ok || !opens.IsZero() {
		t.Error("no waves open at some time")
	}
	if _, ok := OpensTo([]Wave{{at, 50}}, 5000); ok {
		t.Error("cohort 5000 is in the first half")
	}
	if !Within(4999, 50) || Within(5000, 50) || Within(0, 0) || !Within(9999, 100) {
		t.Error("the share of a wave is not its cohorts")
	}
}

func TestMostOfWaves(t *testing.T) {
	begin := time.Date(2030, 5, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		waves []Wave
		want  int
	}{
		{nil, 100}, // open to everybody
		{[]Wave{{begin, 0}}, 0},
		{[]Wave{{begin, 1}, {begin.Add(time.Hour), 30}}, 30},
		{[]Wave{{begin, 1}, {begin.Add(time.Hour), 30}, {begin.Add(2 * time.Hour), 0}}, 0}, // paused
	} {
		if got := Most(c.waves); got != c.want {
			t.Errorf("%v: %d %%, want %d", c.waves, got, c.want)
		}
	}
}
