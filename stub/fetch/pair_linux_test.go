package main

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// pairOf builds limpet and limpet-fetch of a version, once.
func pairOf(t *testing.T, version string) (limpet, fetch []byte) {
	t.Helper()
	pairs.Lock()
	defer pairs.Unlock()
	for i, folder := range []string{"..", "."} {
		key := version + folder
		if pairs.programs[key] == nil {
			out := filepath.Join(filepath.Dir(program), fmt.Sprintf("built-%d", i))
			cmd := exec.Command("go", "build", "-trimpath", "-tags", "nethttpomithttp2", "-ldflags", "-s -w -buildid= -X main.version="+version, "-o", out, folder)
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
			if text, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			data, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			pairs.programs[key] = data
		}
	}
	return pairs.programs[version+".."], pairs.programs[version+"."]
}

var pairs = struct {
	sync.Mutex // guards programs
	programs   map[string][]byte
}{programs: map[string][]byte{}}

// stubs lists a version of the two programs.
func (p *publisher) stubs(version string, limpet, fetch []byte) *publisher {
	p.t.Helper()
	for name, data := range map[string][]byte{"limpet": limpet, "limpet-fetch": fetch} {
		if _, err := p.repo.AddProgram(platform, version, name, data); err != nil {
			p.t.Fatal(err)
		}
	}
	if _, err := p.repo.Commit(time.Now()); err != nil {
		p.t.Fatal(err)
	}
	return p
}

// installed is a box as the installer makes it, with limpet 1.0.0.
func installed(t *testing.T, p *publisher, h *hub) *testBox {
	t.Helper()
	b, folder := newBox(t), t.TempDir()
	limpet, fetch := pairOf(t, "1.0.0")
	for name, data := range map[string][]byte{"limpet": limpet, "limpet-fetch": fetch} {
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	asked := len(h.requests())
	cmd := exec.Command(filepath.Join(folder, "limpet-fetch"), "bootstrap", "--root", b.Root, "--hub", h.server.URL, "--programs", folder, "--token-file", "-")
	cmd.Stdin = strings.NewReader(h.token())
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "limpet and limpet-fetch 1.0.0 verified and placed") {
		t.Fatalf("%v\n%s", err, out)
	}
	if more := h.requests()[asked:]; strings.Contains(more, "targets/stub/") {
		t.Errorf("what lay in the folder was downloaded: %s", more)
	}
	b.runs("1.0.0")
	return b
}

// runs fails the test unless both programs in bin are of a version.
func (b *testBox) runs(version string) {
	b.t.Helper()
	for _, path := range []string{b.Stub(), b.Fetch()} {
		if said, err := versionOf(path); err != nil || said != version {
			b.t.Errorf("%s is %s %v, not %s", filepath.Base(path), said, err, version)
		}
	}
}

// upgrade is typed as a person would.
func (b *testBox) upgrade(args ...string) result {
	b.t.Helper()
	cmd := exec.Command(b.Stub(), append([]string{"upgrade-stub", "--root", b.Root}, args...)...)
	var out, err strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &err
	_ = cmd.Run()
	return result{out: out.String(), err: err.String(), code: cmd.ProcessState.ExitCode()}
}

