package install

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a pair of ends: what a person sees and types, and what a program has for a terminal.
func terminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return person, program
}

// offer runs the part of the installer that offers NRPE's commands, piped into sh as people do it, with a limpet that shows how it was called.
// typed: what somebody answers at a terminal; "" = there is none.
func offer(t *testing.T, files, argument, typed string) string {
	t.Helper()
	script, err := Script("https://hub.example", nil)
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "limpet"), []byte("#!/bin/sh\necho \"called: $*\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	text := strings.TrimSuffix(string(script), "limpet_main \"$@\"\n")
	if text == string(script) {
		t.Fatal("the script's last line is another")
	}
	cmd := exec.Command("sh")
	cmd.Stdin = strings.NewReader(text + fmt.Sprintf("bin=%s root= limpet_nrpe_files='%s'\nlimpet_nrpe %s\n", bin, files, argument))
	if typed == "" {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	person, program := terminal(t)
	cmd.Stdout, cmd.Stderr = program, program
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 1}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	program.Close()
	io.WriteString(person, typed+"\n")
	end := time.AfterFunc(2*time.Minute, func() { cmd.Process.Kill() })
	defer end.Stop()
	out, _ := io.ReadAll(person) // ends with an error once nobody has the other end
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

func TestOffersNRPE(t *testing.T) {
	cfg := filepath.Join(t.TempDir(), "nrpe.cfg")
	if err := os.WriteFile(cfg, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	const asks = "Shall its commands run as checks of this box, beside it? [Y/n]"
	line, called := "  limpet import nrpe "+cfg, "called: import nrpe "+cfg
	for _, c := range []struct {
		name, files, argument, typed string
		want, never                  string
	}{
		{"nothing here", "/nonexistent", "ask", "y", "", "NRPE"},
		{"nobody to ask", "/nonexistent " + cfg, "ask", "", line, called},
		{"limpet does not run", cfg, "", "y", line, asks},
		{"yes", cfg, "ask", "y", called, line},
		{"no", cfg, "ask", "n", line, called},
	} {
		got := offer(t, c.files, c.argument, c.typed)
		if !strings.Contains(got, c.want) || strings.Contains(got, c.never) {
			t.Errorf("%s: %q", c.name, got)
		}
		if asked := strings.Contains(got, asks); asked != (c.argument == "ask" && c.typed != "" && c.want != "") {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}
