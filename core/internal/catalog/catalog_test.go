package catalog_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/catalog"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing"
	"github.com/limpet-monitoring/limpet/signing/repo"
)

const platform = "linux-amd64"

// owner is a fleet owner's repository, and what a box has of it.
type owner struct {
	t             *testing.T
	dir           string
	offline, hubs signing.Key
	now           time.Time

	served string // the folder that the hub serves
	pieces int    // bytes of one piece
	away   bool
	asked  []string
	root   []byte // as the trust document has it
}

func newKey(t *testing.T) signing.Key {
	t.Helper()
	k, err := signing.Generate(false)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newOwner(t *testing.T) *owner {
	t.Helper()
	o := &owner{t: t, dir: t.TempDir(), offline: newKey(t), hubs: newKey(t), now: time.Now(), pieces: 1000}
	o.served = o.dir
	o.found(o.dir, o.offline, o.hubs)
	o.root = read(t, filepath.Join(o.dir, "1.root.json"))
	return o
}

// keys brings the owner's keys, by role.
func keys(offline, hubs signing.Key) repo.Keys {
	return func(role string) (signing.Key, error) {
		if role == "root" || role == "targets" {
			return offline, nil
		}
		return hubs, nil
	}
}

func (o *owner) found(dir string, offline, hubs signing.Key) {
	o.t.Helper()
	r, err := repo.Create(fsys.Disk{}, dir, keys(offline, hubs), false)
	if err == nil {
		_, err = r.Commit(o.now)
	}
	if err != nil {
		o.t.Fatal(err)
	}
}

// sign publishes a change, a minute after the one before.
func (o *owner) sign(change func(*repo.Repo)) {
	o.t.Helper()
	o.now = o.now.Add(time.Minute)
	r, err := repo.Open(fsys.Disk{}, o.dir, keys(o.offline, o.hubs))
	if err != nil {
		o.t.Fatal(err)
	}
	change(r)
	r.Refresh(o.now)
	if _, err := r.Commit(o.now); err != nil {
		o.t.Fatal(err)
	}
}

// put lists files by their names; none takes one out.
func (o *owner) put(files map[string][]byte) {
	o.t.Helper()
	o.sign(func(r *repo.Repo) {
		for name, data := range files {
			if data == nil {
				r.DropTarget(name)
			} else if _, err := r.SetTarget(name, data); err != nil {
				o.t.Fatal(err)
			}
		}
	})
}

func allow(lines ...string) []byte {
	all := map[string]bool{}
	for _, l := range lines {
		all[l] = true
	}
	return check.FormatLines(all)
}

// get is the hub.
func (o *owner) get(_ context.Context, name string, offset int64) (catalog.Piece, error) {
	o.asked = append(o.asked, name)
	if o.away {
		return catalog.Piece{}, errors.New("away")
	}
	data, err := os.ReadFile(filepath.Join(o.served, filepath.FromSlash(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return catalog.Piece{Missing: true}, nil
	}
	rest := data[min(offset, int64(len(data))):]
	return catalog.Piece{Data: rest[:min(len(rest), o.pieces)], Size: int64(len(data))}, err
}

// box is one box's catalog.
type box struct {
	*catalog.Catalog
	t    *testing.T
	o    *owner
	opts catalog.Options
	came chan catalog.Plugin
}

func (o *owner) box(change func(*catalog.Options)) *box {
	o.t.Helper()
	dir := o.t.TempDir()
	b := &box{t: o.t, o: o, came: make(chan catalog.Plugin, 16)}
	b.opts = catalog.Options{Disk: fsys.Disk{}, Trust: filepath.Join(dir, "site"), Dir: filepath.Join(dir, "catalog"), Platform: platform,
		Root: func() []byte { return o.root }, Get: o.get, Changed: func() {}, Came: func(p catalog.Plugin) { b.came <- p },
		Space: func(string) (int64, error) { return 1 << 40, nil }}
	for _, d := range []string{b.opts.Trust, b.opts.Dir} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			o.t.Fatal(err)
		}
	}
	if change != nil {
		change(&b.opts)
	}
	b.restart()
	return b
}

// restart is a core's next life.
func (b *box) restart() { b.Catalog = catalog.New(b.opts) }

func (b *box) refresh() error {
	_, err := b.Refresh(b.t.Context(), b.o.now)
	return err
}

func (b *box) mustRefresh() {
	b.t.Helper()
	if err := b.refresh(); err != nil {
		b.t.Fatal(err)
	}
}

// bring runs the catalog until a plugin came.
func (b *box) bring(p catalog.Plugin) {
	b.t.Helper()
	ctx, stop := context.WithCancel(b.t.Context())
	done := make(chan error)
	b.Want([]catalog.Plugin{p})
	go func() { done <- b.Run(ctx, func() bool { return true }) }()
	select {
	case got := <-b.came:
		if got != p {
			b.t.Errorf("%v came, not %v", got, p)
		}
	case <-time.After(2 * time.Minute):
		b.t.Error("it does not come")
	}
	stop()
	<-done
}

func (b *box) content(p catalog.Plugin) (string, error) {
	f, err := b.Program(p.Name, p.Hash)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	return string(data), err
}

func (b *box) files() []string {
	entries, err := os.ReadDir(b.opts.Dir)
	if err != nil {
		b.t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func plugin(name string, data []byte) catalog.Plugin {
	sum := sha256.Sum256(data)
	return catalog.Plugin{Hash: hex.EncodeToString(sum[:]), Name: name}
}

func has(err error, text string) bool { return err != nil && strings.Contains(err.Error(), text) }

func TestLinesCountWhenTheOwnerSignedThem(t *testing.T) {
	o := newOwner(t)
	b := o.box(nil)
	if err := b.View().Signed("plugin a"); !has(err, "nothing that the site's owner signed") {
		t.Errorf("before anything came: %v", err)
	}
	o.put(map[string][]byte{catalog.AllowedPath: allow("plugin a", "builtin disk -w 5%")})
	b.mustRefresh()
	for range 2 { // the second time as a restarted core has it, without a hub
		if err := b.View().Signed("plugin a"); err != nil {
			t.Errorf("signed: %v", err)
		}
		if err := b.View().Signed("plugin a -x"); !has(err, "nobody signed for it") {
			t.Errorf("another line: %v", err)
		}
		o.away = true
		b.restart()
	}
	o.away = false
	o.put(map[string][]byte{catalog.AllowedPath: allow("builtin disk -w 5%")})
	b.mustRefresh()
	if err := b.View().Signed("plugin a"); err == nil {
		t.Error("taken back, and still signed")
	}
	if lists, _ := filepath.Glob(filepath.Join(b.opts.Trust, "*.allowed")); len(lists) != 1 {
		t.Errorf("lists on disk: %v", lists)
	}
}

func TestWhatTheHubHoldsIsNobodysWord(t *testing.T) {
	o := newOwner(t)
	o.dir = t.TempDir()
	o.served, o.offline = o.dir, o.hubs // one key for everything
	o.found(o.dir, o.hubs, o.hubs)
	o.root = read(t, filepath.Join(o.dir, "1.root.json"))
	script := []byte("#!/bin/sh\n")
	o.put(map[string][]byte{catalog.AllowedPath: allow("plugin a"), "plugin/x": script})
	b := o.box(nil)
	b.mustRefresh()
	if err := b.View().Signed("plugin a"); !has(err, "the hub itself holds the key") {
		t.Errorf("%v", err)
	}
	if err := b.View().Listed("x", plugin("x", script).Hash); err != nil {
		t.Errorf("where the hub is trusted its key is enough for the catalog: %v", err)
	}
}

// Whoever has the hub with its key and folder: nothing he makes is believed, and what was known stays known.
func TestAThiefOfTheHubSignsNothing(t *testing.T) {
	evil := allow("plugin evil")
	for name, steal := range map[string]func(o *owner, thief signing.Key, dir string){
		"a repository of his own": func(o *owner, thief signing.Key, dir string) { o.found(dir, thief, o.hubs) },
		"targets signed with the hub's key": func(o *owner, _ signing.Key, dir string) {
			copyDir(o.t, o.dir, dir)
			r, err := repo.Open(fsys.Disk{}, dir, keys(o.hubs, o.hubs))
			if err != nil {
				o.t.Fatal(err)
			}
			if _, err := r.SetTarget(catalog.AllowedPath, evil); err != nil {
				o.t.Fatal(err)
			}
			if _, err := r.Commit(o.now.Add(time.Hour)); err == nil {
				o.t.Error("the hub's key signed targets")
			}
		},
		"another list under the signed name": func(o *owner, _ signing.Key, dir string) {
			copyDir(o.t, o.dir, dir)
			for _, name := range glob(o.t, dir, "targets/checks/*") {
				if err := os.WriteFile(name, evil, 0o644); err != nil {
					o.t.Fatal(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOwner(t)
			o.put(map[string][]byte{catalog.AllowedPath: allow("plugin good")})
			b := o.box(nil)
			if name != "another list under the signed name" {
				b.mustRefresh()
			}
			dir := t.TempDir()
			steal(o, newKey(t), dir)
			o.served, o.now = dir, o.now.Add(time.Minute)
			err := b.refresh()
			if name != "targets signed with the hub's key" && err == nil { // there nothing new could be made
				t.Error("believed")
			}
			for range 2 {
				if err := b.View().Signed("plugin evil"); err == nil {
					t.Error("the thief's line is signed")
				}
				b.restart()
			}
			o.served, o.now = o.dir, o.now.Add(time.Minute)
			b.mustRefresh()
			if err := b.View().Signed("plugin good"); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

func TestAnOldListIsNotTakenAgain(t *testing.T) {
	o := newOwner(t)
	o.put(map[string][]byte{catalog.AllowedPath: allow("plugin a")})
	old := t.TempDir()
	copyDir(t, o.dir, old)
	o.put(map[string][]byte{catalog.AllowedPath: allow()})
	b := o.box(nil)
	b.mustRefresh()
	// The hub's key signs the old state anew, with versions above all others.
	r, err := repo.Open(fsys.Disk{}, old, keys(newKey(t), o.hubs))
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		r.Refresh(o.now.Add(time.Hour))
		if _, err := r.Commit(o.now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	o.served, o.now = old, o.now.Add(time.Hour)
	if err := b.refresh(); !has(err, "rollback") {
		t.Errorf("%v", err)
	}
	if err := b.View().Signed("plugin a"); err == nil {
		t.Error("the old list counts again")
	}
	if b.restart(); b.View().Signed("plugin a") == nil {
		t.Error("the old list counts after a restart")
	}
}

func TestExpiryStopsUpdatingNeverRunning(t *testing.T) {
	o := newOwner(t)
	o.put(map[string][]byte{catalog.AllowedPath: allow("plugin a")})
	b := o.box(nil)
	b.mustRefresh()
	o.now = o.now.AddDate(2, 0, 0)
	if err := b.refresh(); !has(err, "expired") {
		t.Errorf("two years later: %v", err)
	}
	b.restart()
	if err := b.View().Signed("plugin a"); err != nil {
		t.Errorf("what was signed does not run any more: %v", err)
	}
	if w := b.View().Warnings(o.now); len(w) == 0 {
		t.Error("nobody is warned")
	}
}

func TestARotationIsFollowed(t *testing.T) {
	o := newOwner(t)
	o.put(map[string][]byte{catalog.AllowedPath: allow("plugin a")})
	b := o.box(nil)
	b.mustRefresh()
	before, next, daily := o.offline, newKey(t), newKey(t)
	hands := ring{before.ID(): before, next.ID(): next, daily.ID(): daily, o.hubs.ID(): o.hubs}
	r, err := repo.Open(fsys.Disk{}, o.dir, hands)
	if err != nil {
		t.Fatal(err)
	}
	for role, key := range map[string]signing.Key{"root": next, "targets": next, "snapshot": daily, "timestamp": daily} {
		if _, err := r.Grant(role, repo.Grant{Keys: []ed25519.PublicKey{key.Public()}, Threshold: 1}, nil); err != nil {
			t.Fatal(err)
		}
	}
	o.now = o.now.Add(time.Minute)
	if _, err := r.Commit(o.now); err != nil {
		t.Fatal(err)
	}
	o.offline, o.hubs = next, daily
	o.put(map[string][]byte{catalog.AllowedPath: allow("plugin b")})
	b.mustRefresh()
	if err := b.View().Signed("plugin b"); err != nil || b.View().Signed("plugin a") == nil {
		t.Errorf("after the rotation: %v", err)
	}
	// What the keys before would have signed is nobody's any more: a repository that goes on from the first root with them.
	o.served = t.TempDir()
	o.found(o.served, before, newKey(t))
	o.now = o.now.Add(time.Minute)
	if err := b.refresh(); err == nil {
		t.Error("the former key is believed")
	}
}

// ring is keys by id.
type ring map[string]signing.Signer

func (r ring) Signers(_ string, ids []string) (out []signing.Signer, _ error) {
	for _, id := range ids {
		if r[id] != nil {
			out = append(out, r[id])
		}
	}
	return out, nil
}

func TestAnotherTrustDocumentBeginsAnew(t *testing.T) {
	o := newOwner(t)
	o.put(map[string][]byte{catalog.AllowedPath: allow("plugin a")})
	b := o.box(nil)
	b.mustRefresh()
	other := newOwner(t)
	other.put(map[string][]byte{catalog.AllowedPath: allow("plugin b")})
	o.root, o.served, o.now = other.root, other.dir, other.now
	b.restart()
	if b.View().Signed("plugin a") == nil {
		t.Error("the former owner's word counts under another's root")
	}
	b.mustRefresh()
	if err := b.View().Signed("plugin b"); err != nil || b.View().Signed("plugin a") == nil {
		t.Errorf("the new owner's word: %v", err)
	}
}

// A list that cannot be fetched leaves the former one standing, over a restart, too.
func TestAListThatIsKeptBackLeavesTheFormer(t *testing.T) {
	o := newOwner(t)
	o.put(map[string][]byte{catalog.AllowedPath: allow("plugin a")})
	b := o.box(nil)
	b.mustRefresh()
	o.put(map[string][]byte{catalog.AllowedPath: allow("plugin b")})
	kept := t.TempDir()
	copyDir(t, o.dir, kept)
	for _, name := range glob(t, kept, "targets/checks/*") {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	o.served = kept
	if err := b.refresh(); err == nil {
		t.Error("no list, no error")
	}
	for range 2 {
		if err := b.View().Signed("plugin a"); err != nil {
			t.Errorf("former list: %v", err)
		}
		b.restart()
	}
	o.served = o.dir
	b.mustRefresh()
	if err := b.View().Signed("plugin b"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestAPluginComesInPiecesAndGoesOn(t *testing.T) {
	o := newOwner(t)
	data := bytes.Repeat([]byte("0123456789abcdef"), 1000)
	o.put(map[string][]byte{"plugin/" + platform + "/x": data})
	b := o.box(nil)
	b.mustRefresh()
	p := plugin("x", data)
	if err := b.View().Listed("x", p.Hash); err != nil {
		t.Fatal(err)
	}
	if _, err := b.content(p); !has(err, "nothing asks for it") {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(filepath.Join(b.opts.Dir, "part-"+p.Hash+".x"), data[:5000], 0o755); err != nil { // what a life before this one brought
		t.Fatal(err)
	}
	o.asked = nil
	b.bring(p)
	if got, err := b.content(p); err != nil || got != string(data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if len(o.asked) != 11 {
		t.Errorf("asked %d times for the 11,000 bytes that were missing", len(o.asked))
	}
	b.Want(nil)
	if left := b.files(); len(left) != 0 {
		t.Errorf("nobody wants them: %v", left)
	}
}

func TestAPartThatIsWrongIsBroughtAnew(t *testing.T) {
	o := newOwner(t)
	data := bytes.Repeat([]byte("x"), 3000)
	o.put(map[string][]byte{"plugin/x": data})
	p := plugin("x", data)
	for name, part := range map[string][]byte{"other bytes": bytes.Repeat([]byte("y"), 1500), "too long": bytes.Repeat([]byte("x"), 3001), "whole and wrong": bytes.Repeat([]byte("y"), 3000)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o.t = t
				b := o.box(nil)
				b.mustRefresh()
				if err := os.WriteFile(filepath.Join(b.opts.Dir, "part-"+p.Hash+".x"), part, 0o755); err != nil {
					t.Fatal(err)
				}
				b.bring(p)
				if got, err := b.content(p); err != nil || got != string(data) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
			})
		})
	}
}

func TestWhatWasChangedOnDiskDoesNotRun(t *testing.T) {
	o := newOwner(t)
	data := []byte("#!/bin/sh\necho good\n")
	o.put(map[string][]byte{"plugin/x": data})
	p := plugin("x", data)
	evil := []byte("#!/bin/sh\necho evil\n") // as long
	for name, tamper := range map[string]func(path string) error{
		"in place": func(path string) error { return os.WriteFile(path, evil, 0o755) },
		"in place, with its old times": func(path string) error {
			info, err := os.Stat(path)
			return errors.Join(err, os.WriteFile(path, evil, 0o755), os.Chtimes(path, info.ModTime(), info.ModTime()))
		},
		"another file": func(path string) error {
			return errors.Join(os.WriteFile(path+".new", evil, 0o755), os.Rename(path+".new", path))
		},
		"cut": func(path string) error { return os.Truncate(path, 5) },
	} {
		for _, restart := range []bool{false, true} {
			b := o.box(nil)
			b.mustRefresh()
			b.bring(p)
			for range 2 {
				if got, err := b.content(p); err != nil || got != string(data) {
					t.Fatalf("%s: before: %q, %v", name, got, err)
				}
			}
			path := filepath.Join(b.opts.Dir, p.Hash+".x")
			nextTick(t)
			if err := tamper(path); err != nil {
				t.Fatal(err)
			}
			if restart {
				b.restart()
				b.Want([]catalog.Plugin{p})
			}
			if got, err := b.content(p); !has(err, "was changed on this disk") {
				t.Errorf("%s, restart %v: %q, %v", name, restart, got, err)
			}
			if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: it still lies there: %v", name, err)
			}
			b.bring(p)
			if got, err := b.content(p); err != nil || got != string(data) {
				t.Errorf("%s: afterwards: %q, %v", name, got, err)
			}
		}
	}
}

// nextTick waits until the clock by which files are stamped has moved on: that of a kernel before 6.13 goes in steps of some milliseconds, and what is changed within one looks unchanged.
func nextTick(t *testing.T) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stamped")
	stamp := func() time.Time {
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.ModTime()
	}
	for first := stamp(); stamp().Equal(first); {
	}
}

// full is a disk that has no room for so many bytes.
type full struct {
	fsys.FS
	room atomic.Int64
}

func (f *full) Open(name string, flag int, perm fs.FileMode) (fsys.File, error) {
	file, err := f.FS.Open(name, flag, perm)
	if err == nil && strings.Contains(name, "part-") {
		file = &fullFile{file, f}
	}
	return file, err
}

type fullFile struct {
	fsys.File
	disk *full
}

func (f *fullFile) WriteAt(b []byte, at int64) (int, error) {
	n, err := f.File.WriteAt(b[:min(len(b), int(f.disk.room.Load()))], at)
	f.disk.room.Add(-int64(n))
	if err == nil && n < len(b) {
		err = syscall.ENOSPC
	}
	return n, err
}

func TestAFullDiskIsSaidAndOthersGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOwner(t)
		large, small := bytes.Repeat([]byte("large"), 1000), []byte("small")
		o.put(map[string][]byte{"plugin/large": large, "plugin/small": small})
		disk, free := &full{FS: fsys.Disk{}}, new(atomic.Int64)
		disk.room.Store(2500)
		free.Store(1 << 40)
		b := o.box(func(c *catalog.Options) {
			c.Disk, c.Space = disk, func(string) (int64, error) { return free.Load(), nil }
		})
		b.mustRefresh()
		ctx, stop := context.WithCancel(t.Context())
		go b.Run(ctx, func() bool { return true })
		b.Want([]catalog.Plugin{plugin("large", large), plugin("small", small)})
		synctest.Wait()
		if _, err := b.content(plugin("large", large)); !has(err, "no space left on device") || !has(err, "not here yet (1 of 5 kB)") {
			t.Errorf("no room: %v", err)
		}
		free.Store(1000)
		disk.room.Store(1 << 20)
		time.Sleep(time.Hour)
		if _, err := b.content(plugin("large", large)); !has(err, "no space left on the disk for it") {
			t.Errorf("less than what results need: %v", err)
		}
		free.Store(1 << 40)
		time.Sleep(time.Hour)
		for name, data := range map[string][]byte{"large": large, "small": small} {
			if got, err := b.content(plugin(name, data)); err != nil || got != string(data) {
				t.Errorf("%s: %d bytes, %v", name, len(got), err)
			}
		}
		stop()
		synctest.Wait()
	})
}

func TestAHubThatIsAwayOrLies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOwner(t)
		data := bytes.Repeat([]byte("data"), 1000)
		o.put(map[string][]byte{"plugin/x": data})
		p := plugin("x", data)
		b := o.box(nil)
		b.mustRefresh()
		good := b.opts.Get
		var lie atomic.Pointer[func(catalog.Piece) (catalog.Piece, error)]
		b.opts.Get = func(ctx context.Context, name string, offset int64) (catalog.Piece, error) {
			p, err := good(ctx, name, offset)
			if l := lie.Load(); l != nil {
				return (*l)(p)
			}
			return p, err
		}
		b.restart()
		ctx, stop := context.WithCancel(t.Context())
		away := func(p catalog.Piece) (catalog.Piece, error) { return p, errors.New("away") }
		lie.Store(&away) // before anything is brought
		go b.Run(ctx, func() bool { return true })
		b.Want([]catalog.Plugin{p})
		for _, c := range []struct {
			lie  func(catalog.Piece) (catalog.Piece, error)
			want string
		}{
			{away, "away"},
			{func(catalog.Piece) (catalog.Piece, error) { return catalog.Piece{Missing: true}, nil }, "does not have it"},
			{func(p catalog.Piece) (catalog.Piece, error) { p.Size++; return p, nil }, "another length"},
			{func(p catalog.Piece) (catalog.Piece, error) { p.Data = nil; return p, nil }, "another length"},
			{func(p catalog.Piece) (catalog.Piece, error) {
				p.Data = append(p.Data, make([]byte, 5000)...)
				return p, nil
			}, "another length"},
			{func(p catalog.Piece) (catalog.Piece, error) { p.Data = bytes.ToUpper(p.Data); return p, nil }, "not what was signed"},
		} {
			lie.Store(&c.lie)
			time.Sleep(time.Hour)
			if _, err := b.content(p); !has(err, c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		}
		lie.Store(nil)
		b.Again()
		synctest.Wait()
		if got, err := b.content(p); err != nil || got != string(data) {
			t.Errorf("afterwards: %d bytes, %v", len(got), err)
		}
		stop()
		synctest.Wait()
	})
}

func TestWhichFileIsListed(t *testing.T) {
	o := newOwner(t)
	all, own, other := []byte("any"), []byte("own"), []byte("other")
	o.put(map[string][]byte{"plugin/x": all, "plugin/" + platform + "/x": own, "plugin/windows-arm64/x": other, "plugin/a/b/c": all})
	b := o.box(nil)
	b.mustRefresh()
	for data, ok := range map[string]bool{"any": true, "own": true, "other": false} {
		if err := b.View().Listed("x", plugin("x", []byte(data)).Hash); (err == nil) != ok {
			t.Errorf("%s: %v", data, err)
		}
	}
	if err := b.View().Listed("c", plugin("c", all).Hash); err == nil {
		t.Error("a plugin in some other folder is listed")
	}
	// What ran before goes on under its name until another revision is taken, and ends when the name is gone.
	b.bring(plugin("x", all))
	o.put(map[string][]byte{"plugin/x": []byte("newer"), "plugin/" + platform + "/x": nil})
	b.mustRefresh()
	if err := b.View().Listed("x", plugin("x", all).Hash); !has(err, "another file of this name") {
		t.Errorf("new: %v", err)
	}
	if err := b.Kept().Listed("x", plugin("x", all).Hash); err != nil {
		t.Errorf("kept: %v", err)
	}
	if err := b.Kept().Listed("x", plugin("x", own).Hash); err == nil {
		t.Error("kept, and not here")
	}
	o.put(map[string][]byte{"plugin/x": nil})
	b.mustRefresh()
	if err := b.Kept().Listed("x", plugin("x", all).Hash); !has(err, "does not have it") {
		t.Errorf("gone: %v", err)
	}
}

func copyDir(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

func glob(t *testing.T, dir, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %v %v", pattern, names, err)
	}
	slices.Sort(names)
	return names
}
