package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/core/internal/doctor"
	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/platforms"
)

// doctor runs `limpet doctor --json`, below what is given (unshare and its like), with a hub named in the box file.
func (b *box) doctor(hub string, more ...string) doctor.Report {
	b.t.Helper()
	b.configure(hub, more...)
	return b.examine()
}

func (b *box) configure(hub string, more ...string) {
	b.t.Helper()
	lines := append([]string{"hub = " + hub}, more...)
	if err := os.WriteFile(b.layout.BoxFile(), []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

func (b *box) examine(below ...string) doctor.Report {
	b.t.Helper()
	args := append(below, coreFile, "doctor", "--json", "--root", b.layout.Root)
	cmd := exec.Command(args[0], args[1:]...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	var r doctor.Report
	if e := json.Unmarshal(out, &r); e != nil {
		b.t.Fatalf("%v: %v\n%s%s", err, e, out, said.String())
	}
	var failed *exec.ExitError
	if r.Healthy != (err == nil) || err != nil && (!errors.As(err, &failed) || failed.ExitCode() != 1) {
		b.t.Errorf("healthy %v, but it ended with %v", r.Healthy, err)
	}
	return r
}

// is looks for a finding with these words, and that a problem says what to do.
func is(t *testing.T, r doctor.Report, what, verdict, words string) {
	t.Helper()
	for _, f := range r.Findings {
		if (f.Verdict == doctor.Problem || f.Verdict == doctor.Warning) && f.Do == "" {
			t.Errorf("nothing to do about %+v", f)
		}
		if f.What == what && f.Verdict == verdict && strings.Contains(f.Text, words) {
			return
		}
	}
	t.Errorf("no %s of %s with %q in\n%+v", verdict, what, words, r.Findings)
}

// enrolled is a box whose core runs, is enrolled, and has a stub's lock held for it.
func enrolled(t *testing.T) (*box, *core) {
	b := newBox(t, "1")
	lock, err := platforms.Take(b.layout.StubLock())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lock.Release() })
	b.hub.push(&wire.Desired{Revision: 1})
	c := b.start()
	c.heard("ready")
	b.eventually("enrolled", func() bool { _, err := os.Stat(b.layout.Token()); return os.IsNotExist(err) })
	return b, c
}

func TestDoctorFindsNothingOnAHealthyBox(t *testing.T) {
	b, c := enrolled(t)
	var r doctor.Report
	b.eventually("it finds nothing", func() bool { // whoever is asked while the machine holds all up does not answer in time
		if r = b.doctor(b.hub.server.URL); !r.Healthy {
			t.Logf("%+v", r.Findings)
		}
		return r.Healthy
	})
	is(t, r, "service", doctor.OK, "its core answers")
	is(t, r, "TLS", doctor.OK, "127.0.0.1")
	is(t, r, "hub", doctor.OK, "the one that this box trusts")
	b.stop(c)
	is(t, b.doctor(b.hub.server.URL), "service", doctor.Problem, "core does not answer")
}

func TestDoctorTellsWhereTheLineEnds(t *testing.T) {
	b, c := enrolled(t)
	b.stop(c)
	closed := "https://127.0.0.1:" + freePort(t)
	is(t, b.doctor(""), "box file", doctor.Problem, "names no hub")
	is(t, b.doctor("http://hub"), "box file", doctor.Problem, "is not of the form")
	r := b.doctor(closed)
	is(t, r, "connection", doctor.Problem, "refused")

	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	is(t, b.doctor("https://"+plain.Listener.Addr().String()), "TLS", doctor.Problem, "does not speak TLS")

	other := newScriptedHub(t)
	is(t, b.doctor(other.server.URL), "TLS", doctor.Problem, "not the trusted hub's")

	sick := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) }))
	sick.TLS = b.hub.server.TLS
	sick.StartTLS()
	defer sick.Close()
	is(t, b.doctor(sick.URL), "hub", doctor.Problem, "503")

	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	b.hub.key = key // TLS as before, somebody else behind it
	is(t, b.doctor(b.hub.server.URL), "hub", doctor.Problem, "is not the one that this box trusts")
}

// freePort is a port of loopback at which nobody listens. The system gives it to nobody who asks for any: those begin at 32768.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(15_000 + rand.N(15_000))
		stream, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			continue
		}
		packets, err := net.ListenPacket("udp", "127.0.0.1:"+port)
		stream.Close()
		if err == nil {
			packets.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}

func TestDoctorTellsWhatTheProxyDoes(t *testing.T) {
	b, c := enrolled(t)
	b.stop(c)
	for status, words := range map[int]string{407: "407", 403: "403"} {
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) }))
		r := b.doctor(b.hub.server.URL, "proxy = http://me:sesame@"+proxy.Listener.Addr().String())
		is(t, r, "proxy", doctor.Problem, words)
		if strings.Contains(fmt.Sprint(r), "sesame") {
			t.Errorf("it tells the password: %+v", r)
		}
		proxy.Close()
	}
	is(t, b.doctor(b.hub.server.URL, "proxy = http://127.0.0.1:"+freePort(t)), "proxy", doctor.Problem, "cannot be reached")
	is(t, b.doctor(b.hub.server.URL, "proxy = socks5://x"), "proxy", doctor.Problem, "not of the form")
	is(t, b.doctor(b.hub.server.URL, "ca = /nonexistent"), "TLS", doctor.Problem, "ca")
}