func TestUpgradeStub(t *testing.T) {
	one, oneFetch := pairOf(t, "1.0.0")
	p := newPublisher(t).publish("1.0.0", randomCore(5000), time.Now()).stubs("1.0.0", one, oneFetch)
	h := newHub(t, p)
	b := installed(t, p, h)
	b.upgrade().expect(t, 0, "limpet 1.0.0 is in place already")
	b.upgrade("--back").expect(t, exitFailed, "no former limpet")
	b.upgrade("9.9").expect(t, exitNoCore, "limpet 9.9 is not listed")
	b.upgrade("1", "2").expect(t, exitUsage, "one version")

	two, twoFetch := pairOf(t, "2.0.0")
	p.stubs("2.0.0", two, twoFetch)
	b.upgrade().expect(t, 0, "limpet and limpet-fetch 2.0.0 are in place", "limpet 1.0.0 is kept", "start limpet anew")
	b.runs("2.0.0")
	b.upgrade("--back").expect(t, 0, "1.0.0 are in place", "limpet 2.0.0 is kept")
	b.runs("1.0.0")
	b.upgrade("2.0.0").expect(t, 0, "2.0.0 are in place")
	b.upgrade("1.0.0").expect(t, 0, "1.0.0 are in place")
	b.runs("1.0.0")

	// The way back is hashed again.
	back := filepath.Join(b.Bin, nameOf("2.0.0", sha256.Sum256(two), sha256.Sum256(twoFetch)), "limpet-fetch")
	if err := os.WriteFile(back, append([]byte(nil), twoFetch[1:]...), 0o755); err != nil {
		t.Fatal(err)
	}
	b.upgrade("--back").expect(t, exitUntrusted, "limpet 2.0.0 is damaged on this disk")
	b.upgrade().expect(t, 0, "2.0.0 are in place") // brought again
	b.runs("2.0.0")
	if names, _ := os.ReadDir(b.Install()); len(names) != 1 || names[0].Name() != "lock" {
		t.Errorf("left in install: %v", names)
	}
}

func TestUpgradeStubRefuses(t *testing.T) {
	one, oneFetch := pairOf(t, "1.0.0")
	two, twoFetch := pairOf(t, "2.0.0")
	p := newPublisher(t).publish("1.0.0", randomCore(5000), time.Now()).stubs("1.0.0", one, oneFetch)
	h := newHub(t, p)
	b := installed(t, p, h)
	before := b.tree()
	check := func() {
		t.Helper()
		b.runs("1.0.0")
		after := b.tree()
		for path, hash := range before {
			if strings.HasPrefix(path, "/bin/") && after[path] != hash {
				t.Errorf("%s changed", path)
			}
		}
	}

	// Two that do not belong together, however well signed.
	p.stubs("3.0.0", two, oneFetch)
	b.upgrade().expect(t, exitUntrusted, "limpet calls itself 2.0.0, and is listed as 3.0.0")
	check()
	// One that does not start here.
	p.stubs("4.0.0", []byte("no program"), twoFetch)
	if r := b.upgrade("4.0.0"); r.code == 0 || !strings.Contains(r.err, "limpet 4.0.0 does not run here") {
		t.Errorf("exit code %d\n%s", r.code, r.err)
	}
	check()
	// Other bytes than were signed.
	other := append(append([]byte(nil), twoFetch...), 0)
	p.stubs("5.0.0", two, other)
	h.mu.Lock()
	h.meddle = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, ".limpet-fetch") {
			return false
		}
		w.Write(append(other[:len(other)-1:len(other)-1], 0xff))
		return true
	}
	h.mu.Unlock()
	b.upgrade("5.0.0").expect(t, exitUntrusted, "not the bytes that were signed")
	check()
	if names, err := filepath.Glob(filepath.Join(b.Bin, ".new-*")); err != nil || len(names) > 0 {
		t.Errorf("left behind: %v %v", names, err)
	}
}

// Without an installer it brings them itself, of its own version only.
func TestBootstrapBringsThePair(t *testing.T) {
	one, oneFetch := pairOf(t, "1.0.0")
	p := newPublisher(t).publish("1.0.0", randomCore(5000), time.Now()).stubs("1.0.0", one, oneFetch)
	h, b := newHub(t, p), newBox(t)
	b.bootstrap(h, h.token()).expect(t, 0, "note: limpet and limpet-fetch are not placed: limpet dev is not listed")
	own, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	limpet, _ := pairOf(t, "dev")
	p.stubs("dev", limpet, own)
	b.bootstrap(h, h.token()).expect(t, 0, "limpet and limpet-fetch dev verified and placed")
	b.runs("dev")
	before, asked := b.tree(), len(h.requests())
	if out := b.bootstrap(h, ""); strings.Contains(out.out, "limpet") || fmt.Sprint(b.tree()) != fmt.Sprint(before) || strings.Contains(h.requests()[asked:], "targets/") {
		t.Errorf("a second time it says %s and asks for %s", out.out, h.requests()[asked:])
	}
}

