package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
	"github.com/limpet-monitoring/limpet/updater/boot"
	"github.com/limpet-monitoring/limpet/updater/store"
)

// errandOf is one on an empty box, whose limpet-fetch is a script; $part is its folder, and $calls takes its arguments.
func errandOf(t *testing.T, script string) (errand, *box) {
	b := emptyBox(t)
	text := fmt.Sprintf("#!/bin/sh\npart=%s\ncalls=%s\necho \"$@\" >> $calls\n%s\n", b.Part(), filepath.Join(b.Log, "calls"), script)
	b.must(os.WriteFile(b.Fetch(), []byte(text), 0o755))
	return errand{family: new(platforms.Family), layout: b.Layout, channel: "beta", now: time.Unix(1000, 0)}, b
}

func (b *box) calls() []string {
	data, _ := os.ReadFile(filepath.Join(b.Log, "calls"))
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

func TestFetchIsSentOut(t *testing.T) {
	e, b := errandOf(t, `echo "one line"; echo; echo "the last"`)
	said, err := e.fetch(time.Minute, "get", "--hash", "ab")
	if err != nil || said != "the last" {
		t.Errorf("%q, %v", said, err)
	}
	want := "get --root " + b.Root + " --channel beta --stub " + version + " --passed 1000 --hash ab"
	if got := b.calls(); !slices.Equal(got, []string{want}) {
		t.Errorf("called as %q, want %q", got, want)
	}
	b.must(os.Remove(b.Fetch()))
	if _, err := e.fetch(time.Minute, "get"); err == nil || wordOf(err) != "failed" || !strings.Contains(err.Error(), "limpet-fetch is missing") {
		t.Errorf("without a limpet-fetch: %v", err)
	}
	b.must(os.WriteFile(b.Fetch(), []byte("no program"), 0o755))
	if _, err := e.fetch(time.Minute, "get"); err == nil {
		t.Error("what is no program ran")
	}
}

func TestHowFetchEndsIsOneWord(t *testing.T) {
	for _, tt := range []struct{ script, word, text string }{
		{"exit 6", "metadata", "limpet-fetch look: exit-6"},
		{"exit 7", "unreachable", "limpet-fetch look: exit-7"},
		{"exit 8", "clock-or-freeze", "limpet-fetch look: exit-8"},
		{"exit 1", "failed", "limpet-fetch look: exit-1"},
		{"kill -9 $$", "failed", "limpet-fetch look: signal-9"},
		{`echo "warning: x" >&2; echo "error: no way" >&2; echo "hint: y" >&2; exit 7`, "unreachable", "limpet-fetch look: no way"},
		{`echo "error: on the wrong side"; exit 1`, "failed", "limpet-fetch look: exit-1"},
	} {
		e, _ := errandOf(t, tt.script)
		_, err := e.fetch(time.Minute, "look")
		if err == nil || err.Error() != tt.text || wordOf(err) != tt.word {
			t.Errorf("%s: %v (%s), want %s (%s)", tt.script, err, wordOf(err), tt.text, tt.word)
		}
	}
}

func TestFetchHasItsTimeAndItsSpace(t *testing.T) {
	e, _ := errandOf(t, "sleep 1000 & wait")
	begun := time.Now()
	_, err := e.fetch(200*time.Millisecond, "look")
	if err == nil || wordOf(err) != "unreachable" || !strings.Contains(err.Error(), "was not done within 200ms") {
		t.Errorf("%v", err)
	}
	if took := time.Since(begun); took > patience {
		t.Errorf("it took %v", took)
	}
	e, _ = errandOf(t, "head -c 100000 /dev/zero | tr '\\0' x; head -c 100000 /dev/zero | tr '\\0' y >&2")
	if said, err := e.fetch(time.Minute, "look"); err != nil || said != strings.Repeat("x", maxSaid) {
		t.Errorf("%d bytes, %v", len(said), err)
	}
}

// What is for the stub alone does not reach its children: not where to notify the init system, and nothing called LIMPET_.
func TestChildrenGetAPlainEnvironment(t *testing.T) {
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LIMPET_ROOT", "XLIMPET_"} {
		t.Setenv(name, "1")
	}
	e, _ := errandOf(t, `echo $(env | grep -E '^(NOTIFY|WATCHDOG|X?LIMPET)') $(pwd)`)
	if said, err := e.fetch(time.Minute, "look"); err != nil || said != "XLIMPET_=1 /" {
		t.Errorf("%q, %v", said, err)
	}
}

