package mirror

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing"
	"github.com/limpet-monitoring/limpet/signing/repo"
	"github.com/limpet-monitoring/limpet/updater/fetch"
)

// publisher is a release repository that a test adds to.
type publisher struct {
	t    *testing.T
	dir  string
	keys repo.Keys
}

func newPublisher(t *testing.T) *publisher {
	t.Helper()
	key, err := signing.Generate(true)
	if err != nil {
		t.Fatal(err)
	}
	p := &publisher{t, t.TempDir(), func(string) (signing.Key, error) { return key, nil }}
	r, err := repo.Create(fsys.Disk{}, p.dir, p.keys, true)
	p.commit(r, err)
	return p
}

func (p *publisher) commit(r *repo.Repo, err error) {
	p.t.Helper()
	if err == nil {
		_, err = r.Commit(time.Now())
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// publish lists a core and a program of the stub.
func (p *publisher) publish(version string, core []byte) {
	p.t.Helper()
	r, err := repo.Open(fsys.Disk{}, p.dir, p.keys)
	if err == nil {
		_, err = r.AddRelease(repo.Release{Channel: "stable", Version: version, Soak: 3 * time.Second, Contract: 1}, map[string][]byte{"linux-amd64": core})
	}
	if err == nil {
		_, err = r.AddProgram("linux-amd64", version, "limpet", []byte("stub "+version))
	}
	p.commit(r, err)
}

func (p *publisher) mirror(place string) *fetch.Mirror {
	p.t.Helper()
	m, err := fetch.New(place, http.DefaultTransport)
	if err != nil {
		p.t.Fatal(err)
	}
	return m
}

// follows is a new copy that trusts the publisher.
func (p *publisher) follows() (*Copy, string) {
	p.t.Helper()
	dir := filepath.Join(p.t.TempDir(), "copy")
	c := NewCopy(dir, slog.New(slog.DiscardHandler))
	if _, err := c.Trust(p.t.Context(), p.mirror(p.dir), nil); err != nil {
		p.t.Fatal(err)
	}
	return c, dir
}

// same compares the files that a repository serves.
func (p *publisher) same(dir string) {
	p.t.Helper()
	ours, theirs := served(p.t, dir), served(p.t, p.dir)
	for name, data := range theirs {
		if strings.Count(name, ".") == 2 && !strings.HasPrefix(name, "targets/") && ours[name] == "" && !strings.HasSuffix(name, ".root.json") {
			continue // metadata of an earlier publication
		}
		if ours[name] != data {
			p.t.Errorf("%s is not what the publisher has", name)
		}
	}
	for name := range ours {
		if theirs[name] == "" {
			p.t.Errorf("%s comes from nowhere", name)
		}
	}
	r, err := repo.Open(fsys.Disk{}, dir, nil)
	if err != nil {
		p.t.Fatalf("the copy is no repository: %v", err)
	}
	for _, folder := range wanted {
		targets, err := r.Set().Under(folder)
		if err != nil {
			p.t.Fatal(err)
		}
		for _, target := range targets {
			if ours[target.File] == "" {
				p.t.Errorf("%s is listed and not there", target.File)
			}
		}
	}
}

func served(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(d.Name(), ".") && d.IsDir():
			return filepath.SkipDir
		case d.IsDir() || strings.HasPrefix(d.Name(), "."):
			return nil
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		files[filepath.ToSlash(name)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestCopyIsWhatThePublisherHas(t *testing.T) {
	p := newPublisher(t)
	p.publish("0.1.0", []byte("core one"))
	c, dir := p.follows()
	for i, want := range []bool{true, false} { // the second time there is nothing new
		if changed, err := c.Bring(t.Context(), p.mirror(p.dir)); err != nil || changed != want {
			t.Fatalf("round %d: %v, %v", i, changed, err)
		}
	}
	p.same(dir)
	p.publish("0.2.0", []byte("core two"))
	if changed, err := c.Bring(t.Context(), p.mirror(p.dir)); err != nil || !changed {
		t.Fatalf("a release later: %v, %v", changed, err)
	}
	p.same(dir)
}

func TestCopyTakesNothingFromStrangers(t *testing.T) {
	p, stranger := newPublisher(t), newPublisher(t)
	p.publish("0.1.0", []byte("core"))
	stranger.publish("9.9.9", []byte("evil"))
	c, dir := p.follows()
	if _, err := c.Bring(t.Context(), p.mirror(p.dir)); err != nil {
		t.Fatal(err)
	}
	if changed, err := c.Bring(t.Context(), p.mirror(stranger.dir)); err == nil || changed {
		t.Errorf("somebody else's releases: %v, %v", changed, err)
	}
	p.same(dir)

	lastWeek := t.TempDir()
	if err := os.CopyFS(lastWeek, os.DirFS(p.dir)); err != nil {
		t.Fatal(err)
	}
	p.publish("0.2.0", []byte("core two"))
	if _, err := c.Bring(t.Context(), p.mirror(p.dir)); err != nil {
		t.Fatal(err)
	}
	if changed, err := c.Bring(t.Context(), p.mirror(lastWeek)); err == nil || changed {
		t.Errorf("last week's metadata: %v, %v", changed, err)
	}
	p.same(dir)
}

// A mirror that ends every download halfway is waited out; one that gives other bytes leaves everything as it was.
func TestCopyGoesOnWhereItWasCutOff(t *testing.T) {
	p := newPublisher(t)
	p.publish("0.1.0", []byte(strings.Repeat("core", 1000)))
	c, dir := p.follows()
	var lies atomic.Bool
	lies.Store(true)
	files := http.FileServer(http.Dir(p.dir))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if lies.Load() && strings.HasSuffix(r.URL.Path, ".limpet-core") {
			_, _ = w.Write([]byte(strings.Repeat("evil", 1000)))
			return
		}
		files.ServeHTTP(w, r)
	}))
	defer server.Close()
	if _, err := c.Bring(t.Context(), p.mirror(server.URL)); !errors.Is(err, fetch.ErrWrongHash) {
		t.Fatalf("other bytes: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "timestamp.json")); !errors.Is(err, os.ErrNotExist) {
		t.Error("a release is announced whose bytes are not there")
	}
	lies.Store(false)
	if changed, err := c.Bring(t.Context(), p.mirror(server.URL)); err != nil || !changed {
		t.Fatalf("honest again: %v, %v", changed, err)
	}
	p.same(dir)
}

func TestTrustNeedsTheRightRoot(t *testing.T) {
	p := newPublisher(t)
	root, err := os.ReadFile(filepath.Join(p.dir, "1.root.json"))
	if err != nil {
		t.Fatal(err)
	}
	right, wrong := sha256.Sum256(root), sha256.Sum256(nil)
	c := NewCopy(t.TempDir(), slog.New(slog.DiscardHandler))
	if _, err := c.Bring(t.Context(), p.mirror(p.dir)); !errors.Is(err, ErrNoRoot) {
		t.Errorf("without a root: %v", err)
	}
	if _, err := c.Trust(t.Context(), p.mirror(p.dir), &wrong); err == nil || c.Trusts() {
		t.Errorf("another root: %v", err)
	}
	if got, err := c.Trust(t.Context(), p.mirror(p.dir), &right); err != nil || got != right || !c.Trusts() {
		t.Errorf("the right root: %v", err)
	}
}

func TestPlaces(t *testing.T) {
	p := newPublisher(t)
	p.publish("0.1.0", []byte("core"))
	data := t.TempDir()
	changed := make(chan struct{}, 1)
	opened := func(dir string) *Places {
		t.Helper()
		places, err := OpenPlaces(filepath.Join(data, "mirrors.json"), dir, func() { changed <- struct{}{} }, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return places
	}
	places := opened(filepath.Join(data, "release"))
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { places.Run(ctx) })
	defer running.Wait() // it writes below data, which goes with the test
	defer cancel()
	for place, root := range map[string]string{"": "", "relative": "", "ftp://x": "", "http://127.0.0.1:1/": "", p.dir: strings.Repeat("0", 64), p.dir + "/none": "x"} {
		if _, err := places.Add(ctx, place, root); !errors.Is(err, ErrPlace) {
			t.Errorf("add %q: %v", place, err)
		}
	}
	added, err := places.Add(ctx, p.dir, "")
	if err != nil || len(added.Root) != hex.EncodedLen(sha256.Size) {
		t.Fatalf("added %+v, %v", added, err)
	}
	<-changed // at once
	p.same(filepath.Join(data, "release"))
	again := opened("")
	if l := again.List(); len(l) != 1 || l[0].Place != p.dir || l[0].Error != "" {
		t.Errorf("kept %+v", l)
	}
	if _, err := again.Add(ctx, p.dir, ""); !errors.Is(err, ErrFixed) {
		t.Errorf("a hub with a given folder: %v", err)
	}
	if err := errors.Join(places.Remove(p.dir)); err != nil || len(places.List()) != 0 {
		t.Errorf("removed: %v", err)
	}
	if err := places.Remove(p.dir); !errors.Is(err, ErrUnknown) {
		t.Errorf("removed twice: %v", err)
	}
}

func TestHolds(t *testing.T) {
	name := filepath.Join(t.TempDir(), "hold")
	h, err := OpenHolds(name)
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	h.OnChange(func() { told++ })
	hash := strings.Repeat("ab", 32)
	for _, what := range []string{"0.2.0", hash, "0.2.0"} {
		if err := h.Hold(what); err != nil {
			t.Error(err)
		}
	}
	for _, what := range []string{"", "a b", "../x", "x\ny", strings.Repeat("a", 65)} {
		if err := h.Hold(what); !errors.Is(err, ErrNoHold) {
			t.Errorf("held %q: %v", what, err)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/release/hold", nil))
	if w.Body.String() != "0.2.0\n"+hash+"\n" {
		t.Errorf("served %q", w.Body)
	}
	if again, err := OpenHolds(name); err != nil || !again.Has("0.2.0", "") || !again.Has("", hash) || again.Has("0.1.0", "ff") {
		t.Errorf("read again: %v", err)
	}
	if err := h.Unhold("0.2.0"); err != nil || h.Has("0.2.0", "") {
		t.Error(err)
	}
	if err := h.Unhold("0.2.0"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("unheld twice: %v", err)
	}
	if told != 4 {
		t.Errorf("told %d times", told)
	}
}
