package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing"
	"github.com/limpet-monitoring/limpet/signing/repo"
	"github.com/limpet-monitoring/limpet/signing/trust"
	"github.com/limpet-monitoring/limpet/signing/tuf"
)

var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "limpet-fetch-")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "limpet-fetch")
	build := exec.Command("go", "build", "-trimpath", "-tags", "nethttpomithttp2", "-ldflags", "-s -w -buildid=", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, text)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// publisher is a release repository in a folder.
type publisher struct {
	t    *testing.T
	dir  string
	repo *repo.Repo
}

func newPublisher(t *testing.T) *publisher {
	t.Helper()
	keys, dir := map[string]signing.Key{}, t.TempDir()
	r, err := repo.Create(fsys.Disk{}, dir, func(role string) (signing.Key, error) {
		var err error
		if _, ok := keys[role]; !ok {
			keys[role], err = signing.Generate(true)
		}
		return keys[role], err
	}, true)
	if err != nil {
		t.Fatal(err)
	}
	return &publisher{t, dir, r}
}

// publish lists a release and signs everything anew.
func (p *publisher) publish(version string, core []byte, at time.Time, waves ...tuf.Wave) *publisher {
	p.t.Helper()
	rel := repo.Release{Channel: "stable", Version: version, Soak: 10 * time.Second, Contract: 1, Waves: waves}
	if _, err := p.repo.AddRelease(rel, map[string][]byte{platform: core}); err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.repo.Commit(at); err != nil {
		p.t.Fatal(err)
	}
	return p
}

func randomCore(size int) []byte {
	b := make([]byte, size)
	rand.Read(b)
	return b
}

// hub serves what a real one serves to a bootstrap.
type hub struct {
	t        *testing.T
	server   *httptest.Server
	document []byte

	mu      sync.Mutex // guards what follows
	asked   []string
	meddle  func(w http.ResponseWriter, r *http.Request) bool // true: it has answered
	release string
}

func newHub(t *testing.T, p *publisher) *hub {
	t.Helper()
	h := &hub{t: t, release: p.dir}
	h.server = httptest.NewTLSServer(h)
	t.Cleanup(h.server.Close)
	h.trust(p)
	return h
}

// trust makes the hub's document anew: another hub key and site root.
func (h *hub) trust(p *publisher) {
	h.t.Helper()
	h.name(p, h.server.Certificate().Raw)
}

// name is trust with any CA.
func (h *hub) name(p *publisher, ca []byte) {
	h.t.Helper()
	key, err := signing.Generate(true)
	if err != nil {
		h.t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca})
	d := trust.Document{HubKey: key.Public(), CA: string(text), CoreRoot: p.repo.Root(), SiteRoot: []byte(`{"site":"` + key.ID() + `"}`)}
	if h.document, err = d.Marshal(); err != nil {
		h.t.Fatal(err)
	}
	h.release = p.dir
}

// ownCA makes a CA that nobody uses.
func ownCA(t *testing.T) []byte {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "another hub"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func (h *hub) token() string {
	h.t.Helper()
	token, err := trust.NewToken(trust.Hash(h.document))
	if err != nil {
		h.t.Fatal(err)
	}
	return token.String()
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	h.asked = append(h.asked, r.Header.Get("Range")+" "+r.URL.Path)
	meddle, release := h.meddle, h.release
	h.mu.Unlock()
	if meddle != nil && meddle(w, r) {
		return
	}
	hash := trust.Hash(h.document)
	switch {
	case r.URL.Path == "/trust/"+hex.EncodeToString(hash[:]):
		w.Write(h.document)
	case strings.HasPrefix(r.URL.Path, "/release/"):
		http.StripPrefix("/release/", http.FileServer(http.Dir(release))).ServeHTTP(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (h *hub) requests() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.asked, "\n")
}

// result is one run of the program.
type result struct {
	out, err string
	code     int
	peak     int // kB resident
}

// box is a root that bootstraps are made in.
type testBox struct {
	t *testing.T
	platforms.Layout
}

func newBox(t *testing.T) *testBox {
	t.Helper()
	l, err := platforms.At(filepath.Join(t.TempDir(), "box"))
	if err != nil {
		t.Fatal(err)
	}
	return &testBox{t, l}
}

func (b *testBox) bootstrap(h *hub, token string, more ...string) result {
	b.t.Helper()
	args := append([]string{"bootstrap", "--root", b.Root, "--hub", h.server.URL}, more...)
	if token != "" {
		args = append(args, "--token-file", "-")
	}
	return b.run(token, nil, args...)
}

func (b *testBox) run(stdin string, env []string, args ...string) result {
	b.t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	ended, peak := make(chan struct{}), make(chan int)
	go func() { peak <- watchPeak(cmd.Process.Pid, ended) }()
	_ = cmd.Wait()
	close(ended)
	return result{out.String(), err.String(), cmd.ProcessState.ExitCode(), <-peak}
}

// watchPeak reads a process' high-water mark of resident memory, in kB, until it has ended. (What wait
// reports counts the memory of the parent at the fork.)
func watchPeak(pid int, ended <-chan struct{}) int {
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	peak := 0
	for {
		data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if _, rest, ok := strings.Cut(string(data), "VmHWM:"); ok {
			kb, _ := strconv.Atoi(strings.Fields(rest)[0])
			peak = max(peak, kb)
		}
		select {
		case <-ticker.C:
		case <-ended:
			return peak
		}
	}
}

// expect fails the test unless the program ended with a code, and where that is not 0 said one error
// with these words and one hint.
func (r result) expect(t *testing.T, code int, words ...string) {
	t.Helper()
	bad := r.code != code
	for _, w := range words {
		bad = bad || !strings.Contains(r.out+r.err, w)
	}
	if code == 0 {
		bad = bad || r.err != ""
	} else {
		bad = bad || !strings.HasPrefix(r.err, "error: ") || strings.Count(r.err, "\n") != 2 || !strings.Contains(r.err, "\nhint: ")
	}
	if bad {
		t.Fatalf("exit code %d, want %d with %q\n%s%s", r.code, code, words, r.out, r.err)
	}
}
