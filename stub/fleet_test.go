package main

import (
	"flag"
	"testing"
	"time"
)

var fleetSize = flag.Int("boxes", 0, "boxes in each simulated fleet; 0 = as many as there is time for in every `make test`")

// size is how many boxes a fleet has. The race detector makes each ten times as dear and has nothing to find in one goroutine:
// `make test` runs a fleet without it, too, and `make bench ONLY=fleet` one of 10,000.
func size() int {
	switch {
	case *fleetSize > 0:
		return *fleetSize
	case raced:
		return 20
	}
	return 200
}

// TestFleetFollowsTheWaves: over a whole rollout nobody takes a release up before its wave, and when the next one opens
// everybody in it has: exactly those that the published function names.
func TestFleetFollowsTheWaves(t *testing.T) {
	waves := []struct {
		at      time.Duration
		percent int
	}{{time.Hour, 1}, {2 * time.Hour, 10}, {3 * time.Hour, 50}, {4 * time.Hour, 100}}
	f := newRollout(t, size(), story{releases: []nature{healthy, healthy}},
		after(waves[0].at, 1), after(waves[1].at, 10), after(waves[2].at, 50), after(waves[3].at, 100))
	share := func() (percent int) {
		for _, w := range waves {
			if w.at <= f.now {
				percent = w.percent
			}
		}
		return percent
	}
	f.seen = func(b *member) {
		if b.took > 0 && b.took == f.now && b.place >= 100*share() {
			t.Errorf("box %d, place %d, took it up after %v, at %d %%", b.number, b.place, f.now, share())
		}
	}
	for i, w := range waves {
		end := w.at + time.Hour - time.Second
		if i == 0 {
			if f.run(w.at - time.Second); f.count(func(b *member) bool { return b.took > 0 }) > 0 {
				t.Error("taken up before any wave was open")
			}
		}
		f.run(end)
		in := 0
		for _, b := range f.boxes {
			want := b.place < 100*w.percent
			in += toInt(want)
			if (b.took > 0) != want || onNew(b) != want {
				t.Errorf("box %d, place %d, at the end of the wave of %d %%: took it after %v, %s", b.number, b.place, w.percent, b.took, b.standing())
			}
		}
		t.Logf("fleet: wave of %d %%: %d of %d boxes, exactly those of the published function", w.percent, in, len(f.boxes))
	}
	if n := f.count(func(b *member) bool { return isBarred(b) || isAside(b) || b.backs > 0 }); n > 0 || f.hub.stopped {
		t.Errorf("%d boxes went back from a good release, the hub stopped it: %v", n, f.hub.stopped)
	}
}

// TestFleetStopsABadRelease: in whatever way it is bad, it ends in the first wave, and costs nobody more than three trials.
func TestFleetStopsABadRelease(t *testing.T) {
	for _, bad := range []nature{dead, deadLater, deaf, hangs, breaks} {
		t.Run(bad.String(), func(t *testing.T) {
			// Of few boxes one percent is nobody.
			first := max(1, min(50, 10_000/size()))
			f := newRollout(t, size(), story{releases: []nature{healthy, bad}}, after(time.Hour, first), after(2*time.Hour, 50), after(3*time.Hour, 100))
			f.run(6 * time.Hour)
			wave := f.count(func(b *member) bool { return b.place < 100*first })
			took := f.count(func(b *member) bool { return b.took > 0 })
			outside := f.count(func(b *member) bool { return b.took > 0 && b.place >= 100*first })
			barred := f.count(isBarred)
			if !f.hub.stopped || f.hub.at > 2*time.Hour || outside > 0 {
				t.Errorf("stopped %v after %v, %d boxes outside the first wave took it up", f.hub.stopped, f.hub.at, outside)
			}
			if n := f.count(func(b *member) bool { return b.s.record.Good != oldCore || !b.s.record.Trial.None() }); n > 0 {
				t.Errorf("%d boxes do not run the old release at the end", n)
			}
			t.Logf("fleet: bad (%v): stopped %v after the first wave of %d boxes opened, when %d had tried it; in all %d took it up, %d barred it, none of %d others",
				bad, (f.hub.at - time.Hour).Round(time.Second), wave, f.hub.triedThen, took, barred, len(f.boxes)-wave)
		})
	}
}

// TestFleetThroughOutages: whatever is lost around a fleet while it soaks, nothing is rolled back, and in the end everybody runs the new release.
func TestFleetThroughOutages(t *testing.T) {
	for _, c := range []struct {
		name      string
		happening happening
		hit       func(b *member) bool // is it among those that are hit
		refused   bool                 // by the hub alone, the mirror answers
		lasts     time.Duration        // from the moment a box's trial takes over; 0 = for exactly the soak
		all       bool                 // for everybody at the same time, from when the release is out
		settles   time.Duration        // after the release is out
	}{
		{name: "half of all uplinks lost for the whole soak", happening: outage, hit: half, settles: time.Hour},
		{name: "the hub answers 429 or 503 to everyone for 30 minutes", hit: everybody, refused: true, lasts: 30 * time.Minute, all: true, settles: 2 * time.Hour},
		{name: "half of all uplinks lost for the whole soak, checks of the network too", happening: dark, hit: half, settles: 2 * time.Hour},
		{name: "half of all uplinks lost for an hour", happening: outage, hit: half, lasts: time.Hour, settles: 4 * time.Hour},
		{name: "the hub answers 429 or 503 to everyone for five hours", hit: everybody, refused: true, lasts: 5 * time.Hour, all: true, settles: 8 * time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newRollout(t, size(), story{releases: []nature{healthy, healthy}, happening: c.happening}, after(time.Hour, 100))
			ends, soaking := map[int]time.Duration{}, 0
			f.seen = func(b *member) {
				if !c.hit(b) {
					return
				}
				begins := b.s.phase() == "soak"
				if c.all {
					begins = f.now >= time.Hour
				}
				if end, hit := ends[b.number]; hit && f.now >= end {
					b.out, b.refused = false, false
					return
				} else if hit || !begins {
					return
				}
				lasts := c.lasts
				if lasts == 0 {
					lasts = soakOfFleet
				}
				if c.all {
					lasts -= f.now - time.Hour
				}
				soaking += toInt(b.s.phase() == "soak")
				ends[b.number] = f.now + lasts
				b.out, b.refused = !c.refused, c.refused
				b.due = min(b.due, f.now+lasts)
			}
			f.run(time.Hour + c.settles)
			barred, aside, behind := f.count(isBarred), f.count(isAside), f.count(func(b *member) bool { return !onNew(b) })
			backs := f.count(func(b *member) bool { return b.backs > 0 })
			if barred+aside+behind > 0 || f.hub.stopped {
				t.Errorf("%d boxes barred it, %d set it aside, %d do not run it, stopped %v", barred, aside, behind, f.hub.stopped)
			}
			if len(ends) == 0 {
				t.Error("nobody was hit")
			}
			t.Logf("fleet: %s: %d of %d boxes hit; rolled back 0, all run the new release; good took over meanwhile, to see, on %d", c.name, len(ends), len(f.boxes), backs)
		})
	}
}

func half(b *member) bool      { return b.number%2 == 0 }
func everybody(b *member) bool { return true }