func TestBring(t *testing.T) {
	content := []byte(strings.Repeat("new core ", 10))
	next := signed{Core: boot.Core{Counter: 2, Length: int64(len(content)), Hash: sha256.Sum256(content)}, version: "1.2"}
	hash := hexOf(next.Hash)
	bring := func(name string) string {
		return fmt.Sprintf("printf '%s%s' > $part/%s%s\n", name, content, hash, "%s")
	}
	full, patch, packed := fmt.Sprintf(bring(""), ""), fmt.Sprintf(bring("plain:"), ".patch"), fmt.Sprintf(bring("plain:"), ".packed")
	for _, tt := range []struct {
		name, script string
		base         bool
		came, word   string
		calls        int
	}{
		{"a patch", patch + "echo delta 50 go1", true, "came_as=delta came_codec=go1 came_bytes=50", "", 1},
		{"packed", packed + "echo packed 30 zstd", true, "came_as=packed came_codec=zstd came_bytes=30", "", 1},
		{"in full", full + "echo full 90", true, "came_as=full came_bytes=90", "", 1},
		{"without a base in full at once", full + "echo full 90", false, "came_as=full came_bytes=90", "", 1},
		{"each that fails gives way", `case "$*" in *--base*) echo broken > $part/` + hash + `.patch; echo delta 50 go1;; *--plain*) ` + full + ` echo full 90;; *) echo broken > $part/` +
			hash + `.packed; echo packed 30 zstd;; esac`, true, "came_as=full came_bytes=170", "", 3},
		{"a patch of no codec", `case "$*" in *--plain*) ` + full + ` echo full 90;; *) ` + patch + packed + ` echo delta 5;; esac`, true, "came_as=full came_bytes=100", "", 3},
		{"other bytes", "echo other > $part/" + hash + "\necho full 90", true, "came_as=full came_bytes=90", "failed", 1},
		{"nothing in its place", "echo full 90", true, "came_as=full came_bytes=90", "failed", 1},
		{"a way to come", "echo magic 1", true, "came_as=magic came_bytes=3", "failed", 3},
		{"not a word", "true", true, "", "failed", 1},
		{"half a word", "echo full", true, "", "failed", 1},
		{"no mirror", "exit 7", true, "", "unreachable", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, b := errandOf(t, tt.script)
			base := boot.Core{}
			if tt.base {
				base = b.place(1, coreBytes(t, ""))
			}
			got := e.bring(choice{core: next}, base)
			if want := "came=1.2 " + tt.came + " came_of=90"; got.word != tt.word || (got.err == nil) != (tt.word == "") || tt.came != "" && got.came != want {
				t.Errorf("came %q, word %q: %v", got.came, got.word, got.err)
			}
			calls := b.calls()
			if len(calls) != tt.calls {
				t.Errorf("%d calls: %q", len(calls), calls)
			}
			how := []string{"--hash " + hash + " --base " + hexOf(base.Hash), "--hash " + hash, "--hash " + hash + " --plain"}
			if !tt.base {
				how = how[2:]
			}
			for i, call := range calls {
				if !strings.HasSuffix(call, how[i]) {
					t.Errorf("call %d is %q, want … %q", i, call, how[i])
				}
			}
			f, err := store.Open(b.CoreFile(2, hash), next.Hash, next.Length)
			if (err == nil) != (tt.word == "") {
				t.Errorf("placed: %v", err)
			}
			f.Close()
			if left, _ := os.ReadDir(b.Part()); tt.word == "" && len(left) != 0 {
				t.Errorf("part/ still holds %v", left)
			}
		})
	}
}

func TestBringSparesItself(t *testing.T) {
	content := []byte("core")
	e, b := errandOf(t, "echo full 4")
	here := signed{Core: b.place(2, content), version: "1.2"}
	got := e.bring(choice{core: here}, boot.Core{})
	if got.err != nil || got.word != "" || got.came != "came=1.2 came_as=here came_bytes=0 came_of=4" {
		t.Errorf("what is here: %+v", got)
	}
	large := signed{Core: boot.Core{Counter: 3, Length: 1 << 50, Hash: [32]byte{1}}, version: "1.3"}
	got = e.bring(choice{core: large}, boot.Core{})
	if got.err == nil || got.word != "no-space" || !strings.Contains(got.err.Error(), "MB free") {
		t.Errorf("what has no room: %+v", got)
	}
	if calls := b.calls(); calls[0] != "" {
		t.Errorf("limpet-fetch was sent out for it: %q", calls)
	}
}

