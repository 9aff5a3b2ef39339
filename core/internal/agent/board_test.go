package agent

import (
	"testing"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/config"
	"github.com/limpet-monitoring/limpet/core/internal/schedule"
)

func TestBits(t *testing.T) {
	a, c := check.Check{Name: "alpha"}, check.Check{Name: "gamma"}
	if slot(a.Name) == slot(c.Name) || slot(a.Name) < firstSlot || slot(a.Name) > 63 {
		t.Fatalf("the example needs two slots: %d, %d", slot(a.Name), slot(c.Name))
	}
	bitA, bitC := uint64(1)<<slot(a.Name), uint64(1)<<slot(c.Name)
	var b board
	if bitmap, mask := b.bits([]check.Check{a, c}); bitmap != 0 || mask != 0 {
		t.Errorf("nothing has run: %x %x", bitmap, mask)
	}
	b.put(check.Result{Check: "alpha", State: check.Critical})
	b.put(check.Result{Check: "gamma", State: check.Unknown})
	bitmap, mask := b.bits([]check.Check{a, c})
	if bitmap != bitA || mask != bitA|bitC {
		t.Errorf("got %x %x, want %x %x: CRITICAL holds, UNKNOWN does not", bitmap, mask, bitA, bitA|bitC)
	}
	b.keep([]check.Check{a})
	if bitmap, mask := b.bits([]check.Check{a}); bitmap != bitA || mask != bitA {
		t.Errorf("after gamma went: %x %x", bitmap, mask)
	}
}

// What another core knew is shown, and judges nobody; what a newer revision touched neither, until the baseline is taken anew.
func TestBitsLeaveOutWhatSaysNothingOfThisCore(t *testing.T) {
	a, c := check.Check{Name: "alpha"}, check.Check{Name: "gamma"}
	checks := []check.Check{a, c}
	bitA, bitC := uint64(1)<<slot(a.Name), uint64(1)<<slot(c.Name)
	var b board
	b.put(check.Result{Check: "gamma", State: check.OK, Text: "own"})
	b.inherit([]check.Result{{Check: "alpha", State: check.Warning, Text: "handed"}, {Check: "gamma", State: check.Critical}, {Check: "gone"}}, checks)
	if rs := b.results(); len(rs) != 2 || rs[0].Text != "handed" || rs[1].Text != "own" {
		t.Errorf("results %+v", rs)
	}
	if bitmap, mask := b.bits(checks); bitmap != bitC || mask != bitC {
		t.Errorf("handed over: %x %x, want %x", bitmap, mask, bitC)
	}
	b.put(check.Result{Check: "alpha", State: check.OK})
	if _, mask := b.bits(checks); mask != bitA|bitC {
		t.Errorf("after its own run: mask %x, want %x", mask, bitA|bitC)
	}
	b.touch(config.Changes{Changed: []string{"gamma"}})
	if _, mask := b.bits(checks); mask != bitA {
		t.Errorf("touched: mask %x, want %x", mask, bitA)
	}
	b.untouch()
	if _, mask := b.bits(checks); mask != bitA|bitC {
		t.Errorf("baseline taken anew: mask %x, want %x", mask, bitA|bitC)
	}
}

func TestStatusesWorstFirst(t *testing.T) {
	var b board
	var entries []schedule.Entry
	for name, state := range map[string]check.State{"a": check.OK, "b": check.Critical, "c": check.Warning, "d": check.Unknown} {
		entries = append(entries, schedule.Entry{Check: check.Check{Name: name, Builtin: "x"}})
		b.put(check.Result{Check: name, State: state})
	}
	entries = append(entries, schedule.Entry{Check: check.Check{Name: "e", Plugin: "check_e"}})
	var got string
	for _, s := range b.statuses(entries) {
		got += s.Name
	}
	if got != "bdcea" {
		t.Errorf("order %q, want bdcea", got)
	}
}
