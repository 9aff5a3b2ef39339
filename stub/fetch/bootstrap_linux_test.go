package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing/tuf"
	"github.com/limpet-monitoring/limpet/updater/boot"
	"github.com/limpet-monitoring/limpet/updater/store"
)

func (b *testBox) read(path string) string {
	b.t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(data)
}

// placed lists the cores in ver/.
func (b *testBox) placed() []store.Entry {
	b.t.Helper()
	list, err := store.In(b.Layout).List()
	if err != nil {
		b.t.Fatal(err)
	}
	return list
}

// tree is every file below the root with its content's hash.
func (b *testBox) tree() map[string]string {
	files := map[string]string{}
	filepath.WalkDir(b.Root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			data, _ := os.ReadFile(path)
			files[strings.TrimPrefix(path, b.Root)] = fmt.Sprintf("%x", sha256.Sum256(data))
		}
		return nil
	})
	return files
}

func TestBootstrap(t *testing.T) {
	core := randomCore(1 << 20)
	p := newPublisher(t).publish("1.0.0", randomCore(1000), time.Now()).publish("1.1.0", core, time.Now())
	h, b := newHub(t, p), newBox(t)
	token := h.token()
	r := b.bootstrap(h, token)
	r.expect(t, 0, "trust document: as the token says", "development keys", "core 1.1.0 (release 2) verified and placed", "token kept")

	hash := sha256.Sum256(core)
	if list := b.placed(); len(list) != 1 || list[0].Hash != hash || list[0].Counter != 2 {
		t.Errorf("placed %v", list)
	}
	if got := b.read(b.CoreFile(2, hex.EncodeToString(hash[:]))); got != string(core) {
		t.Error("other bytes were placed")
	}
	if b.read(b.TrustDocument()) != string(h.document) || !strings.Contains(b.read(filepath.Join(b.TrustSite(), "root.json")), "site") {
		t.Error("first trust is not kept")
	}
	for _, name := range []string{"root", "timestamp", "snapshot", "targets", "stable-" + platform} {
		b.read(filepath.Join(b.TrustCore(), name+".json"))
	}
	if !strings.Contains(b.read(b.BoxFile()), "\nhub = "+h.server.URL+"\n") {
		t.Errorf("box file %s", b.read(b.BoxFile()))
	}
	if info, err := os.Stat(b.Token()); err != nil || info.Mode() != 0o600 || b.read(b.Token()) != token+"\n" {
		t.Errorf("token %v %v", info, err)
	}
	for i := range 2 {
		if b.read(b.Record(i)) != string(make([]byte, boot.Size)) {
			t.Error("the record is not for limpet-fetch to write")
		}
	}
	if names, _ := os.ReadDir(b.Install()); len(names) != 1 || names[0].Name() != "lock" {
		t.Errorf("left in install: %v", names)
	}

	// Once more, with everything there: nothing changes, nothing but metadata is asked for.
	before, asked := b.tree(), len(h.requests())
	b.bootstrap(h, token).expect(t, 0, "core 1.1.0 (release 2) is in place")
	if after := b.tree(); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("%v\nbecame %v", before, after)
	}
	if more := h.requests()[asked:]; strings.Contains(more, "limpet-core") || strings.Contains(more, "/trust/") {
		t.Errorf("asked for %s", more)
	}
	b.bootstrap(h, "").expect(t, 0, "is in place")
}

func TestBootstrapFromAFolder(t *testing.T) {
	p := newPublisher(t).publish("1.0.0", randomCore(5000), time.Now())
	h, b := newHub(t, p), newBox(t)
	h.release = t.TempDir() // the hub itself has none
	b.bootstrap(h, h.token(), "--mirror", p.dir).expect(t, 0, "core 1.0.0 (release 1) verified and placed")
}