// A look verifies what was brought, takes over what changed, and says what is listed; what is refused changes nothing.
func TestLook(t *testing.T) {
	u := newUpdating(t)
	u.release(2)
	e, b := errandOf(t, "mkdir -p $part/meta; cp "+u.dir+"/*.json $part/meta")
	e.channel, e.now = "stable", time.Now()
	for _, name := range []string{"root.json", "timestamp.json", "snapshot.json", "targets.json", "stable-" + platform + ".json"} {
		data, err := os.ReadFile(filepath.Join(u.TrustCore(), name))
		b.must(err)
		b.must(os.WriteFile(filepath.Join(b.TrustCore(), name), data, 0o644))
	}
	found := e.look()
	if found.trouble != "" || len(found.verdict.cores) != 2 || found.verdict.cores[0].Counter != 2 {
		t.Fatalf("%+v", found)
	}
	for name, file := range map[string]string{"timestamp.json": "timestamp.json", "snapshot.json": "2.snapshot.json", "stable-" + platform + ".json": "2.stable-" + platform + ".json"} {
		stored, err := os.ReadFile(filepath.Join(b.TrustCore(), name))
		b.must(err)
		if published, _ := os.ReadFile(filepath.Join(u.dir, file)); !bytes.Equal(stored, published) {
			t.Errorf("%s was not taken over", name)
		}
	}
	// The mirror's hold file names versions or hashes; both are heard of, others are not.
	for _, c := range found.verdict.cores {
		for word, want := range map[string]bool{c.version: true, hexOf(c.Hash): true, "9.9.99": false} {
			b.must(os.WriteFile(filepath.Join(b.Part(), "meta", "hold"), []byte("x "+word+"\n"), 0o644))
			held := map[uint64]bool{}
			for _, l := range e.look().verdict.cores {
				held[l.Counter] = l.held
			}
			if len(held) != 2 || held[c.Counter] != want || held[3-c.Counter] {
				t.Errorf("with %s held: %v", word, held)
			}
		}
	}
	b.must(os.WriteFile(b.Fetch(), []byte("#!/bin/sh\nexit 7\n"), 0o755))
	if found := e.look(); found.word != "unreachable" || found.trouble == "" {
		t.Errorf("without a mirror: %+v", found)
	}
}

// What was verified is taken over whole or not at all, whichever call fails.
func TestTakeOver(t *testing.T) {
	broken := errors.New("input/output error")
	data := []byte("verified")
	c := change{name: "root.json", from: "2.root.json", hash: sha256.Sum256(data), length: int64(len(data))}
	prepared := func() *crashdisk.Disk {
		d := crashdisk.New()
		for _, err := range []error{d.MkdirAll("/trust", 0o755), fsys.WriteNew(d, "/trust/root.json", []byte("before"), 0o644)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		return d
	}
	for at := 1; ; at++ {
		d := prepared()
		before := d.Calls()
		d.FailAt(at, broken)
		err := takeOver(d, "/trust", bytes.NewReader(data), c)
		if d.Calls()-before < at {
			if err != nil || at < 5 {
				t.Errorf("taken over with %d calls: %v", at-1, err)
			}
			break
		}
		if !errors.Is(err, broken) {
			t.Errorf("call %d fails: %v", at, err)
		}
		if now, err := fsys.Read(d, "/trust/root.json", 100); err != nil || string(now) != "before" && string(now) != "verified" {
			t.Errorf("call %d fails: %q, %v", at, now, err)
		}
		if names, _ := d.ReadDir("/trust"); len(names) != 1 && at != 1 {
			t.Errorf("call %d fails and leaves %v", at, names)
		}
	}
	for name, other := range map[string]string{"shorter": "verifie", "longer": "verified!", "other bytes": "verifieD", "much longer": strings.Repeat("verified", 1<<16)} {
		d, from := prepared(), strings.NewReader(other)
		if err := takeOver(d, "/trust", from, c); err == nil || !strings.Contains(err.Error(), "2.root.json is not what was verified") {
			t.Errorf("%s: %v", name, err)
		}
		if now, _ := fsys.Read(d, "/trust/root.json", 100); string(now) != "before" {
			t.Errorf("%s: %q", name, now)
		}
		if read := len(other) - from.Len(); read > len(data)+1 {
			t.Errorf("%s: %d bytes are read", name, read)
		}
	}
}

func TestAdoptFile(t *testing.T) {
	b := emptyBox(t)
	stored := filepath.Join(b.TrustCore(), "timestamp.json")
	data := []byte("new")
	keep := change{name: "timestamp.json", from: "timestamp.json", hash: sha256.Sum256(data), length: 3}
	if err := adoptFile(b.Layout, keep); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing was brought: %v", err)
	}
	b.must(os.MkdirAll(filepath.Join(b.Part(), "meta"), 0o755))
	b.must(os.Symlink("/etc/passwd", filepath.Join(b.Part(), "meta", "timestamp.json")))
	if err := adoptFile(b.Layout, keep); err == nil {
		t.Error("a link was followed")
	}
	b.must(os.Remove(filepath.Join(b.Part(), "meta", "timestamp.json")))
	b.must(os.WriteFile(filepath.Join(b.Part(), "meta", "timestamp.json"), data, 0o644))
	b.must(adoptFile(b.Layout, keep))
	if now, _ := os.ReadFile(stored); !bytes.Equal(now, data) {
		t.Errorf("stored %q", now)
	}
	for range 2 { // also where it is gone already
		b.must(adoptFile(b.Layout, change{name: "timestamp.json", drop: true}))
		if _, err := os.Stat(stored); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("it is still there: %v", err)
		}
	}
	b.must(os.MkdirAll(filepath.Join(stored, "in the way"), 0o755))
	if err := adoptFile(b.Layout, change{name: "timestamp.json", drop: true}); err == nil {
		t.Error("what cannot be removed is dropped")
	}
}
