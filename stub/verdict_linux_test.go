package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
)

// speaker starts a program whose stdout is what a verifier says.
func speaker(t *testing.T, args ...string) (*platforms.Child, *os.File) {
	t.Helper()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	child, err := new(platforms.Family).Start(platforms.Spec{Path: "/bin/sh", Args: append([]string{"sh", "-c"}, args...), Env: os.Environ(), Dir: "/", Files: [3]*os.File{1: in}})
	if err != nil {
		t.Fatal(err)
	}
	in.Close()
	return child, out
}

// At most 256 KiB of a verdict are read; whoever says more, or cannot be read, is ended and believed nothing.
func TestAVerdictIsRead(t *testing.T) {
	const most = 256 << 10
	verdict := func(size int) string {
		text := "floor 5\n" + strings.Repeat("x", size-len("floor 5\n\nverdict 1\n")) + "\nverdict 1\n"
		name := filepath.Join(t.TempDir(), "verdict")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return "cat " + name
	}
	for _, tt := range []struct {
		name, script string
		floor        uint64
	}{
		{"a short one", "echo floor 5; echo verdict 1; exit 9", 5}, // the last line says whether it got to its end
		{"half a one", "echo floor 5", 0},
		{"as long as may be", verdict(most), 5},
		{"longer than that", verdict(most + 1), 0},
		{"without an end", "exec yes verdict 1", 0},
	} {
		soonest(t, tt.name, verifyTime/2, func() time.Duration {
			begun := time.Now()
			child, out := speaker(t, tt.script)
			v := readVerdict(child, out)
			if v.floor != tt.floor || (v.refused == "") != (tt.floor > 0) || alive(child.Pid()) {
				t.Errorf("%s: %+v", tt.name, v)
			}
			return time.Since(begun)
		})
	}
	child, out := speaker(t, "exec sleep 1000")
	out.Close()
	folder, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if v := readVerdict(child, folder); v.refused == "" || alive(child.Pid()) {
		t.Errorf("what cannot be read: %+v", v)
	}
}

func TestNumbersOfAVerdict(t *testing.T) {
	hash := strings.Repeat("ab", 32)
	v := parseVerdict("floor 10\nissued 1000\nissued 9223372036854775808\ntarget " + hash + " 1000 12 1.2 beta\nverdict 1\n")
	if v.floor != 10 || v.issued < 0 || len(v.cores) != 1 || v.cores[0].Counter != 12 || v.cores[0].Length != 1000 || v.cores[0].soak != 300 {
		t.Errorf("%+v", v)
	}
	warnings, changes := strings.Repeat("warning a b\n", 40), strings.Repeat("drop a.json\n", 70)
	if v := parseVerdict(warnings + changes + "verdict 1\n"); len(v.warnings) != 32 || len(v.changes) != 64 {
		t.Errorf("%d warnings, %d changes", len(v.warnings), len(v.changes))
	}
}

// Only names that stay in their folders are taken over.
func TestStepsOfAVerdict(t *testing.T) {
	hash := strings.Repeat("ab", 32)
	sum := [32]byte(bytes.Repeat([]byte{0xab}, 32))
	for text, want := range map[string]change{
		"drop a.json":           {name: "a.json", drop: true},
		"drop a.json and later": {name: "a.json", drop: true},
		"keep root.json 2.root.json " + hash + " 1000":       {name: "root.json", from: "2.root.json", hash: sum, length: 1000},
		"keep root.json 2.root.json " + hash + " 1000 later": {name: "root.json", from: "2.root.json", hash: sum, length: 1000},
		"keep root.json root " + hash + " 4294967295":        {name: "root.json", from: "root", hash: sum, length: 1<<32 - 1},
		"keep root.json 2.root.json " + hash + " 4294967296": {},
		"keep root.json 2.root.json " + hash + " -1":         {},
		"keep root.json 2.root.json " + hash + "ab 1000":     {},
		"keep root.json 2.root.json " + hash:                 {},
		"keep root.json ../2.root.json " + hash + " 1000":    {},
		"keep root.json .hidden " + hash + " 1000":           {},
		"keep ../root.json 2.root.json " + hash + " 1000":    {},
		"keep root 2.root.json " + hash + " 1000":            {},
		"keep":             {},
		"drop":             {},
		"drop .json":       {},
		"drop ..json":      {},
		"drop a":           {},
		"drop /a.json":     {},
		"drop b/../a.json": {},
		`drop b\a.json`:    {},
		"drop c:a.json":    {},
	} {
		v := parseVerdict(text + "\nverdict 1\n")
		if want == (change{}) && len(v.changes) != 0 || want != (change{}) && (len(v.changes) != 1 || v.changes[0] != want) {
			t.Errorf("%q: %+v", text, v.changes)
		}
	}
}

// The verifier is this very program, even when its file was replaced meanwhile.
func TestTheVerifierIsThisProgram(t *testing.T) {
	mine, err := os.Stat("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if its, err := os.Stat(self()); err != nil || !os.SameFile(mine, its) || self() != "/proc/self/exe" {
		t.Errorf("%s, %v", self(), err)
	}
}
