package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// pair is two files, and what a patch between them may cost.
type pair struct {
	name     string
	old, new string            // paths, once built
	build    func(*pair) error // makes both
	limit    limit
}

// limit bounds a patch; what is 0 is no limit.
type limit struct {
	bsdiff float64 // of bsdiff's patch, by go1
	bytes  int64   // by go1
	xz     float64 // of bsdiff's patch with xz, by the codec that is listed: the smaller one
	slow   bool    // may take its time to apply: docs/decisions/070
}

func (l limit) any() bool { return l != limit{} }

func (l limit) kept(m measured) (ok bool, text string) {
	switch {
	case l.bsdiff > 0:
		return float64(m.go1) <= l.bsdiff*float64(m.bsdiff), fmt.Sprintf("%.2f of bsdiff", l.bsdiff)
	case l.bytes > 0:
		return m.go1 <= l.bytes, fmt.Sprintf("%d bytes", l.bytes)
	case l.xz > 0:
		return float64(min(m.go1, m.plain)) <= l.xz*float64(m.bsdiffXz), fmt.Sprintf("%.2f of bsdiff, xz", l.xz)
	}
	return true, "-"
}

const (
	nats    = "github.com/nats-io/nats-server/v2"
	current = "local" // the toolchain that runs
	earlier = "go1.25.4"
)

// corpus is what the limits are for: released versions of a program of about the core's size.
func corpus(quick bool) []pair {
	if quick {
		return []pair{released("small patch release", "linux-amd64", "v2.12.14", "v2.12.15", current, limit{bsdiff: 0.03}), statement(), noise()}
	}
	return []pair{
		released("patch release", "linux-amd64", "v2.11.8", "v2.11.9", current, limit{bsdiff: 0.10}),
		released("small patch release", "linux-amd64", "v2.12.14", "v2.12.15", current, limit{bsdiff: 0.03}),
		released("minor release", "linux-amd64", "v2.11.9", "v2.12.0", current, limit{bsdiff: 0.20}),
		released("patch release", "linux-arm64", "v2.11.8", "v2.11.9", current, limit{bsdiff: 0.10}),
		released("patch release", "windows-amd64", "v2.11.8", "v2.11.9", current, limit{bsdiff: 0.11}),
		released("patch release", "windows-arm64", "v2.11.8", "v2.11.9", current, limit{bsdiff: 0.11}),
		released("patch release", "linux-386", "v2.11.8", "v2.11.9", current, limit{bsdiff: 1, slow: true}), // its code is read without references: more of it is coded
		released("patch release", "darwin-arm64", "v2.11.8", "v2.11.9", current, limit{bsdiff: 0.08}),
		statement(),
		released("patch release, base by "+earlier, "linux-amd64", "v2.11.8", "v2.11.9", earlier, limit{xz: 1, slow: true}),
		noise(), sources(), objects(), library(),
	}
}

// released is a pair of releases; the old one may be built by another toolchain.
func released(what, platform, from, to, toolchain string, l limit) pair {
	return pair{name: what + ", " + platform, limit: l, build: func(p *pair) (err error) {
		if p.old, err = release(platform, from, toolchain); err == nil {
			p.new, err = release(platform, to, current)
		}
		return err
	}}
}

// goBuild builds a package as limpet's own programs are built.
func goBuild(out, dir string, env []string, pkg string) error {
	out, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", out, pkg)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-mod=mod"), env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w: %s", pkg, err, text)
	}
	return nil
}

// release builds one release in a module of its own, unless it is there.
func release(platform, version, toolchain string) (string, error) {
	out := filepath.Join(cache, strings.Join([]string{"nats", version, platform, toolchain}, "-"))
	if _, err := os.Stat(out); err == nil {
		return out, nil
	}
	dir, err := os.MkdirTemp(cache, "build-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	if err := source(dir, nats, version); err != nil {
		return "", err
	}
	goos, goarch, _ := strings.Cut(platform, "-")
	return out, goBuild(out, dir, []string{"GOOS=" + goos, "GOARCH=" + goarch, "GOTOOLCHAIN=" + toolchain}, ".")
}

// source copies a release's files to dir, where they may be changed.
func source(dir, path, version string) error {
	out, err := exec.Command("go", "mod", "download", "-json", path+"@"+version).Output()
	if err != nil {
		return fmt.Errorf("fetch %s %s: %w", path, version, err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		return err
	}
	return filepath.WalkDir(module.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(dir, strings.TrimPrefix(path, module.Dir))
		if d.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, data, 0o644)
	})
}