func TestDoctorLooksAtTheBox(t *testing.T) {
	b := newBox(t, "1")
	r := b.doctor(b.hub.server.URL)
	is(t, r, "service", doctor.Problem, "does not run")
	is(t, r, "identity", doctor.OK, "not enrolled yet")
	is(t, r, "token", doctor.OK, "holds one")
	is(t, r, "hub", doctor.OK, "verified when the box enrols")
	if strings.Contains(fmt.Sprint(r), b.hub.token.String()) {
		t.Error("it tells the token")
	}
	if err := os.WriteFile(b.layout.Token(), []byte("lt1_nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	is(t, b.examine(), "token", doctor.Problem, "is no token")
	os.Remove(b.layout.Token())
	is(t, b.examine(), "identity", doctor.Problem, "no token")

	c := b.start()
	c.heard("ready")
	b.stop(c)
	if err := os.Chmod(b.layout.Key(), 0o644); err != nil {
		t.Fatal(err)
	}
	is(t, b.examine(), "folders", doctor.Problem, "can be read by others")
	if err := os.RemoveAll(b.layout.Buffer()); err != nil {
		t.Fatal(err)
	}
	is(t, b.examine(), "folders", doctor.Problem, "buffer is missing")

	// A file system of a mount namespace of its own: small, noexec, read-only.
	ns := func(options, dir string) doctor.Report {
		return b.examine("unshare", "--user", "--map-root-user", "--mount", "--net", "sh", "-c",
			`mount -t tmpfs -o "$1" none "$2" && shift 2 && exec "$@"`, "sh", options, dir)
	}
	is(t, ns("size=4m", b.layout.State), "disk", doctor.Problem, "MiB are free")
	is(t, ns("nr_inodes=1", b.layout.State), "disk", doctor.Problem, "of the inodes")
	is(t, ns("noexec", b.layout.Ver), "mounts", doctor.Problem, "noexec: cores cannot be started")
	is(t, ns("ro", b.layout.Ver), "mounts", doctor.Warning, "read-only")
	is(t, ns("ro", b.layout.State), "folders", doctor.Problem, "takes no files")
	is(t, ns("size=4m", b.layout.Ver), "connection", doctor.Problem, "127.0.0.1") // no network there, nobody at the hub's port
}

func TestBundleHoldsNoSecrets(t *testing.T) {
	b, c := enrolled(t)
	b.configure(b.hub.server.URL, "proxy = http://me:sesame@127.0.0.1:1", "collector.x = command /bin/true --password hunter2")
	if err := os.WriteFile(b.layout.Token(), []byte(b.hub.token.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.OpenFile(b.layout.CoreLog(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(log, "time=x msg=\"token %s\" err=\"dial http://me:sesame@127.0.0.1:1: Authorization: Basic c2VzYW1l\"\n", b.hub.token)
	log.Close()
	b.eventually("results", func() bool { results, _, _, _ := b.hub.items(); return len(results["cpu"]) > 0 })
	file := filepath.Join(t.TempDir(), "bundle.tar.gz")
	var out []byte
	var files map[string]string
	b.eventually("a bundle with what the core says, which has two seconds for that", func() bool {
		os.Remove(file)
		if out, err = exec.Command(coreFile, "bundle", "--root", b.layout.Root, file).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		files = unpacked(t, file)
		return strings.Contains(files["status.json"], `"checks"`)
	})
	key, err := os.ReadFile(b.layout.Key())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		for _, secret := range []string{b.hub.token.String(), "sesame", "c2VzYW1l", "hunter2", strings.TrimSpace(string(key))} {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds %q", name, secret)
			}
		}
		if name != "CONTENTS" && !strings.Contains(string(out), name) {
			t.Errorf("%s is not listed:\n%s", name, out)
		}
	}
	for name, words := range map[string]string{
		"doctor.json": `"what": "box file"`, "limpet.conf": "hub = " + b.hub.server.URL, "log/core.log": "core starts", "status.json": `"checks"`,
		"buffer.txt": "held by a core", "box.json": `"euid"`, "CONTENTS": "doctor.json",
	} {
		if !strings.Contains(files[name], words) {
			t.Errorf("%s: no %q in %.300q", name, words, files[name])
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
	if out, err := exec.Command(coreFile, "bundle", "--root", b.layout.Root, file).CombinedOutput(); err == nil {
		t.Errorf("it wrote over a file: %s", out)
	}
	b.stop(c)
}

func unpacked(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	packed, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for r := tar.NewReader(packed); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(h.Name, "limpet-bundle/")] = string(data)
	}
}

func TestBufferShowsALiveAgents(t *testing.T) {
	b, c := enrolled(t)
	b.eventually("results", func() bool { results, _, _, _ := b.hub.items(); return len(results["cpu"]) > 0 })
	show := func(args ...string) string {
		out, err := exec.Command(coreFile, append([]string{"buffer", "--root", b.layout.Root}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	if s := show("--records"); !strings.Contains(s, "held by a core") || !strings.Contains(s, "  cpu  OK") {
		t.Error(s)
	}
	if s := show("--json"); !strings.Contains(s, `"held":true`) {
		t.Error(s)
	}
	b.stop(c)
	for lives := 1; !strings.Contains(show(), "0 wait for the hub") && lives < 10; lives++ { // one that stops gives its last results a second
		c = b.start()
		c.heard("ready")
		b.eventually("a session", func() bool { b.hub.mu.Lock(); defer b.hub.mu.Unlock(); return b.hub.main != nil })
		b.stop(c)
	}
	if s := show(); strings.Contains(s, "held by a core") || !strings.Contains(s, "0 wait for the hub") {
		t.Error(s)
	}
}
