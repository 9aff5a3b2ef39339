package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// ask runs the real verifier, by way of a program that starts it where one is given.
func (b *box) ask(by ...string) string {
	args := append(by, programs.stub(), "verify", "--dir", b.TrustCore(), "--time", strconv.FormatInt(time.Now().Unix(), 10), "--platform", platform)
	out, _ := exec.Command(args[0], args[1:]...).Output()
	return string(out)
}

func TestVerifierReadsNothingBesideItsMetadata(t *testing.T) {
	old := filepath.Join(t.TempDir(), "oldkernel")
	if err := build(old, "../platforms/confine/testdata/oldkernel"); err != nil {
		t.Fatal(err)
	}
	b := newBox(t)
	if said := b.ask(); !strings.HasSuffix(said, "verdict 1\n") || strings.Contains(said, "unconfined") {
		t.Fatalf("as it should be: %q", said)
	}
	said := b.ask(old)
	if !strings.HasSuffix(said, "verdict 1\n") || !strings.HasPrefix(said, "unconfined landlock: ") || strings.Count(said, "unconfined") != 1 {
		t.Errorf("on an old kernel: %q", said)
	}
	if v := parseVerdict(said); !strings.Contains(v.unconfined, "seccomp") || v.refused != "" {
		t.Errorf("%+v", v)
	}

	// One of the files leads out of the folder.
	name, out := filepath.Join(b.TrustCore(), "snapshot.json"), filepath.Join(t.TempDir(), "elsewhere")
	b.must(os.Rename(name, out))
	b.must(os.Symlink(out, name))
	if said := b.ask(old); !strings.HasSuffix(said, "verdict 1\n") {
		t.Errorf("unconfined it does not read a link either: %q", said)
	}
	if said := b.ask(); !strings.HasPrefix(said, "refused unreadable ") || !strings.Contains(said, "permission denied") {
		t.Errorf("it reads what lies elsewhere: %q", said)
	}
}

func TestVerifierHasNoRightsLeft(t *testing.T) {
	b := newBox(t)
	name := filepath.Join(b.TrustCore(), "snapshot.json")
	b.must(os.Remove(name))
	b.must(unix.Mkfifo(name, 0o644)) // it waits here
	cmd := exec.Command(programs.stub(), "verify", "--dir", b.TrustCore(), "--time", "1", "--platform", platform)
	b.must(cmd.Start())
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	b.until("seccomp in force on every thread", func() bool {
		tasks, _ := filepath.Glob("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/task/*/status")
		for _, task := range tasks {
			status, _ := os.ReadFile(task)
			if !strings.Contains(string(status), "\nNoNewPrivs:\t1\n") || !strings.Contains(string(status), "\nSeccomp:\t2\n") {
				return false
			}
		}
		return len(tasks) > 0
	})
}