// statement is a release and the same with one statement more.
func statement() pair {
	const version = "v2.11.9"
	return pair{name: "one statement added, linux-amd64", limit: limit{bytes: 1500}, build: func(p *pair) (err error) {
		if p.old, err = release("linux-amd64", version, current); err != nil {
			return err
		}
		p.new = filepath.Join(cache, "nats-statement-linux-amd64")
		if _, err := os.Stat(p.new); err == nil {
			return nil
		}
		dir, err := os.MkdirTemp(cache, "build-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if err := source(dir, nats, version); err != nil {
			return err
		}
		path := filepath.Join(dir, "server/server.go")
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		const before = "func (s *Server) Start() {\n"
		if bytes.Count(text, []byte(before)) != 1 {
			return errors.New("server.go has no such function")
		}
		text = bytes.Replace(text, []byte(before), []byte(before+"\ts.Debugf(\"Starting with %d accounts\", s.activeAccounts)\n"), 1)
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return err
		}
		return goBuild(p.new, dir, []string{"GOOS=linux", "GOARCH=amd64"}, ".")
	}}
}

// write leaves both files of a pair in the cache.
func (p *pair) write(name string, old, new []byte) error {
	p.old, p.new = filepath.Join(cache, name+"-old"), filepath.Join(cache, name+"-new")
	if err := os.WriteFile(p.old, old, 0o644); err != nil {
		return err
	}
	return os.WriteFile(p.new, new, 0o644)
}

// noise is random bytes of which a tenth is new.
func noise() pair {
	return pair{name: "3 MB of noise, a tenth of it new", limit: limit{xz: 1.02}, build: func(p *pair) error {
		r := rand.NewChaCha8([32]byte{1})
		old, more := make([]byte, 3_000_000), make([]byte, 300_000)
		_, _ = r.Read(old) // never fails
		_, _ = r.Read(more)
		return p.write("noise", old, slices.Concat(old[:1_000_000], more, old[1_300_000:]))
	}}
}

// sources is text: the Go files of two releases, one behind the other.
func sources() pair {
	return pair{name: "Go sources, text", limit: limit{xz: 1.02}, build: func(p *pair) error {
		var texts [2][]byte
		for i, version := range []string{"v2.11.8", "v2.11.9"} {
			dir, err := os.MkdirTemp(cache, "build-")
			if err != nil {
				return err
			}
			defer os.RemoveAll(dir)
			if err := source(dir, nats, version); err != nil {
				return err
			}
			files, err := filepath.Glob(filepath.Join(dir, "server", "*.go"))
			if err != nil {
				return err
			}
			for _, f := range files {
				text, err := os.ReadFile(f)
				if err != nil {
					return err
				}
				texts[i] = append(texts[i], text...)
			}
		}
		return p.write("sources", texts[0], texts[1])
	}}
}

// objects is code by a C compiler: what two Go releases bring of Chromium's BoringSSL and LLVM's race detector.
func objects() pair {
	return pair{name: "code by a C compiler", limit: limit{xz: 1.02}, build: func(p *pair) error {
		var code [2][]byte
		for i, toolchain := range []string{"go1.21.0", "go1.26.0"} {
			cmd := exec.Command("go", "env", "GOROOT")
			cmd.Env = append(os.Environ(), "GOTOOLCHAIN="+toolchain)
			root, err := cmd.Output()
			if err != nil {
				return fmt.Errorf("fetch %s: %w", toolchain, err)
			}
			code[i], err = os.ReadFile(filepath.Join(strings.TrimSpace(string(root)), "src/runtime/race/internal/amd64v1/race_linux.syso"))
			if err != nil {
				return err
			}
		}
		if bytes.Equal(code[0], code[1]) {
			return errors.New("both toolchains bring the same")
		}
		return p.write("objects", code[0], code[1])
	}}
}

// library is a C program: SQLite of two releases, as a Go module brings its source, by the C compiler of this machine.
func library() pair {
	return pair{name: "SQLite 3.45 to 3.46, C", limit: limit{xz: 1.02}, build: func(p *pair) error {
		for version, to := range map[string]*string{"v1.14.22": &p.old, "v1.14.24": &p.new} {
			*to = filepath.Join(cache, "sqlite-"+version)
			if _, err := os.Stat(*to); err == nil {
				continue
			}
			dir, err := os.MkdirTemp(cache, "build-")
			if err != nil {
				return err
			}
			defer os.RemoveAll(dir)
			if err := source(dir, "github.com/mattn/go-sqlite3", version); err != nil {
				return err
			}
			cmd := exec.Command("gcc", "-O1", "-w", "-s", "-shared", "-fPIC", "-o", *to, filepath.Join(dir, "sqlite3-binding.c"))
			if text, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("compile SQLite: %w: %s", err, text)
			}
		}
		return nil
	}}
}
