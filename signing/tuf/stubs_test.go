package tuf_test

import (
	"slices"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/signing/tuf"
)

func TestPairsOfTheStub(t *testing.T) {
	m := newMirror(t)
	list := obj{"other/thing": fileOf("x", nil)}
	for _, path := range []string{
		tuf.StubPath("linux-arm64", "1.0.0", "limpet"), tuf.StubPath("linux-arm64", "1.0.0", "limpet-fetch"),
		tuf.StubPath("linux-arm64", "1.9.0", "limpet"), tuf.StubPath("linux-arm64", "1.9.0", "limpet-fetch"),
		tuf.StubPath("linux-amd64", "1.9.0", "limpet"), tuf.StubPath("linux-amd64", "1.9.0", "limpet-fetch"),
		tuf.StubPath("linux-amd64", "1.10.0", "limpet"), tuf.StubPath("linux-amd64", "1.10.0", "limpet-fetch"),
		tuf.StubPath("linux-amd64", "1.10.0", "notes"), // neither
		tuf.StubPath("linux-amd64", "1.10.0-rc1", "limpet"), tuf.StubPath("linux-amd64", "1.10.0-rc1", "limpet-fetch"),
		tuf.StubPath("linux-amd64", "2.0.0", "limpet"),       // half
		tuf.StubPath("linux-amd64", "3.0.0", "limpet-fetch"), // half
		"stub/linux-amd64/limpet", "stub/linux-amd64/limpet-fetch",
		"stub/linux-amd64/4.0.0/limpet/more", "stub/linux-amd64/4.0.0/limpet-fetch/more",
	} {
		list[path] = fileOf(path, nil)
	}
	m.docs["targets"]["targets"] = list
	m.seal()
	pairs, err := m.open().Pairs()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range pairs {
		got = append(got, p.Platform+" "+p.Version)
		if p.Limpet.Path != tuf.StubPath(p.Platform, p.Version, "limpet") || p.Fetch.Path != tuf.StubPath(p.Platform, p.Version, "limpet-fetch") || p.Limpet.Length == 0 {
			t.Errorf("%s %s: %+v, %+v", p.Platform, p.Version, p.Limpet, p.Fetch)
		}
	}
	if want := []string{"linux-amd64 1.10.0", "linux-amd64 1.10.0-rc1", "linux-amd64 1.9.0", "linux-arm64 1.9.0", "linux-arm64 1.0.0"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestPairsOfAFolderThatHasNoList(t *testing.T) {
	m := newMirror(t)
	m.docs["targets"]["targets"] = obj{"stub/linux-amd64/../limpet": fileOf("x", nil)}
	m.seal()
	if pairs, err := m.open().Pairs(); err == nil || pairs != nil {
		t.Errorf("%v, %v", pairs, err)
	}
}

// Two keys have to sign targets; it depends on how many of them lie where timestamp and snapshot are signed.
func TestHeldOnline(t *testing.T) {
	for _, c := range []struct {
		name                string
		threshold           int
		labels              []string
		timestamp, snapshot string
		want                bool
	}{
		{"none", 1, []string{"targets"}, "timestamp", "snapshot", false},
		{"the timestamp's", 1, []string{"targets", "timestamp"}, "timestamp", "snapshot", true},
		{"the snapshot's", 1, []string{"targets", "snapshot"}, "timestamp", "snapshot", true},
		{"one of two", 2, []string{"targets", "timestamp"}, "timestamp", "snapshot", false},
		{"both", 2, []string{"snapshot", "timestamp"}, "timestamp", "snapshot", true},
		{"two of three", 2, []string{"targets", "snapshot", "timestamp"}, "timestamp", "snapshot", true},
		{"the same one in both", 2, []string{"targets", "timestamp"}, "timestamp", "timestamp", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMirror(t)
			roles := at(m.docs["root"], "roles")
			roles["targets"], roles["timestamp"], roles["snapshot"] = role(c.threshold, c.labels...), role(1, c.timestamp), role(1, c.snapshot)
			m.signers["targets"], m.signers["timestamp"], m.signers["snapshot"] = c.labels, []string{c.timestamp}, []string{c.snapshot}
			m.seal()
			set := m.open()
			if got := set.HeldOnline("targets"); got != c.want {
				t.Errorf("targets: %v, want %v", got, c.want)
			}
			if set.HeldOnline("root") {
				t.Error("root: all its keys are offline")
			}
		})
	}
}

// A timestamp that does not say when it was issued is taken to live for a week, a snapshot for two.
func TestLivesThatAreNotSaid(t *testing.T) {
	m := newMirror(t)
	delete(m.docs["timestamp"], "issued")
	m.seal()
	want := map[string]time.Duration{"root": 14 * day, "timestamp": 7 * day / 2, "snapshot": 7 * day, "targets": 14 * day}
	for _, e := range m.open().Expiries() {
		if got := e.Expires.Sub(e.Warn); got != want[e.Role] {
			t.Errorf("%s: told %v before it expires, want %v", e.Role, got, want[e.Role])
		}
	}
}
