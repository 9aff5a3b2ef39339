package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"limpet-release": main, "token": token})
}

// token is hardware with one key: token new SECRET PUBLIC, token sign SECRET <MESSAGE >SIGNATURE.
func token() {
	switch os.Args[1] {
	case "new":
		public, private, err := ed25519.GenerateKey(nil)
		check(err)
		der, err := x509.MarshalPKIXPublicKey(public)
		check(err)
		check(os.WriteFile(os.Args[2], private.Seed(), 0o600))
		check(os.WriteFile(os.Args[3], pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o644))
	case "sign":
		seed, err := os.ReadFile(os.Args[2])
		if err != nil {
			fmt.Fprintln(os.Stderr, "no token in the slot")
			os.Exit(1)
		}
		message, err := io.ReadAll(os.Stdin)
		check(err)
		os.Stdout.Write(ed25519.Sign(ed25519.NewKeyFromSeed(seed), message))
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH"} { // the home folder of a script is another one
				value, err := exec.Command("go", "env", name).Output()
				if err != nil {
					return err
				}
				env.Setenv(name, strings.TrimSpace(string(value)))
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"oneline": oneLine,
			"blob":    blob,
			"damage":  damage,
			"copy-tree": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(os.CopyFS(ts.MkAbs(args[1]), os.DirFS(ts.MkAbs(args[0]))))
			},
		},
	})
}

// oneLine checks that the last command said one line on stderr, that it begins
// with "error: ", and that it holds each of the words given.
func oneLine(ts *testscript.TestScript, neg bool, words []string) {
	text := ts.ReadFile("stderr")
	if strings.Count(text, "\n") != 1 || !strings.HasPrefix(text, "error: ") {
		ts.Fatalf("not one line of error: %q", text)
	}
	for _, word := range words {
		if strings.Contains(text, word) == neg {
			ts.Fatalf("%q in %q: %v", word, text, !neg)
		}
	}
}

// blob writes 120 kB that compress by half and a version, so that two versions are
// like two builds of one program: blob FILE VERSION [noise]. Noise does not compress.
func blob(ts *testscript.TestScript, neg bool, args []string) {
	r := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, 120_000)
	for i := range data {
		data[i] = 'a' + byte(r.IntN(16))
		if len(args) > 2 {
			data[i] = byte(r.Uint32())
		}
	}
	copy(data[60_000:], args[1])
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), data, 0o644))
}

// damage changes one byte in the middle of the one file that the pattern fits.
func damage(ts *testscript.TestScript, neg bool, args []string) {
	names, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(names) != 1 {
		ts.Fatalf("%s fits %v", args[0], names)
	}
	data, err := os.ReadFile(names[0])
	ts.Check(err)
	data[len(data)/2]++
	ts.Check(os.WriteFile(names[0], data, 0o644))
}

// tool runs commands in a folder of its own.
type tool struct {
	t   *testing.T
	dir string
}

func (r tool) run(want int, args ...string) (stdout, stderr string) {
	r.t.Helper()
	return r.runContext(r.t.Context(), want, args...)
}

func (r tool) runContext(ctx context.Context, want int, args ...string) (stdout, stderr string) {
	r.t.Helper()
	var out, errs bytes.Buffer
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "$", r.dir+string(filepath.Separator))
	}
	if code := run(ctx, args, &out, &errs); code != want {
		r.t.Fatalf("%v: exit code %d, want %d\n%s%s", args, code, want, out.String(), errs.String())
	}
	return out.String(), errs.String()
}

// Weeks and years pass between two runs, in a moment.
func TestWeeksLater(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "core"), []byte("a core"), 0o755); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		r := tool{t, dir}
		r.run(0, "init", "--dir", "$repo", "--keys", "$keys", "--development")
		r.run(0, "publish", "--dir", "$repo", "--keys", "$keys", "--version", "1.0.0", "--core", "linux-amd64=$core")
		if _, stderr := r.run(0, "verify", "--dir", "$repo"); strings.Contains(stderr, "warning") {
			t.Errorf("a new repository warns: %s", stderr)
		}

		time.Sleep(4 * 24 * time.Hour)
		if stdout, stderr := r.run(0, "verify", "--dir", "$repo"); !strings.Contains(stderr, "warning: timestamp expires 2000-01-08T00:00:00Z\n") ||
			!strings.Contains(stdout, "next: limpet-release refresh") {
			t.Errorf("four days later: %s%s", stdout, stderr)
		}

		for _, pause := range []time.Duration{60 * 24 * time.Hour, 5 * 365 * 24 * time.Hour} {
			time.Sleep(pause)
			if _, stderr := r.run(1, "verify", "--dir", "$repo"); !strings.Contains(stderr, "expired") || !strings.Contains(stderr, "limpet-release refresh") {
				t.Errorf("%v later: %s", pause, stderr)
			}
			r.run(0, "list", "--dir", "$repo")
			if stdout, _ := r.run(0, "refresh", "--dir", "$repo", "--keys", "$keys"); !strings.Contains(stdout, "timestamp expires first") {
				t.Errorf("refresh says %s", stdout)
			}
			if _, stderr := r.run(0, "verify", "--dir", "$repo"); strings.Contains(stderr, "warning") {
				t.Errorf("after a refresh: %s", stderr)
			}
		}

		time.Sleep(5 * 365 * 24 * time.Hour) // publish alone brings an expired repository back, too
		if err := os.WriteFile(filepath.Join(dir, "core"), []byte("another core"), 0o755); err != nil {
			t.Fatal(err)
		}
		r.run(0, "publish", "--dir", "$repo", "--keys", "$keys", "--version", "1.1.0", "--core", "linux-amd64=$core")
		r.run(0, "verify", "--dir", "$repo")
	})
}

