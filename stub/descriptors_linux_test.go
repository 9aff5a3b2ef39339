package main

import (
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/updater/boot"
	"github.com/limpet-monitoring/limpet/updater/store"

	"golang.org/x/sys/unix"
)

// descriptors are what this process has open. Its garbage is collected first, and then no more, so that none is closed by chance.
func descriptors(t *testing.T) func() []string {
	t.Helper()
	runtime.GC()
	before := debug.SetGCPercent(-1)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	return func() []string {
		names, err := filepath.Glob("/proc/self/fd/*")
		if err != nil {
			t.Fatal(err)
		}
		open := []string{}
		for _, name := range names {
			if to, err := os.Readlink(name); err == nil {
				open = append(open, to)
			}
		}
		return open
	}
}

// more is what this process has open and had not before, once what its goroutines are about to close is closed.
func more(before []string, open func() []string) (list []string) {
	ticker, deadline := time.NewTicker(5*time.Millisecond), time.After(time.Minute)
	defer ticker.Stop()
	for {
		had := map[string]int{}
		for _, name := range before {
			had[name]++
		}
		list = slices.DeleteFunc(open(), func(name string) bool { had[name]--; return had[name] >= 0 })
		if len(list) == 0 {
			return nil
		}
		select {
		case <-ticker.C:
		case <-deadline:
			return list
		}
	}
}

// deeds are what a stub does again and again for years, each with its own proof that it was done.
func deeds(t *testing.T) map[string]func() error {
	say := func(met bool, err error) error {
		if err == nil && !met {
			err = errors.New("it was not done")
		}
		return err
	}
	content := []byte("new core")
	next := signed{Core: boot.Core{Counter: 2, Length: int64(len(content)), Hash: sha256.Sum256(content)}, version: "1.2"}
	e, b := errandOf(t, "printf 'plain:new core' > $part/"+hexOf(next.Hash)+".patch; echo delta 50 go1")
	base := b.place(1, coreBytes(t, ""))
	b.mode("speaks-and-dies")
	meta := filepath.Join(b.Part(), "meta")
	b.must(os.MkdirAll(meta, 0o755))
	b.must(os.WriteFile(filepath.Join(meta, "root.json"), content, 0o644))
	keep := change{name: "world.json", from: "root.json", hash: next.Hash, length: next.Length}
	return map[string]func() error{
		"launch": func() error {
			l, err := lives(b, e.family, base)
			return say(len(l.lines) == 2 && l.exit.Code == 3, err)
		},
		"fetch": func() error {
			said, err := e.fetch(getTime, "get")
			return say(said == "delta 50 go1", err)
		},
		"verify": func() error {
			v := e.verify()
			return say(strings.HasPrefix(v.refused, "missing "), nil) // the verifier's own word
		},
		"bring": func() error {
			b.must(os.RemoveAll(b.CoreDir(next.Counter, hexOf(next.Hash))))
			got := e.bring(choice{core: next}, base)
			return say(strings.Contains(got.came, "came_as=delta"), got.err)
		},
		"find it here": func() error {
			b.place(next.Counter, content)
			got := e.bring(choice{core: next}, base)
			return say(strings.Contains(got.came, "came_as=here"), got.err)
		},
		"take over": func() error {
			err := adoptFile(b.Layout, keep)
			data, _ := os.ReadFile(filepath.Join(b.TrustCore(), "world.json"))
			return say(string(data) == "new core", err)
		},
		"place": func() error {
			b.must(os.RemoveAll(b.CoreDir(next.Counter, hexOf(next.Hash))))
			b.must(os.WriteFile(filepath.Join(b.Part(), hexOf(next.Hash)), content, 0o600))
			return e.place(store.Entry{Counter: next.Counter, Hash: next.Hash}, next.Length)
		},
		"log": func() error {
			f := &logFile{path: filepath.Join(b.Log, "own"), size: 10}
			defer f.Close()
			for range 3 {
				if _, err := f.Write([]byte("1234567")); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// Whatever a stub does, nothing of it stays open.
func TestNothingStaysOpen(t *testing.T) {
	for name, do := range deeds(t) {
		open := descriptors(t)
		if err := do(); err != nil { // once for what is opened only once
			t.Errorf("%s: %v", name, err)
		}
		before := open()
		if err := do(); err != nil {
			t.Errorf("%s again: %v", name, err)
		}
		if left := more(before, open); len(left) > 0 {
			t.Errorf("%s leaves open %q", name, left)
		}
	}
}

// A process that may open no more files says so, whichever of them it is that it cannot open, and leaves none of the others open.
func TestWithoutDescriptors(t *testing.T) {
	open := descriptors(t)
	limit := func(n uint64) (before syscall.Rlimit) {
		if err := syscall.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Setrlimit(unix.RLIMIT_NOFILE, &syscall.Rlimit{Cur: n, Max: before.Max}); err != nil {
			t.Fatal(err)
		}
		return before
	}
	all := deeds(t)
	for _, name := range []string{"launch", "fetch", "verify"} {
		if err := all[name](); err != nil {
			t.Fatal(name, err)
		}
		refused := 0
		for n := uint64(3); ; n++ {
			before := open()
			was := limit(n)
			err := all[name]()
			limit(was.Cur)
			if left := more(before, open); len(left) > 0 {
				t.Fatalf("%s with %d descriptors leaves open %q", name, n, left)
			}
			if err == nil {
				break
			}
			if refused++; refused > 200 {
				t.Fatalf("%s does not succeed: %v", name, err)
			}
		}
		if refused < 5 {
			t.Errorf("%s needs only %d descriptors", name, refused)
		}
	}
}
