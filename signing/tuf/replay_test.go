package tuf_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// state is a repository as it once was.
type state struct {
	files   map[string][]byte
	at      time.Time
	counter uint64 // of its newest core
}

func (s state) source(name string, limit int64) ([]byte, error) {
	data, ok := s.files[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return data[:min(int64(len(data)), limit+1)], nil
}

// history is a year of a repository: a release a month, refreshed on a Monday, with each
// key changed on the way.
func history(t *testing.T) []state {
	m := newMirror(t)
	var all []state
	for month := range 12 {
		now := noon.AddDate(0, month, 0)
		switch month {
		case 3:
			m.rotate("timestamp", "timestamp2", 1)
		case 5:
			m.rotate("snapshot", "snapshot2", 1)
		case 7:
			m.rotate("targets", "targets2", 1)
		case 9:
			m.nextRoot()
			maps.Copy(at(m.docs["root"], "keys"), keys("new1", "new2"))
			at(m.docs["root"], "roles")["root"] = role(2, "new1", "new2")
			m.signers["root"] = []string{"root2", "root3", "new1", "new2"}
		}
		version := fmt.Sprintf("1.%d.0", month)
		at(m.docs[stable], "targets")[folder+version+"/limpet-core"] = fileOf(version, customOf(version, 2+month))
		for name, life := range map[string]time.Duration{"root": 365 * day, "targets": 90 * day, stable: 90 * day, "snapshot": 14 * day, "timestamp": 7 * day} {
			m.docs[name]["expires"] = now.Add(life).Format(time.RFC3339)
		}
		if month > 0 {
			m.bump("targets", stable)
			if _, ok := m.files[fmt.Sprintf("%d.root.json", m.version("root"))]; ok {
				m.nextRoot() // another expiry is another root
				if month > 9 {
					m.signers["root"] = []string{"new1", "new2"}
				}
			}
		}
		m.docs["timestamp"]["issued"] = now.Format(time.RFC3339)
		m.seal()
		all = append(all, state{maps.Clone(m.files), now, uint64(2 + month)})
	}
	return all
}

// seen is what somebody has stored who looked at a state in its time.
func (s state) seen(t *testing.T, stored tuf.Stored) tuf.Stored {
	t.Helper()
	set, after, err := tuf.Refresh(stored, s.source, s.at, folder)
	if err != nil {
		t.Fatal(err)
	}
	if cores, _ := set.Cores("stable", "linux-amd64"); cores[0].Counter != s.counter {
		t.Fatalf("newest core %d, want %d", cores[0].Counter, s.counter)
	}
	return after
}

// recovers shows an honest mirror to somebody who was attacked.
func recovers(t *testing.T, stored tuf.Stored, newest state) {
	t.Helper()
	if _, _, err := tuf.Refresh(stored, newest.source, newest.at, folder); err != nil {
		t.Errorf("cannot update afterwards: %v", err)
	}
}

// clocks are what a box may believe the time to be.
var clocks = map[string]func(now time.Time) time.Time{
	"right":          func(now time.Time) time.Time { return now },
	"ten years back": func(now time.Time) time.Time { return now.AddDate(-10, 0, 0) },
	"ten years on":   func(now time.Time) time.Time { return now.AddDate(10, 0, 0) },
}

// surely is the time that a box goes by: its clock, but not before what it has proof of.
func surely(stored tuf.Stored, clock time.Time) time.Time {
	if set, err := tuf.Offline(stored, folder); err == nil && set.Issued().After(clock) {
		return set.Issued()
	}
	return clock
}

// Every earlier state of the repository, replayed to everybody who has seen a later one,
// whatever their clock says: nothing older is ever believed, and the next honest look
// updates.
func TestReplayOfEveryEarlierState(t *testing.T) {
	all := history(t)
	newest := all[len(all)-1]
	stored := tuf.Stored{"root.json": all[0].files["1.root.json"]}
	for i, now := range all {
		stored = now.seen(t, stored)
		for j, old := range all[:i] {
			for name, clock := range clocks {
				set, after, err := tuf.Refresh(stored, old.source, surely(stored, clock(now.at)), folder)
				if err == nil || set != nil {
					t.Errorf("month %d replayed in month %d, clock %s: believed", j, i, name)
				}
				if kind, _ := kindOf(t, err); kind != tuf.Rollback && kind != tuf.Unsigned && kind != tuf.Expired {
					t.Errorf("month %d replayed in month %d, clock %s: %v", j, i, name, err)
				}
				if offline, err := tuf.Offline(after, folder); err != nil || offline.Issued().Before(now.at) {
					t.Errorf("month %d replayed in month %d, clock %s: what is left: %v", j, i, name, err)
				}
				recovers(t, after, newest)
			}
		}
	}
}

// Files of any states together (mix and match): believed is only what is no older than
// what was seen.
func TestMixtureOfStates(t *testing.T) {
	all := history(t)
	newest := all[len(all)-1]
	random := rand.New(rand.NewPCG(1, 2))
	for range 400 {
		seen := 1 + random.IntN(len(all)-1)
		stored := all[seen].seen(t, tuf.Stored{"root.json": all[0].files["1.root.json"]})
		mixed := state{files: map[string][]byte{}}
		for name := range newest.files {
			if from := all[random.IntN(len(all))].files; from[name] != nil && random.IntN(8) > 0 {
				mixed.files[name] = from[name]
			}
		}
		set, after, err := tuf.Refresh(stored, mixed.source, surely(stored, all[seen].at), folder)
		if err == nil && set.Issued().Before(all[seen].at) {
			t.Error("an older timestamp is believed")
		}
		if err == nil {
			if cores, _ := set.Cores("stable", "linux-amd64"); cores[0].Counter < all[seen].counter {
				t.Errorf("newest core %d, was %d", cores[0].Counter, all[seen].counter)
			}
		}
		recovers(t, after, newest)
	}
}

// A clock ten years off either way: behind, updates go on, and the time that a timestamp
// proves is the floor; ahead, nothing is updated, what is stored is believed as ever, and
// the right time updates again.
func TestClocks(t *testing.T) {
	all := history(t)
	first := tuf.Stored{"root.json": all[0].files["1.root.json"]}
	stored := all[3].seen(t, first)

	_, after, err := tuf.Refresh(stored, all[4].source, surely(stored, all[4].at.AddDate(-10, 0, 0)), folder)
	if err != nil || !bytes.Equal(after["timestamp.json"], all[4].files["timestamp.json"]) {
		t.Errorf("clock behind: %v", err)
	}
	// The floor: what had expired by the time of the newest timestamp is expired.
	_, _, err = tuf.Refresh(tuf.Stored{"root.json": after["root.json"]}, all[3].source, surely(after, time.Unix(0, 0)), folder)
	if kind, where := kindOf(t, err); kind != tuf.Expired || where != "timestamp" {
		t.Errorf("clock behind, an expired timestamp: %v", err)
	}

	ahead := all[4].at.AddDate(10, 0, 0)
	set, after, err := tuf.Refresh(stored, all[4].source, surely(stored, ahead), folder)
	if kind, where := kindOf(t, err); kind != tuf.Expired || where != "root" || set != nil {
		t.Errorf("clock ahead: %v", err)
	}
	if _, err := tuf.Offline(after, folder); err != nil {
		t.Errorf("clock ahead, what is stored: %v", err)
	}
	recovers(t, after, all[4])
	// The time is asked for once: a clock that jumps on the way changes nothing, because
	// Refresh has none. A moment before the end is good, the end is not.
	end := all[4].at.Add(7 * day)
	if _, _, err := tuf.Refresh(stored, all[4].source, end.Add(-1), folder); err != nil {
		t.Errorf("a moment before it expires: %v", err)
	}
	if _, _, err := tuf.Refresh(stored, all[4].source, end, folder); err == nil {
		t.Error("accepted in the moment it expires")
	}
}