// scripts are a pair of programs that only say who they are, and their source.
func scripts(version string) (tuf.Pair, source) {
	text := map[string]string{"limpet": "#!/bin/sh\necho limpet " + version + "\n", "limpet-fetch": "#!/bin/sh\necho limpet-fetch " + version + " here\n"}
	target := func(name string) tuf.Target {
		return tuf.Target{Path: tuf.StubPath(platform, version, name), Length: int64(len(text[name])), SHA256: sha256.Sum256([]byte(text[name]))}
	}
	return tuf.Pair{Platform: platform, Version: version, Limpet: target("limpet"), Fetch: target("limpet-fetch")}, func(t tuf.Target) (*os.File, error) {
		f, err := os.CreateTemp("", "limpet-script-")
		if err != nil {
			return nil, err
		}
		_, err = f.WriteString(text[filepath.Base(t.Path)])
		if err == nil {
			_, err = f.Seek(0, 0)
		}
		os.Remove(f.Name())
		return f, err
	}
}

// cut is the death of a process at its n-th durable step.
type cut struct{}

// Whatever step a change of the pair is cut off at: both programs are there, they are of one version, and doing it again ends well.
func TestAPairIsNeverTornApart(t *testing.T) {
	for name, plain := range map[string]bool{"from a package's plain files": true, "from a pair of ours": false} {
		t.Run(name, func(t *testing.T) {
			cuts := 0
			for n := 0; ; n++ {
				b := bin{t.TempDir(), [2]string{"limpet", "limpet-fetch"}, func() {}}
				old, from := scripts("1.0.0")
				if plain {
					for i, target := range []tuf.Target{old.Limpet, old.Fetch} {
						f, err := from(target)
						if err != nil {
							t.Fatal(err)
						}
						data := make([]byte, target.Length)
						f.Read(data)
						f.Close()
						if err := os.WriteFile(b.path(b.programs[i]), data, 0o755); err != nil {
							t.Fatal(err)
						}
					}
				} else {
					b.change(t, "1.0.0")
				}
				left := n
				b.step = func() {
					if left--; left < 0 {
						panic(cut{})
					}
				}
				ended := func() (whole bool) {
					defer func() {
						if r := recover(); r != nil && r != (cut{}) {
							panic(r)
						}
					}()
					b.change(t, "2.0.0")
					return true
				}()
				b.step = func() {}
				if version, err := versionOf(b.path("limpet")); err != nil || b.agree(b.dir, version) != nil {
					t.Fatalf("cut off at step %d: limpet %s %v, limpet-fetch %v", n, version, err, b.agree(b.dir, version))
				}
				b.change(t, "2.0.0")
				if err := b.agree(b.dir, "2.0.0"); err != nil {
					t.Fatalf("cut off at step %d, and again: %v", n, err)
				}
				if back := b.named(previous); versionIn(back) != "1.0.0" || b.agree(b.path(back), "1.0.0") != nil {
					t.Errorf("cut off at step %d, and again: the way back is %q", n, back)
				}
				if ended {
					break
				}
				cuts++
			}
			if cuts < 6 {
				t.Errorf("%d steps: is each of them there?", cuts)
			}
		})
	}
}

func (b bin) change(t *testing.T, version string) {
	t.Helper()
	pair, from := scripts(version)
	name, err := b.prepare(pair, from)
	if err == nil {
		err = b.use(name)
	}
	if err != nil {
		t.Fatal(err)
	}
}
