package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

// asLimpet runs the program as a process of its own, to its end: what gives way to another program cannot be called.
func asLimpet(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), asItself+"=yes")
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	_ = cmd.Run()
	return out.String(), err.String(), cmd.ProcessState.ExitCode()
}

// The exit codes of docs/stub-contract.md: scripts branch on them.
func TestExitCodesOfCommands(t *testing.T) {
	b := emptyBox(t)
	tooMuch, err := platforms.At(t.TempDir())
	b.must(err)
	b.must(os.MkdirAll(tooMuch.State, 0o755))
	b.must(os.WriteFile(tooMuch.History(), make([]byte, 2*maxHistory+1), 0o644))
	nothing := filepath.Join(t.TempDir(), "nothing")
	for _, tt := range []struct {
		line, stdout, stderr string
		code                 int
	}{
		{"history --root " + b.Root, "nothing has happened to the releases on this box yet\n", "", 0},
		{"history --root " + tooMuch.Root, "", "error: read ", 1},
		{"uninstall --root " + nothing, "", "error: limpet was not put here by the hub's installer: there is no " + nothing + "/bin/uninstall.sh\nhint: take it away as it came", 1},
		{"upgrade-stub --root " + nothing, "", "error: run " + nothing + "/bin/limpet-fetch: no such file", 1},
		{"hold now --root " + b.Root, "", "error: limpet hold is called otherwise\nhint: usage: limpet hold | resume\n", 2},
		{"status --all --root " + b.Root, "", "error: ", 2},
		{"why --root " + nothing, "", "error: there is no Limpet in " + nothing + "/state\nhint: name its folder", 3},
		{"status --root " + nothing, "", "error: there is no Limpet in " + nothing + "/state\nhint: name its folder", 3},
		{"pin 1.2 --root " + nothing, "", "error: there is no Limpet in " + nothing + "/state\nhint: name its folder", 3},
		{"why disk --root " + b.Root, "", "error: there is no record of a core in " + b.State + "\nhint: `limpet-fetch bootstrap`", 4},
	} {
		var stdout, stderr bytes.Buffer
		code := run(strings.Fields(tt.line), &stdout, &stderr)
		if code != tt.code || stdout.String() != tt.stdout || !strings.HasPrefix(stderr.String(), tt.stderr) || (stderr.Len() == 0) != (tt.code == 0) {
			t.Errorf("%s: %d\n%s\n%s", tt.line, code, &stdout, &stderr)
		}
	}
	lock, err := platforms.Take(b.StubLock())
	b.must(err)
	defer lock.Release()
	stdout, stderr, code := asLimpet(t, "run", "--root", b.Root) // it changes the process it is in
	if code != 5 || stdout != "" || !strings.HasPrefix(stderr, "error: another limpet already runs here\nhint: `limpet status` shows it") {
		t.Errorf("a second stub: %d %q %q", code, stdout, stderr)
	}
}

// A relative --root means nothing where the folder one stands in is gone.
func TestARootThatCannotBeFound(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "gone")
	if err := os.Mkdir(gone, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(gone)
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PWD", "")
	var stdout, stderr bytes.Buffer
	if code := run([]string{"history", "--root", "x"}, &stdout, &stderr); code != exitFailed || !strings.HasPrefix(stderr.String(), "error: layout x: ") {
		t.Errorf("%d %s%s", code, &stdout, &stderr)
	}
}

// What the core, the installer's script and limpet-fetch are to do they do in our place: with our arguments, and their exit code is ours.
func TestOthersRunInOurPlace(t *testing.T) {
	b := emptyBox(t)
	good := b.place(1, coreBytes(t, ""))
	b.saved(boot.Record{Good: good, Factory: good})
	script := "#!/bin/sh\necho \"$(basename $0)\" \"$@\"\nexit 9\n"
	b.must(os.WriteFile(b.Fetch(), []byte(script), 0o755))
	b.must(os.WriteFile(filepath.Join(b.Bin, "uninstall.sh"), []byte(script), 0o644))
	core := func(words ...string) string { return fmt.Sprintf("%q\n", append([]string{"limpet-core"}, words...)) }
	for _, tt := range []struct {
		args   []string // after --root
		stdout string
		code   int
	}{
		{[]string{"upgrade-stub", "--back"}, "limpet-fetch upgrade-stub --root " + b.Root + " --back\n", 9},
		{[]string{"uninstall", "--purge"}, "uninstall.sh --root " + b.Root + " --purge\n", 9},
		{[]string{"buffer", "--records"}, core("buffer", "--root", b.Root, "--records"), 0},
		{[]string{"why", "fail"}, core("why", "--root", b.Root, "fail"), 42},
		// With all its rights, even where what it is told looks like what the verifier is told.
		{slices.Concat([]string{"doctor"}, asked3(b, "1")), core(slices.Concat([]string{"doctor", "--root", b.Root}, asked3(b, "1"))...), 0},
	} {
		stdout, stderr, code := asLimpet(t, append([]string{"--root", b.Root}, tt.args...)...)
		if code != tt.code || stdout != tt.stdout || stderr != "" {
			t.Errorf("%q: %d %q %q, want %d %q", tt.args, code, stdout, stderr, tt.code, tt.stdout)
		}
	}
	broken := b.place(2, []byte("no program"))
	b.saved(boot.Record{Good: broken, Factory: good})
	if code, text := codeOf(handOver(b.Layout, call{name: "doctor"})); code != exitFailed || !strings.HasPrefix(text, "error: run the core: ") {
		t.Errorf("what cannot run: %d %q", code, text)
	}
}

// asked3 is the verifier's question about a box's metadata, at a time.
func asked3(b *box, seconds string) []string {
	return []string{"--dir", b.TrustCore(), "--time", seconds, "--platform", platform}
}

// The verifier has taken its rights away before it reads anything, or says what this system could not take.
func TestTheVerifierConfinesItself(t *testing.T) {
	b := newBox(t)
	name, out := filepath.Join(b.TrustCore(), "snapshot.json"), filepath.Join(t.TempDir(), "elsewhere")
	b.must(os.Rename(name, out))
	b.must(os.Symlink(out, name)) // one of the files leads out of the folder
	stdout, stderr, code := asLimpet(t, append([]string{"verify"}, asked3(b, strconv.FormatInt(time.Now().Unix(), 10))...)...)
	open, confined := strings.HasPrefix(stdout, "unconfined "), strings.HasPrefix(stdout, "refused unreadable ") && code == 6
	if open == confined || open && (code != 0 || !strings.HasSuffix(stdout, "\nverdict 1\n")) || stderr != "" {
		t.Errorf("%d %q %q", code, stdout, stderr)
	}
	if stdout, stderr, code := asLimpet(t, "verify", "--dir"); code != exitUsage || stdout != "" || !strings.HasPrefix(stderr, "error: verify is internal") {
		t.Errorf("half a question: %d %q %q", code, stdout, stderr)
	}
	for _, args := range [][]string{nil, {"version"}} {
		if stdout, stderr, code := asLimpet(t, args...); code != 0 || !strings.HasPrefix(stdout, "limpet ") || stderr != "" {
			t.Errorf("%q: %d %q %q", args, code, stdout, stderr)
		}
	}
}
