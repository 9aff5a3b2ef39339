package site

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing"
	"github.com/limpet-monitoring/limpet/signing/repo"
)

func newPlace(t *testing.T) Place {
	t.Helper()
	p := Place(t.TempDir())
	lock, err := p.Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	if _, err := p.Open(time.Now()); err != nil {
		t.Fatal(err)
	}
	return p
}

func view(t *testing.T, p Place) *View {
	t.Helper()
	v, err := p.Read()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// hands are keys, by id.
type hands map[string]signing.Signer

func (h hands) Signers(_ string, ids []string) (out []signing.Signer, _ error) {
	for _, id := range ids {
		if h[id] != nil {
			out = append(out, h[id])
		}
	}
	return out, nil
}

// takeOffline gives root and targets to a key of its owner, and the rest to the hub's next one.
func takeOffline(t *testing.T, p Place) {
	t.Helper()
	daily, err := p.DailyKey()
	if err != nil {
		t.Fatal(err)
	}
	next, err := p.Successor()
	if err != nil {
		t.Fatal(err)
	}
	owner, err := signing.Generate(false)
	if err != nil {
		t.Fatal(err)
	}
	r, err := repo.Open(fsys.Disk{}, p.Dir(), hands{daily.ID(): daily, next.ID(): next, owner.ID(): owner})
	if err != nil {
		t.Fatal(err)
	}
	for role, key := range map[string]ed25519.PublicKey{"root": owner.Public(), "targets": owner.Public(), "snapshot": next.Public(), "timestamp": next.Public()} {
		if _, err := r.Grant(role, Grant(key), nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Commit(time.Now()); err != nil {
		t.Fatal(err)
	}
}

func TestTheCatalogComesAndGoes(t *testing.T) {
	p, now := newPlace(t), time.Now()
	if v := view(t, p); v.Offline || len(v.Plugins) > 0 || v.Version != 1 {
		t.Errorf("at first: %+v", v)
	}
	for _, add := range []struct{ name, platform, text string }{{"b", "", "b"}, {"a", "linux-arm64", "arm"}, {"a", "", "any"}} {
		if changed, err := p.AddPlugin(add.name, add.platform, []byte(add.text), now); !changed || err != nil {
			t.Errorf("%v: %v, %v", add, changed, err)
		}
	}
	if changed, err := p.AddPlugin("b", "", []byte("b"), now); changed || err != nil {
		t.Errorf("the same again: %v, %v", changed, err)
	}
	v := view(t, p)
	for platform, length := range map[string]int64{"linux-arm64": 3, "linux-amd64": 3} {
		if f, ok := v.Find("a", platform); !ok || f.Length != length || (f.Platform == "") != (platform == "linux-amd64") {
			t.Errorf("for %s: %+v", platform, f)
		}
	}
	if _, ok := v.Find("c", "linux-amd64"); ok {
		t.Error("a plugin that nobody added")
	}
	if err := p.RemovePlugin("a", "linux-arm64", now); err != nil {
		t.Error(err)
	}
	if v := view(t, p); len(v.Plugins) != 2 {
		t.Errorf("%+v", v.Plugins)
	}
	for _, gone := range []string{"a", "b"} {
		if err := p.RemovePlugin(gone, "", now); err != nil {
			t.Error(err)
		}
	}
	if err := p.RemovePlugin("a", "", now); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("twice: %v", err)
	}
	for _, bad := range []struct{ name, platform string }{{"../up", ""}, {"a b", ""}, {"", ""}, {".hidden", ""}, {"a/b", ""}, {"a", "linux"}, {"a", "../x"}, {strings.Repeat("n", 129), ""}} {
		if _, err := p.AddPlugin(bad.name, bad.platform, []byte("x"), now); err == nil {
			t.Errorf("%q for %q was taken", bad.name, bad.platform)
		}
	}
	if _, err := p.AddPlugin("empty", "", nil, now); err == nil {
		t.Error("an empty file was taken")
	}
	if _, err := p.AddPlugin("large", "", make([]byte, MaxPlugin+1), now); err == nil {
		t.Error("a file that no box takes was taken")
	}
}

func TestOfflineTheHubSignsNothing(t *testing.T) {
	p := newPlace(t)
	before, err := p.DailyKey()
	if err != nil {
		t.Fatal(err)
	}
	takeOffline(t, p)
	if _, err := p.AddPlugin("x", "", []byte("x"), time.Now()); !errors.Is(err, ErrOffline) {
		t.Errorf("%v", err)
	}
	if v := view(t, p); !v.Offline {
		t.Error("it is not said to be offline")
	}
	// The key that signed the first root is gone, the one that signs every day has its name.
	if _, err := os.Stat(p.NextKey()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the successor did not take its place: %v", err)
	}
	after, err := p.DailyKey()
	if err != nil || after.ID() == before.ID() {
		t.Errorf("the former key is still there, %v", err)
	}
	r, err := p.Open(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	r.Refresh(time.Now())
	if _, err := r.Commit(time.Now()); err != nil {
		t.Errorf("the hub cannot sign what is its to sign: %v", err)
	}
}

// A successor whose root was never published changes nothing.
func TestASuccessorWaits(t *testing.T) {
	p := newPlace(t)
	before, _ := p.DailyKey()
	if _, err := p.Successor(); err != nil {
		t.Fatal(err)
	}
	if after, err := p.DailyKey(); err != nil || after.ID() != before.ID() {
		t.Errorf("%v", err)
	}
	if _, err := p.AddPlugin("x", "", []byte("x"), time.Now()); err != nil {
		t.Error(err)
	}
}

func TestOneWriterAtATime(t *testing.T) {
	p := newPlace(t)
	held, err := platforms.Take(filepath.Join(p.Dir(), ".lock")) // as limpet-release takes it
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := p.AddPlugin("x", "", []byte("x"), time.Now())
		done <- err
	}()
	select {
	case err := <-done:
		t.Errorf("it did not wait: %v", err)
	case <-time.After(3 * lockPause):
	}
	held.Release()
	if err := <-done; err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestPiecesAreOfTheRepositoryAlone(t *testing.T) {
	p := newPlace(t)
	data := bytes.Repeat([]byte("0123456789"), wire.MaxSitePiece/8)
	if _, err := p.AddPlugin("x", "", data, time.Now()); err != nil {
		t.Fatal(err)
	}
	file := "targets/plugin/" + view(t, p).Plugins[0].SHA256 + ".x"
	var got []byte
	for {
		piece := p.Piece(file, int64(len(got)))
		if piece.GetError() != "" || piece.GetMissing() || piece.GetSize() != int64(len(data)) || len(piece.GetData()) > wire.MaxSitePiece {
			t.Fatalf("from %d: size %d, missing %v, %q", len(got), piece.GetSize(), piece.GetMissing(), piece.GetError())
		}
		if len(piece.GetData()) == 0 {
			break
		}
		got = append(got, piece.GetData()...)
	}
	if !bytes.Equal(got, data) {
		t.Errorf("%d bytes, not %d", len(got), len(data))
	}
	for _, name := range []string{"timestamp.json", "1.root.json", "2.targets.json"} {
		if piece := p.Piece(name, 0); len(piece.GetData()) == 0 {
			t.Errorf("%s: %v", name, piece)
		}
	}
	if err := os.Symlink(p.Key(), filepath.Join(p.Dir(), "targets", "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(p.Dir(), "secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", ".", "..", "../site.key", "targets/../../site.key", "targets/../secret", "/etc/passwd", "secret", ".lock", "targets", "targets/", "targets/plugin",
		"targets/link", `targets\..\..\site.key`, "targets/x:y", "9.root.json", "0.root.json", "snapshot.json", strings.Repeat("targets/", 200) + "x"} {
		if piece := p.Piece(name, 0); len(piece.GetData()) > 0 || !piece.GetMissing() && piece.GetError() == "" {
			t.Errorf("%q: %d bytes", name, len(piece.GetData()))
		}
	}
	for _, offset := range []int64{-1, int64(len(data)), int64(len(data)) + 1, 1 << 62} {
		if piece := p.Piece(file, offset); len(piece.GetData()) > 0 {
			t.Errorf("from %d: %d bytes", offset, len(piece.GetData()))
		}
	}
}

func TestWhatNothingListsGoesInTime(t *testing.T) {
	p, now := newPlace(t), time.Now()
	for _, text := range []string{"one", "two", "three"} {
		if _, err := p.AddPlugin("x", "", []byte(text), now); err != nil {
			t.Fatal(err)
		}
	}
	r, err := p.Open(now)
	if err != nil {
		t.Fatal(err)
	}
	files := func() int {
		names, err := filepath.Glob(filepath.Join(p.Dir(), "targets", "plugin", "*.x"))
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	age := func(string) (time.Time, error) { return now, nil }
	if err := r.Sweep(now.Add(time.Hour), 24*time.Hour, age); err != nil || files() != 3 {
		t.Errorf("within the day: %d files, %v", files(), err)
	}
	if err := r.Sweep(now.Add(25*time.Hour), 24*time.Hour, age); err != nil || files() != 1 {
		t.Errorf("after the day: %d files, %v", files(), err)
	}
	left, err := filepath.Glob(filepath.Join(p.Dir(), "*.json"))
	if err != nil || len(left) != 4 { // the root, and one each of the others
		t.Errorf("metadata left: %v, %v", left, err)
	}
	if v := view(t, p); len(v.Plugins) != 1 {
		t.Errorf("what is listed: %+v", v.Plugins)
	}
}
