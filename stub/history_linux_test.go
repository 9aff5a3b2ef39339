package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

// A line of history names the release by all that is known of it, on one line whatever is in it.
func TestNotes(t *testing.T) {
	st := newStage(t, healthy)
	_, one := coreOfWorld(1)
	unknown := boot.Core{Counter: 7, Hash: [32]byte{1}}
	st.forget()
	st.s.versions[7] = ""
	st.s.note("stage", one, "came=1\nforged line")
	st.s.note("drop", unknown, "")
	st.s.note("unbar", boot.Core{Hash: one.Hash}, "")
	st.s.note("ask", boot.Core{}, "hold")
	st.s.versions[1] = "1 0"
	st.s.note("commit", boot.Core{Counter: 1}, "")
	want := "stage release=1 version=9.9.1 hash=" + hexOf(one.Hash) + " came=1 forged line\n" +
		"drop release=7 version=- hash=" + hexOf(unknown.Hash) + "\n" +
		"unbar release=0 version=- hash=" + hexOf(one.Hash) + "\n" +
		"ask hold\n" +
		"commit release=1 version=1_0 hash=\n"
	if got := st.history(); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	data, err := os.ReadFile(st.History())
	if err != nil || len(data) < 21 || data[10] != 'T' || data[19] != 'Z' {
		t.Errorf("no time in %.30q, %v", data, err)
	}
	mustWorld(os.Remove(st.History()))
	mustWorld(os.Mkdir(st.History(), 0o755))
	st.log.Reset()
	if st.s.note("ask", boot.Core{}, "hold"); !strings.Contains(st.log.String(), `msg="history is not written"`) {
		t.Errorf("%s", &st.log)
	}
}

// Past 64 KiB the older half of history goes; what is twice as long was not written by us, and goes as a whole.
func TestHistoryIsBounded(t *testing.T) {
	const bound = 64 << 10
	name := filepath.Join(t.TempDir(), "history")
	line := strings.Repeat("x", 127) + "\n"
	for size, want := range map[int]int{bound: bound + 5, bound + 128: bound/2 + 5, 2 * bound: bound - 128 + 5, 2*bound + 1: 5} {
		mustWorld(os.WriteFile(name, []byte(strings.Repeat(line, size/128)+strings.Repeat("x", size%128)), 0o644))
		mustWorld(appendHistory(name, "last\n"))
		data, err := os.ReadFile(name)
		if err != nil || len(data) != want || len(data)%128 != 5 || !bytes.HasSuffix(data, []byte("last\n")) {
			t.Errorf("of %d bytes %d are left, %d want", size, len(data), want)
		}
		if info, err := os.Stat(name); err != nil || info.Mode() != 0o644 {
			t.Errorf("%v, %v", info, err)
		}
	}
	mustWorld(os.WriteFile(name, []byte(strings.Repeat(line, 2*bound/128)), 0o644))
	mustWorld(os.MkdirAll(filepath.Join(name+".new", "in the way"), 0o755))
	if info, err := os.Stat(name); appendHistory(name, "x") == nil || err != nil || info.Size() != 2*bound {
		t.Errorf("what cannot be cut grows: %v, %v", info, err)
	}
	for size, came := range map[int]string{0: "came=1", 2*bound - 8: "came=1", 2*bound - 7: ""} { // so much is read
		mustWorld(os.WriteFile(name, append(bytes.Repeat([]byte("x"), size), " came=1\n"...), 0o644))
		if got := lastCame(platforms.Layout{State: filepath.Dir(name)}); got != came {
			t.Errorf("%d bytes: %q", size+8, got)
		}
	}
	mustWorld(os.Remove(name))
	mustWorld(appendHistory(name, "first\n"))
	if info, err := os.Stat(name); err != nil || info.Mode() != 0o644 {
		t.Errorf("%v, %v", info, err)
	}
	full := filepath.Join(t.TempDir(), "full")
	mustWorld(os.Symlink("/dev/full", full))
	if err := appendHistory(full, "x"); err == nil {
		t.Error("a full disk takes lines")
	}
	folder := filepath.Join(t.TempDir(), "gone")
	if err := appendHistory(filepath.Join(folder, "history"), "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// What a trial said last is kept where only the owner may read it, of the newest sixteen.
func TestTailsAreKept(t *testing.T) {
	st := newStage(t, healthy)
	folder := filepath.Dir(st.Rejected(""))
	keep := func(n int) {
		st.s.keepTail(&process{core: boot.Core{Counter: 9, Hash: [32]byte{byte(n)}}, logFrom: 3})
	}
	mustWorld(os.WriteFile(st.CoreLog(), []byte("its last words"), 0o644))
	open := descriptors(t)
	before := open()
	for n := 1; n <= 18; n++ {
		keep(n)
	}
	if left := more(before, open); len(left) > 0 {
		t.Errorf("it leaves open %q", left)
	}
	names, err := os.ReadDir(folder)
	if err != nil || len(names) != 16 || names[0].Name() != hexOf([32]byte{3})+".log" {
		t.Errorf("%d tails, from %v: %v", len(names), names[0], err)
	}
	path := st.Rejected(hexOf([32]byte{18}))
	data, err := os.ReadFile(path)
	if err != nil || string(data) != " last words" {
		t.Errorf("%q, %v", data, err)
	}
	for name, mode := range map[string]os.FileMode{folder: 0o700 | os.ModeDir, path: 0o600} {
		if info, err := os.Stat(name); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	mustWorld(os.WriteFile(st.CoreLog(), bytes.Repeat([]byte("x"), 32<<10+3+1), 0o644))
	keep(18)
	if info, err := os.Stat(path); err != nil || info.Size() != 32<<10 {
		t.Errorf("%d bytes, %v", info.Size(), err)
	}
	mustWorld(os.Remove(st.CoreLog()))
	mustWorld(os.Mkdir(st.CoreLog(), 0o755))
	st.log.Reset()
	if keep(19); strings.Count(st.log.String(), "is not kept") != 1 {
		t.Errorf("%s", &st.log)
	}
	if _, err := os.Stat(st.Rejected(hexOf([32]byte{19}))); err == nil {
		t.Error("kept, of nothing")
	}
	mustWorld(os.RemoveAll(folder))
	mustWorld(os.WriteFile(folder, nil, 0o644))
	st.log.Reset()
	if keep(20); strings.Count(st.log.String(), "is not kept") != 1 {
		t.Errorf("%s", &st.log)
	}
}
