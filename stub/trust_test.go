package main

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

// One verifier at a time, none while we stop, and again after six hours.
func TestAsk(t *testing.T) {
	st := newStage(t, healthy)
	st.settled()
	asked := st.proofs
	st.s.ask()
	st.s.ask()
	if st.proofs != asked+1 {
		t.Errorf("%d verifiers at a time", st.proofs-asked)
	}
	st.settle()
	st.s.looking.due = st.up + 24*time.Hour
	st.pass(6*time.Hour - tick - tick)
	if st.tick(); st.proofs != asked+1 {
		t.Error("asked again too soon")
	}
	st.pass(tick)
	if st.tick(); st.proofs != asked+2 {
		t.Error("not asked again")
	}
	st.s.stopping = true
	if st.s.ask(); st.proofs != asked+2 {
		t.Error("asked while stopping")
	}
}

// The clock is never behind what signed metadata proves to have passed.
func TestNowIsNotBehindWhatIsProved(t *testing.T) {
	st := newStage(t, healthy)
	for floor, want := range map[int64]int64{0: st.wall, st.wall - 1: st.wall, st.wall + 3600: st.wall + 3600} {
		st.s.record.TimeFloor = floor
		if got := st.s.now().Unix(); got != want {
			t.Errorf("floor %d: %d, want %d", floor, got, want)
		}
	}
}

// A verdict raises the floors, replaces the warnings of the one before, and names what the record names; one that was refused
// does nothing but warn.
func TestVerified(t *testing.T) {
	st := newStage(t, healthy)
	st.settled()
	record := func(n int) boot.Core { _, c := coreOfWorld(n); return c }
	named := map[uint64]string{1: "9.9.1"}
	if !maps.Equal(st.s.versions, named) {
		t.Fatalf("%v", st.s.versions)
	}
	r := boot.Record{Good: record(1), Previous: record(2), Factory: record(3), Trial: record(4), Floor: 1, TimeFloor: 100}
	other := record(5)
	verdictOn := verdict{floor: 2, issued: 200, warnings: []warning{{"stale", "old"}}, development: true, unconfined: "no landlock"}
	for _, c := range []boot.Core{r.Good, r.Previous, r.Factory, r.Trial, other} {
		verdictOn.cores = append(verdictOn.cores, signed{Core: c, version: "8." + counter(c), soak: 10 * uint16(c.Counter)})
	}
	refused := verdictOn
	refused.refused, refused.cores = "rollback x", nil

	st.s.record, st.s.asking, st.s.looking.dev = r, true, false
	st.s.looking.due = st.up + time.Hour
	st.s.verified(refused)
	if st.s.record != r || st.s.looking.dev || st.s.asking || st.s.looking.due != st.up+time.Hour {
		t.Errorf("refused: %+v", st.s.record)
	}
	if want := (warning{"metadata", "the stored metadata is refused: rollback x"}); len(st.s.alarms.list) != 1 || st.s.alarms.list[0] != want {
		t.Errorf("%v", st.s.alarms.list)
	}
	if told := st.s.core.told; !strings.HasSuffix(told, " warning=metadata") {
		t.Errorf("the core is told %q", told)
	}
	st.s.verified(verdictOn)
	if st.s.record.Floor != 2 || st.s.record.TimeFloor != 200 || !st.s.looking.dev || st.s.looking.due != st.up+lookFirstDev {
		t.Errorf("%+v, due in %v", st.s.record, st.s.looking.due-st.up)
	}
	for n := uint64(1); n <= 4; n++ {
		if st.s.versions[n] != "8."+string(rune('0'+n)) || st.s.soaks[n] != 10*uint16(n) {
			t.Errorf("release %d is %q, its soak %d s", n, st.s.versions[n], st.s.soaks[n])
		}
	}
	if st.s.versions[5] != "" || st.s.soaks[5] != 0 {
		t.Error("what the record does not name is kept in mind")
	}
	if got := st.s.alarms.list; len(got) != 2 || got[0].word != "stale" || got[1].word != "development" {
		t.Errorf("%v", got)
	}
	st.s.looking.due = st.up + time.Hour
	st.s.verified(verdictOn) // development as before: no reason to look
	if st.s.looking.due != st.up+time.Hour {
		t.Errorf("due in %v", st.s.looking.due-st.up)
	}
	if n := strings.Count(st.log.String(), `missing="no landlock"`); n != 1 {
		t.Errorf("what is not confined is said %d times", n)
	}
	plain := verdictOn
	plain.development = false
	st.s.looking.dev = false
	if st.s.verified(plain); st.s.looking.dev || st.s.looking.due != st.up+time.Hour {
		t.Error("taken for a development root")
	}
}

// A box without a record adopts the newest of the signed cores that lie there whole. Only where there was a record are pins and bars lost.
func TestAdopt(t *testing.T) {
	for name, tt := range map[string]struct {
		before func(st *stage)
		good   uint64
		lost   bool
	}{
		"the first record": {func(*stage) {}, 1, false},
		"a damaged one": {func(st *stage) {
			mustWorld(fsys.WriteNew(st.power, worldLayout.Record(0), make([]byte, 17), 0o644))
		}, 1, true},
		"no core": {func(st *stage) {
			_, one := coreOfWorld(1)
			mustWorld(st.power.Remove(worldLayout.CoreFile(1, hexOf(one.Hash))))
		}, 0, false},
		"no core, and a damaged one": {func(st *stage) {
			_, one := coreOfWorld(1)
			mustWorld(st.power.Remove(worldLayout.CoreFile(1, hexOf(one.Hash))))
			mustWorld(fsys.WriteNew(st.power, worldLayout.Record(0), make([]byte, 17), 0o644))
		}, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			st := openStage(t, story{releases: []nature{healthy, healthy}, fresh: true})
			st.do(func() {
				st.s.core, st.s.found, st.s.record, st.s.alarms.list = nil, false, boot.Record{}, nil
				for _, name := range records(worldLayout) { // it adopted one when it started
					mustWorld(st.power.Remove(name))
				}
				mustWorld(boot.Prepare(st.power, records(worldLayout)))
				tt.before(st)
				v := st.metadata()
				_, two := coreOfWorld(2) // listed, but not here
				v.cores = append([]signed{{Core: two, version: "9.9.2", channel: "stable", open: 100}}, v.cores...)
				v.floor, v.issued = 1, 50
				st.s.sectors, _, _ = boot.Load(st.disk(), records(st.Layout))
				st.s.adopt(v)
			})
			lost := false
			for _, w := range st.s.alarms.list {
				lost = lost || w == warning{"pins-lost", "the record was damaged and made anew: pins and bars are lost"}
			}
			if st.s.record.Good.Counter != tt.good || st.s.found != (tt.good > 0) || lost != tt.lost {
				t.Errorf("good is %d, found %v, lost %v", st.s.record.Good.Counter, st.s.found, lost)
			}
			if tt.good > 0 && (st.s.core == nil || st.s.record.Floor != 1 || st.s.record.TimeFloor != 50) {
				t.Errorf("%+v", st.s.record)
			}
			if tt.good == 0 && st.s.state != noCore {
				t.Errorf("state %s", st.s.state)
			}
		})
	}
}