func TestTokenWays(t *testing.T) {
	p := newPublisher(t).publish("1.0.0", randomCore(5000), time.Now())
	h := newHub(t, p)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("\n "+h.token()+" \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := newBox(t)
	b.bootstrap(h, "", "--token-file", file).expect(t, 0)
	b = newBox(t)
	b.run("", []string{"LIMPET_TOKEN=" + h.token()}, "bootstrap", "--root", b.Root, "--hub", h.server.URL).expect(t, 0)
	b = newBox(t)
	b.run("", []string{"LIMPET_ROOT=" + b.Root, "LIMPET_TOKEN=" + h.token()}, "bootstrap", "--hub", h.server.URL).expect(t, 0)
	if len(b.placed()) != 1 {
		t.Error("LIMPET_ROOT is not heeded")
	}
	// An enrolled box does not get a used token back.
	if err := os.Remove(b.Token()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.Finger(), []byte("ab"), 0o644); err != nil {
		t.Fatal(err)
	}
	b.bootstrap(h, h.token()).expect(t, 0, "has its identity already")
	if _, err := os.Stat(b.Token()); err == nil {
		t.Error("a token was kept")
	}
}

func TestBadInputGetsOneClearLine(t *testing.T) {
	p := newPublisher(t).publish("1.0.0", randomCore(5000), time.Now())
	h := newHub(t, p)
	token := h.token()
	other := newHub(t, newPublisher(t).publish("1.0.0", randomCore(10), time.Now()))
	empty := newPublisher(t)
	mistyped := []byte(token)
	mistyped[20] ^= 1
	tests := []struct {
		name  string
		stdin string
		args  []string
		code  int
		words string
	}{
		{"no hub", token, []string{"--token-file", "-"}, exitUsage, "--hub"},
		{"hub without a scheme", token, []string{"--hub", "127.0.0.1:8700", "--token-file", "-"}, exitUsage, "https://"},
		{"unknown flag", token, []string{"--hubb", "x"}, exitUsage, "hubb"},
		{"token as an argument", "", []string{"--hub", h.server.URL, token}, exitUsage, ""},
		{"no token", "", []string{"--hub", h.server.URL}, exitUsage, "no token was given"},
		{"empty stdin", "", []string{"--hub", h.server.URL, "--token-file", "-"}, exitUsage, "no token on stdin"},
		{"no such file", "", []string{"--hub", h.server.URL, "--token-file", "/nowhere"}, exitUsage, "/nowhere"},
		{"mistyped", string(mistyped), []string{"--hub", h.server.URL, "--token-file", "-"}, exitUntrusted, "typing error"},
		{"cut short", token[:40], []string{"--hub", h.server.URL, "--token-file", "-"}, exitUntrusted, ""},
		{"no token at all", "swordfish", []string{"--hub", h.server.URL, "--token-file", "-"}, exitUntrusted, "token"},
		{"another hub's", other.token(), []string{"--hub", h.server.URL, "--token-file", "-"}, exitUntrusted, "does not know the trust document"},
		{"nobody there", token, []string{"--hub", "https://" + refusing(t), "--token-file", "-"}, exitUnreachable, "refused"},
		{"no such name", token, []string{"--hub", "https://hub.invalid:1", "--token-file", "-"}, exitUnreachable, "hub.invalid"},
		{"no releases", token, []string{"--hub", h.server.URL, "--mirror", empty.dir, "--token-file", "-"}, exitUnreachable, "missing"},
		{"no such folder", token, []string{"--hub", h.server.URL, "--mirror", "/nowhere", "--token-file", "-"}, exitUnreachable, "missing"},
		{"no such channel", token, []string{"--hub", h.server.URL, "--channel", "beta", "--token-file", "-"}, exitNoCore, "channel beta"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBox(t)
			r := b.run(tt.stdin, nil, append([]string{"bootstrap", "--root", b.Root}, tt.args...)...)
			r.expect(t, tt.code, tt.words)
			if strings.Contains(r.out+r.err, token) {
				t.Errorf("the token is shown: %s%s", r.out, r.err)
			}
			if list := b.placed(); len(list) != 0 {
				t.Errorf("placed %v", list)
			}
		})
	}
}

