package mirror

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
	"github.com/limpet-monitoring/limpet/signing/repo"
)

// on is a copy of the publisher's on a disk in memory.
func (p *publisher) on(d *crashdisk.Disk, now func() time.Time) *Copy {
	return &Copy{dir: "/copy", log: slog.New(slog.DiscardHandler), disk: d, now: now}
}

// whole says what a disk serves: it must be a repository that verifies and has every file it lists. version = the newest core's; "" = nothing is served yet.
func whole(t *testing.T, d fsys.FS) (version string, err error) {
	t.Helper()
	if _, err := fsys.Read(d, "/copy/timestamp.json", 1<<20); err != nil {
		return "", nil
	}
	r, err := repo.Open(d, "/copy", nil)
	if err != nil {
		return "", fmt.Errorf("what is served is no repository: %w", err)
	}
	for _, folder := range wanted {
		targets, err := r.Set().Under(folder)
		if err != nil {
			return "", err
		}
		for _, target := range targets {
			data, err := fsys.Read(d, "/copy/"+target.File, 1<<20)
			if err != nil || int64(len(data)) != target.Length {
				return "", fmt.Errorf("%s is listed, and not there whole: %d bytes, %w", target.File, len(data), err)
			}
			if core, err := r.Set().Core(target.Path); err == nil {
				version = core.Version
			}
		}
	}
	return version, nil
}

// withdraw lists a core no longer.
func (p *publisher) withdraw(version string) {
	p.t.Helper()
	r, err := repo.Open(fsys.Disk{}, p.dir, p.keys)
	if err == nil {
		_, err = r.Withdraw("stable", version)
	}
	p.commit(r, err)
}

// copyOf is a folder as it is now.
func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// TestAPowerCutAnywhereLeavesAWholeCopy: the power fails at every changing call of a copy's first and second round and of what removes the first release,
// with everything unsynced kept, and with everything unsynced lost. What is served then is whole; the next round makes it what the publisher has.
func TestAPowerCutAnywhereLeavesAWholeCopy(t *testing.T) {
	p := newPublisher(t)
	p.publish("0.1.0", []byte("core one"))
	first := p.mirror(copyOf(t, p.dir))
	p.publish("0.2.0", []byte("core two"))
	p.withdraw("0.1.0")
	then := time.Now()
	for name, fate := range map[string]crashdisk.Chooser{"kept": crashdisk.Kept{}, "lost": crashdisk.Lost{}} {
		cuts := 0
		for at := 1; ; at++ {
			d := crashdisk.New()
			d.CutAt(at)
			clock := then
			now := func() time.Time { return clock }
			c := p.on(d, now)
			_, err := c.Trust(t.Context(), first, nil)
			rounds := []func() error{
				func() error { _, err := c.Bring(t.Context(), first); return err },
				func() error { _, err := c.Bring(t.Context(), p.mirror(p.dir)); return err },
				func() error {
					clock = clock.Add(25 * time.Hour)
					_, err := c.Bring(t.Context(), p.mirror(p.dir))
					return err
				},
			}
			done := 0
			for err == nil && done < len(rounds) && !d.Off() {
				if err = rounds[done](); err == nil && !d.Off() {
					done++
				}
			}
			if !d.Off() {
				if err != nil {
					t.Fatalf("without a cut: %v", err)
				}
				break
			}
			cuts++
			after := d.Restart(fate)
			served, err := whole(t, after)
			if err != nil {
				t.Fatalf("%s, cut at call %d, after %d rounds: %v", name, at, done, err)
			}
			if least := []string{"", "0.1.0", "0.2.0"}[min(done, 2)]; served < least {
				t.Errorf("%s, cut at call %d: %q is served, %q was", name, at, served, least)
			}
			c = p.on(after, now)
			if !c.Trusts() {
				if _, err := c.Trust(t.Context(), first, nil); err != nil {
					t.Fatalf("%s, cut at call %d: %v", name, at, err)
				}
			}
			for range 2 {
				if _, err := c.Bring(t.Context(), p.mirror(p.dir)); err != nil {
					t.Fatalf("%s, cut at call %d, the next round: %v", name, at, err)
				}
				clock = clock.Add(25 * time.Hour)
			}
			if served, err := whole(t, after); err != nil || served != "0.2.0" {
				t.Errorf("%s, cut at call %d, after the next round: %q, %v", name, at, served, err)
			}
			if left := below(t, after, "/copy/targets/core", "0.1.0"); len(left) > 0 {
				t.Errorf("%s, cut at call %d: %v is not removed", name, at, left)
			}
		}
		if cuts < 50 {
			t.Errorf("only %d cuts", cuts)
		}
		t.Logf("%s: %d cuts", name, cuts)
	}
}

// TestWhatIsListedNoLongerGoesADayLater: and not before, whatever the clock does; what is listed again stays.
func TestWhatIsListedNoLongerGoesADayLater(t *testing.T) {
	p := newPublisher(t)
	p.publish("0.1.0", []byte("core one"))
	d := crashdisk.New()
	clock := time.Now()
	c := p.on(d, func() time.Time { return clock })
	bring := func(want int) {
		t.Helper()
		if _, err := c.Bring(t.Context(), p.mirror(p.dir)); err != nil {
			t.Fatal(err)
		}
		if left := below(t, d, "/copy/targets/core", "0.1.0"); len(left) != want {
			t.Errorf("of the old release there is %v, want %d files", left, want)
		}
	}
	if _, err := c.Trust(t.Context(), p.mirror(p.dir), nil); err != nil {
		t.Fatal(err)
	}
	bring(1)
	p.publish("0.2.0", []byte("core two"))
	p.withdraw("0.1.0")
	bring(1)
	clock = clock.Add(23 * time.Hour)
	bring(1)
	clock = clock.Add(-48 * time.Hour) // it went back: the day begins anew
	bring(1)
	clock = clock.Add(23 * time.Hour)
	bring(1)
	snapshots := func() (n int) {
		names, _ := d.ReadDir("/copy")
		for _, name := range names {
			if strings.HasSuffix(name, ".snapshot.json") {
				n++
			}
		}
		return n
	}
	if n := snapshots(); n < 2 {
		t.Errorf("%d snapshots before the day is over", n)
	}
	part := filepath.Join("/copy", partFolder, strings.Repeat("ab", 32))
	if err := fsys.WriteNew(d, part, []byte("half of something"), 0o644); err != nil {
		t.Fatal(err)
	}
	clock = clock.Add(2 * time.Hour)
	bring(0)
	if n := snapshots(); n != 1 {
		t.Errorf("%d snapshots after the day", n)
	}
	if names, _ := d.ReadDir(filepath.Join("/copy", partFolder)); len(names) > 0 {
		t.Errorf("unfinished downloads of what nobody lists: %v", names)
	}
	if served, err := whole(t, d); err != nil || served != "0.2.0" {
		t.Errorf("%q, %v", served, err)
	}
	if _, err := fsys.Read(d, "/copy/1.root.json", 1<<20); err != nil {
		t.Errorf("the first root: %v", err)
	}
}

// below are the files whose path has a word.
func below(t *testing.T, d fsys.FS, dir, word string) (found []string) {
	t.Helper()
	names, err := d.ReadDir(dir)
	if err != nil {
		if strings.Contains(dir, word) {
			return []string{dir}
		}
		return nil
	}
	for _, name := range names {
		found = append(found, below(t, d, dir+"/"+name, word)...)
	}
	return found
}
