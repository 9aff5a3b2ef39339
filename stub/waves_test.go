package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing"
	"github.com/limpet-monitoring/limpet/signing/repo"
	"github.com/limpet-monitoring/limpet/signing/tuf"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

// Ten thousand boxes over a whole rollout: each box decides from what `limpet verify`
// says of the signed metadata, and at every moment those that take the release up are
// exactly those that the published function names.
func TestAWholeRolloutFollowsThePublishedFunction(t *testing.T) {
	begin := time.Date(2030, 5, 1, 12, 0, 0, 0, time.UTC)
	waves := []tuf.Wave{{From: begin.Add(time.Hour), Percent: 1}, {From: begin.Add(2 * time.Hour), Percent: 10}, {From: begin.Add(8 * time.Hour), Percent: 50}, {From: begin.Add(32 * time.Hour), Percent: 100}}
	dir := t.TempDir()
	publishWaves(t, dir, begin, waves)

	var fingers []string
	for i := range 10_000 {
		sum := sha256.Sum256(fmt.Append(nil, "box ", i))
		fingers = append(fingers, hex.EncodeToString(sum[:]))
	}
	before := 0
	for _, moment := range []time.Time{
		begin, waves[0].From.Add(-time.Second), waves[0].From, waves[1].From.Add(-time.Second), waves[1].From, waves[2].From, waves[3].From.Add(-time.Second), waves[3].From,
	} {
		open, in := tuf.Open(waves, moment), 0
		cores := asked(t, dir, moment)
		for _, finger := range fingers {
			c := choose(situation{record: boot.Record{Good: listed(1, "1.0.0").Core}, found: true, wish: boot.Wish{Channel: "stable"}, finger: finger, cores: cores})
			if want := tuf.Within(tuf.Cohort(finger, "2.0.0"), open); c.pick != want {
				t.Fatalf("%s at %s, open to %d %%: takes it up %v", finger, moment, open, c.pick)
			}
			if c.pick {
				in++
			}
		}
		if in < before || (open == 0) != (in == 0) || (open == 100) != (in == len(fingers)) {
			t.Errorf("at %s %d of %d are in at %d %%, before it were %d", moment, in, len(fingers), open, before)
		}
		if share := 100 * float64(in) / float64(len(fingers)); share < float64(open)-1 || share > float64(open)+1 {
			t.Errorf("at %s %.2f %% are in, %d %% should be", moment, share, open)
		}
		before = in
	}
	if c := choose(situation{record: boot.Record{Good: listed(1, "1.0.0").Core}, found: true, wish: boot.Wish{Channel: "stable"}, cores: asked(t, dir, waves[3].From.Add(-time.Second))}); c.pick {
		t.Error("a box without a fingerprint is not last")
	}
}

// publishWaves puts a release with waves into a box's store, as limpet-fetch brings it.
func publishWaves(t *testing.T, dir string, now time.Time, waves []tuf.Wave) {
	t.Helper()
	publishCores(t, dir, now, published{repo.Release{Version: "2.0.0", Counter: 2, Soak: 10 * time.Second, Waves: waves}, []byte("core")})
}

// published is a release and its core.
type published struct {
	repo.Release
	core []byte
}

// publishCores puts releases, in their order, into a box's store.
func publishCores(t *testing.T, dir string, now time.Time, releases ...published) {
	t.Helper()
	key, err := signing.Generate(true)
	if err != nil {
		t.Fatal(err)
	}
	from := t.TempDir()
	r, err := repo.Create(fsys.Disk{}, from, func(string) (signing.Key, error) { return key, nil }, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range releases {
		p.Channel, p.Contract = "stable", 1
		if _, err := r.AddRelease(p.Release, map[string][]byte{"linux-amd64": p.core}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Commit(now); err != nil {
		t.Fatal(err)
	}
	_, after, err := tuf.Refresh(tuf.Stored{"root.json": r.Root()}, r.Read, now, tuf.CoreDir("stable", "linux-amd64"))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range after {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// asked is what `limpet verify` says at a time, as the stub reads it.
func asked(t *testing.T, dir string, now time.Time) []signed {
	t.Helper()
	var out bytes.Buffer
	if err := verify([]string{"--dir", dir, "--time", fmt.Sprint(now.Unix()), "--platform", "linux-amd64"}, &out); err != nil {
		t.Fatal(err)
	}
	v := parseVerdict(out.String())
	if v.refused != "" || len(v.cores) == 0 {
		t.Fatalf("verdict %+v", v)
	}
	return v.cores
}