// refusing is an address at which nobody listens, and which nobody else is given meanwhile.
func refusing(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	at, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", at.(*syscall.SockaddrInet4).Port)
}

// evil answers requests below a path with something else.
func evil(path string, answer []byte) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, path) {
			return false
		}
		w.Write(answer)
		return true
	}
}

func TestWhatIsNotSignedIsRefused(t *testing.T) {
	core := randomCore(100_000)
	p := newPublisher(t).publish("1.0.0", core, time.Now())
	stranger := newPublisher(t).publish("1.0.0", core, time.Now())
	timestamp, err := os.ReadFile(filepath.Join(stranger.dir, "timestamp.json"))
	if err != nil {
		t.Fatal(err)
	}
	bent := bytes.Clone(core)
	bent[5] ^= 1
	for name, tt := range map[string]struct {
		meddle func(http.ResponseWriter, *http.Request) bool
		words  string
	}{
		"trust document":    {evil("/trust/", []byte(`{"version":1}`)), "not the one that the token names"},
		"long document":     {evil("/trust/", make([]byte, 300<<10)), "longer than it may be"},
		"wrong signature":   {evil("timestamp.json", timestamp), "not signed"},
		"no JSON":           {evil("timestamp.json", []byte("<html>")), "malformed"},
		"endless metadata":  {evil("timestamp.json", make([]byte, 1<<20)), ""},
		"core with one bit": {evil("limpet-core", bent), "not the bytes that were signed"},
		"core too long":     {evil("limpet-core", append(bytes.Clone(core), 1)), "longer than it may be"},
	} {
		t.Run(name, func(t *testing.T) {
			h, b := newHub(t, p), newBox(t)
			h.meddle = tt.meddle
			b.bootstrap(h, h.token()).expect(t, exitUntrusted, tt.words)
			if list := b.placed(); len(list) != 0 {
				t.Errorf("placed %v", list)
			}
			// Nothing of it sticks: with an honest hub the same box comes up.
			h.mu.Lock()
			h.meddle = nil
			h.mu.Unlock()
			b.bootstrap(h, h.token()).expect(t, 0, "verified and placed")
		})
	}
}

// After first trust the line to the hub is verified: somebody between is found out.
func TestHubsCertificateIsPinned(t *testing.T) {
	p := newPublisher(t).publish("1.0.0", randomCore(1000), time.Now())
	h, b := newHub(t, p), newBox(t)
	h.name(p, ownCA(t)) // the document names a CA that is not the server's
	b.bootstrap(h, h.token()).expect(t, exitUntrusted, "certificate")
	if list := b.placed(); len(list) != 0 {
		t.Errorf("placed %v", list)
	}
}

func TestExpiredMetadata(t *testing.T) {
	p := newPublisher(t).publish("1.0.0", randomCore(1000), time.Now().AddDate(0, 0, -30))
	h, b := newHub(t, p), newBox(t)
	b.bootstrap(h, h.token()).expect(t, exitTime, "expired", "clock or freeze")
	if list := b.placed(); len(list) != 0 {
		t.Errorf("placed %v", list)
	}
}

func TestResume(t *testing.T) {
	core := randomCore(3 << 20)
	p := newPublisher(t).publish("1.0.0", core, time.Now())
	h, b := newHub(t, p), newBox(t)
	hash := sha256.Sum256(core)
	if err := b.MakeFolders(); err != nil {
		t.Fatal(err)
	}
	part := filepath.Join(b.Install(), hex.EncodeToString(hash[:]))
	if err := os.WriteFile(part, core[:1<<20], 0o644); err != nil {
		t.Fatal(err)
	}
	b.bootstrap(h, h.token()).expect(t, 0, "verified and placed")
	if !strings.Contains(h.requests(), "bytes=1048576- /release/targets/core/stable/"+platform+"/1.0.0/") {
		t.Errorf("asked for\n%s", h.requests())
	}
}