func TestInterruptBeforePublishingLeavesAllAsItWas(t *testing.T) {
	r := tool{t, t.TempDir()}
	r.run(0, "init", "--dir", "$repo", "--keys", "$keys", "--development")
	before, err := os.ReadFile(filepath.Join(r.dir, "repo", "timestamp.json"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, stderr := r.runContext(ctx, 1, "refresh", "--dir", "$repo", "--keys", "$keys"); !strings.Contains(stderr, "interrupted") {
		t.Errorf("it says %s", stderr)
	}
	if after, err := os.ReadFile(filepath.Join(r.dir, "repo", "timestamp.json")); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the timestamp changed (%v)", err)
	}
}

func TestKeyFiles(t *testing.T) {
	for role, want := range map[string]string{
		"root":               "root.key",
		"timestamp":          "timestamp.key",
		"stable-linux-amd64": "channel-stable.key",
		"beta-linux-arm64":   "channel-beta.key",
	} {
		if got := keyDir("k").file(role); got != filepath.Join("k", want) {
			t.Errorf("key of %s lies in %s", role, got)
		}
	}
}

func TestExitCodes(t *testing.T) {
	r := tool{t, t.TempDir()}
	r.run(exitUsage)
	r.run(exitUsage, "frobnicate")
	r.run(exitUsage, "list")
	r.run(exitUsage, "list", "--dir", "$repo", "more")
	r.run(exitUsage, "publish", "--soak", "fast")
	r.run(exitFailed, "list", "--dir", "$repo")
	r.run(exitUsage, "init", "--dir", "$repo", "--keys", "$keys")
	r.run(exitUsage, "cut", "--out", "$cut")
	r.run(exitUsage, "cut", "--version", "1.0.0")
	r.run(exitUsage, "cut", "--version", "1/0", "--out", "$cut")
	r.run(exitUsage, "cut", "--version", "1.0.0", "--out", "$cut", "--platform", "linux")
	r.run(exitFailed, "cut", "--version", "1.0.0", "--out", "$cut", "--source", "$")
	r.run(exitUsage, "delta", "--dir", "$repo", "--keys", "$keys", "--codec", "none")
	r.run(exitUsage, "delta", "--dir", "$repo", "--keys", "$keys", "--last", "-1")
	r.run(exitUsage, "promote", "--dir", "$repo", "--keys", "$keys")
	r.run(exitUsage, "publish", "--dir", "$repo", "--keys", "$keys", "--cut", "$cut", "--core", "linux-amd64=x")
	r.run(exitFailed, "publish", "--dir", "$repo", "--keys", "$keys", "--cut", "$cut")
	r.run(exitOK, "--help")
	r.run(exitOK, "list", "--help")
}

func TestTwoPublishersAtOnce(t *testing.T) {
	r := tool{t, t.TempDir()}
	r.run(exitOK, "init", "--dir", "$repo", "--keys", "$keys", "--development")
	lock, err := (&place{dir: filepath.Join(r.dir, "repo")}).lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, stderr := r.run(exitFailed, "refresh", "--dir", "$repo", "--keys", "$keys"); !strings.Contains(stderr, "another limpet-release") {
		t.Errorf("it says %s", stderr)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	r.run(exitOK, "refresh", "--dir", "$repo", "--keys", "$keys")
}

func TestBar(t *testing.T) {
	for _, c := range []struct {
		done, total int
		label, want string
	}{
		{0, 4, "core", "[........................] 0/4    7s core"},
		{2, 4, "core", "[############............] 2/4    7s core"},
		{4, 4, "", "[########################] 4/4    7s "},
		{0, 0, "x", "[........................] 0/0    7s x"},
	} {
		if got := bar(c.done, c.total, c.label, 7*time.Second); got != c.want {
			t.Errorf("%d of %d: %q, want %q", c.done, c.total, got, c.want)
		}
	}
	if got := bar(1, 2, strings.Repeat("x", 200), time.Hour); len(got) != 79 {
		t.Errorf("a long label makes %d columns", len(got))
	}
}

func TestPackIsAPlainStreamWithABoundedWindow(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	piece := make([]byte, 4<<10)
	for i := range piece {
		piece[i] = byte(r.IntN(4))
	}
	core := bytes.Repeat(piece, packWindow/len(piece)+1) // longer than the window, and soon packed
	packed, err := pack(core)
	if err != nil {
		t.Fatal(err)
	}
	var header zstd.Header
	if err := header.Decode(packed); err != nil || header.WindowSize > packWindow || header.SingleSegment || !header.HasCheckSum || header.DictionaryID != 0 {
		t.Errorf("header %+v, %v", header, err)
	}
	if len(packed) > len(core)/3 {
		t.Errorf("%d bytes became %d", len(core), len(packed))
	}
}
