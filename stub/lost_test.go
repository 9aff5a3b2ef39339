package main

import (
	"testing"

	"github.com/limpet-monitoring/limpet/updater/boot"
)

// A box that lost its record and all its cores begins with nothing that the publisher lets nobody install any more; and where no wave is open to it,
// or the mirror holds the release back, it takes the newest all the same: it is not left without a core.
func TestABoxThatLostAllItsCores(t *testing.T) {
	one, two := listed(1, "1"), listed(2, "2")
	closed, held := two, two
	closed.open, held.held = 0, true
	floor := func(n uint64) boot.Record { return boot.Record{Floor: n} }
	stable, pin := boot.Wish{Channel: "stable"}, boot.Wish{Channel: "stable", PinSet: true, Pin: "1"}
	for name, tt := range map[string]struct {
		in   situation
		pick uint64
		word string
	}{
		"the next one is open":                    {situation{wish: stable, cores: []signed{closed, one}}, 1, "wave"},
		"the next one is below the floor":         {situation{record: floor(2), wish: stable, cores: []signed{closed, one}}, 2, ""},
		"the only one is not open yet":            {situation{wish: stable, cores: []signed{closed}}, 2, ""},
		"the only one is held back by the mirror": {situation{wish: stable, cores: []signed{held}}, 2, ""},
		"all are below the floor":                 {situation{record: floor(3), wish: stable, cores: []signed{two, one}}, 0, "below-floor"},
		"pinned":                                  {situation{record: floor(1), wish: pin, cores: []signed{two, one}}, 1, ""},
		"pinned to one below the floor":           {situation{record: floor(2), wish: pin, cores: []signed{two, one}}, 0, "below-floor"},
	} {
		c := choose(tt.in)
		if c.pick != (tt.pick != 0) || c.core.Counter != tt.pick || c.pick && !c.pending || c.word != tt.word || c.newest.Hash != tt.in.cores[0].Hash {
			t.Errorf("%s: %+v", name, c)
		}
	}
}