func TestMemoryDoesNotGrowWithTheCore(t *testing.T) {
	p := newPublisher(t).publish("1.0.0", randomCore(40<<20), time.Now())
	h, b := newHub(t, p), newBox(t)
	r := b.bootstrap(h, h.token())
	r.expect(t, 0, "verified and placed")
	t.Logf("peak %d kB", r.peak)
	if r.peak > 32<<10 || r.peak == 0 {
		t.Errorf("peak %d kB resident", r.peak)
	}
}

func TestSize(t *testing.T) {
	info, err := os.Stat(program)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("limpet-fetch: %d bytes", info.Size())
	if info.Size() > 7_000_000 {
		t.Errorf("%d bytes", info.Size())
	}
}

// adopt writes the record as the first `limpet run` does.
func (b *testBox) adopt(core []byte, counter uint64) boot.Record {
	b.t.Helper()
	c := boot.Core{Counter: counter, Length: int64(len(core)), Hash: sha256.Sum256(core)}
	sectors, r, _ := boot.Load(fsys.Disk{}, [2]string{b.Record(0), b.Record(1)})
	r.Good, r.Factory = c, c
	r, err := sectors.Save(r)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

func TestBoxWithARecord(t *testing.T) {
	first, second := randomCore(2000), randomCore(3000)
	p := newPublisher(t).publish("1.0.0", first, time.Now())
	h, b := newHub(t, p), newBox(t)
	b.bootstrap(h, h.token()).expect(t, 0)
	record := b.adopt(first, 1)

	// A newer release is not for bootstrap to bring: that is an update.
	p.publish("2.0.0", second, time.Now())
	b.bootstrap(h, "").expect(t, 0, "runs release 1", "release 2 (2.0.0) is listed", "--anew")
	if list := b.placed(); len(list) != 1 {
		t.Errorf("placed %v", list)
	}

	// What the record names is placed again where it is damaged.
	path := b.CoreFile(1, hex.EncodeToString(record.Good.Hash[:]))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	b.bootstrap(h, "").expect(t, 0, "damaged", "core 1.0.0 (release 1) verified and placed")

	// --anew is for a stopped box.
	lock, err := platforms.Take(b.StubLock())
	if err != nil {
		t.Fatal(err)
	}
	b.bootstrap(h, "", "--anew").expect(t, exitSecond, "limpet runs here")
	lock.Release()
	b.bootstrap(h, "", "--anew").expect(t, 0, "core 2.0.0 (release 2) verified and placed", "the record is forgotten")
	if _, _, found := boot.Load(fsys.Disk{}, [2]string{b.Record(0), b.Record(1)}); found {
		t.Error("the record is still there")
	}
	if !boot.Blank(fsys.Disk{}, [2]string{b.Record(0), b.Record(1)}) {
		t.Error("the record is damaged, not blank")
	}
}

func TestPinOfTheBoxFile(t *testing.T) {
	p := newPublisher(t).publish("1.0.0", randomCore(100), time.Now()).publish("2.0.0", randomCore(200), time.Now())
	h, b := newHub(t, p), newBox(t)
	if err := os.MkdirAll(b.Etc, 0o755); err != nil {
		t.Fatal(err)
	}
	conf := "hub = " + h.server.URL + "\npin = 1.0.0\n"
	if err := os.WriteFile(b.BoxFile(), []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	b.run(h.token(), nil, "bootstrap", "--root", b.Root, "--token-file", "-").expect(t, 0, "core 1.0.0 (release 1)")
	if b.read(b.BoxFile()) != conf {
		t.Error("the box file was written to")
	}
}

// TestNewBoxIsLast: a release that is not open to all, or held, is not what a new box begins with, unless there is no other.
func TestNewBoxIsLast(t *testing.T) {
	now := time.Now()
	closed := []tuf.Wave{{From: now.Add(-time.Hour), Percent: 99}, {From: now.Add(time.Hour), Percent: 100}}
	p := newPublisher(t).publish("1.0.0", randomCore(100), now, closed...)
	h := newHub(t, p)
	newBox(t).bootstrap(h, h.token()).expect(t, 0, "core 1.0.0 (release 1) verified and placed")
	p.publish("2.0.0", randomCore(200), now).publish("3.0.0", randomCore(300), now).publish("4.0.0", randomCore(400), now, closed...)
	h.meddle = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/release/hold" {
			fmt.Fprintln(w, "3.0.0")
			return true
		}
		return false
	}
	newBox(t).bootstrap(h, h.token()).
		expect(t, 0, "release 4 (4.0.0) is not open to all boxes yet: this one begins with 2.0.0")
}

