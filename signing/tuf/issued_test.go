package tuf_test

import (
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// A box takes `issued` for a time that has passed. Whoever has the keys that sign every day may say any: one that is later than what people signed
// holds for is no proof, else boxes that saw it would take nothing more, whatever keys a new root names.
func TestAThiefDoesNotMoveTheTimePastWhatPeopleSigned(t *testing.T) {
	last := noon.Add(90 * day) // the first of root, targets and the channel to expire
	for name, tt := range map[string]struct {
		issued time.Time
		proof  bool
	}{
		"ten years on":              {noon.Add(3640 * day), false},
		"when the first expires":    {last, false},
		"right before":              {last.Add(-time.Second), true},
		"when it was signed indeed": {noon.Add(-time.Hour), true},
	} {
		m := newMirror(t)
		for _, role := range []string{"root", "targets", stable} {
			m.docs[role]["expires"] = last.Format(time.RFC3339)
		}
		for _, role := range []string{"timestamp", "snapshot"} {
			m.docs[role]["expires"] = noon.Add(3650 * day).Format(time.RFC3339)
		}
		m.docs["timestamp"]["issued"] = tt.issued.Format(time.RFC3339)
		m.seal()
		stored := m.refreshed()
		set, err := tuf.Offline(stored, folder)
		if err != nil {
			t.Fatal(err)
		}
		want := time.Time{}
		if tt.proof {
			want = tt.issued
		}
		if !set.Issued().Equal(want) {
			t.Errorf("%s: a box goes by %v", name, set.Issued())
		}
		if tt.proof {
			continue
		}
		m.rotate("timestamp", "timestamp2", 1)
		m.docs["timestamp"]["issued"] = noon.Format(time.RFC3339)
		m.docs["timestamp"]["expires"] = noon.Add(7 * day).Format(time.RFC3339)
		m.seal()
		if _, _, err := tuf.Refresh(stored, m.source, surely(stored, noon), folder); err != nil {
			t.Errorf("%s: new keys do not end it: %v", name, err)
		}
	}
}