func TestHubSetUpAnew(t *testing.T) {
	p := newPublisher(t).publish("1.0.0", randomCore(100), time.Now())
	h, b := newHub(t, p), newBox(t)
	b.bootstrap(h, h.token()).expect(t, 0)
	keys := filepath.Join(filepath.Dir(b.TrustDocument()), "hub-keys")
	if err := os.WriteFile(keys, []byte("ab\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	old := b.read(filepath.Join(b.TrustSite(), "root.json"))

	h.trust(p) // another hub key and site root, the same publisher
	b.bootstrap(h, h.token()).expect(t, 0, "the hub's trust document changed")
	if b.read(b.TrustDocument()) != string(h.document) || b.read(filepath.Join(b.TrustSite(), "root.json")) == old {
		t.Error("the former hub is still trusted")
	}
	if _, err := os.Stat(keys); err == nil {
		t.Error("keys that the former hub led to are still believed")
	}

	// Another publisher: only if the owner says so.
	other := newPublisher(t).publish("5.0.0", randomCore(300), time.Now())
	h.trust(other)
	b.bootstrap(h, h.token()).expect(t, exitUntrusted, "another publisher", "--anew")
	if b.read(b.TrustDocument()) == string(h.document) {
		t.Error("trusted all the same")
	}
	b.bootstrap(h, h.token(), "--anew").expect(t, 0, "core 5.0.0 (release 1) verified and placed")
}

func TestTwoAtOnce(t *testing.T) {
	p := newPublisher(t).publish("1.0.0", randomCore(100), time.Now())
	h, b := newHub(t, p), newBox(t)
	if err := b.MakeFolders(); err != nil {
		t.Fatal(err)
	}
	lock, err := platforms.Take(filepath.Join(b.Install(), "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	b.bootstrap(h, h.token()).expect(t, exitSecond, "another limpet-fetch")
}

func TestProbe(t *testing.T) {
	p := newPublisher(t).publish("1.0.0", randomCore(100), time.Now())
	h, b := newHub(t, p), newBox(t)
	b.run("", nil, "probe", h.server.URL, "--root", b.Root).expect(t, exitUntrusted, "certificate")
	b.bootstrap(h, h.token()).expect(t, 0)
	before := len(b.tree())
	b.run("", nil, "probe", "--root", b.Root, h.server.URL+"/healthz").expect(t, 0, "answers 404", "way: resolver, 127.0.0.1:")
	if len(b.tree()) != before {
		t.Error("a look left a trace")
	}
	b.run("", nil, "probe", "--root", b.Root, "https://"+refusing(t)).expect(t, exitUnreachable, "refused")
	b.run("", nil, "probe", "somewhere").expect(t, exitUsage, "URL")
}

func TestCommands(t *testing.T) {
	b := newBox(t)
	b.run("", nil, "version").expect(t, 0, "limpet-fetch dev ("+platform+")")
	b.run("", nil).expect(t, 0, "bootstrap")
	b.run("", nil, "steal").expect(t, exitUsage, "unknown command steal")
	if _, err := os.Stat(b.Root); err == nil {
		t.Error("something was made")
	}
}
