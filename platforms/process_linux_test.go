package platforms

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pipeTo starts a child whose stdout the test reads.
func pipeTo(t *testing.T, f *Family, s Spec) (*Child, *bufio.Reader) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	s.Files[1] = w
	c, err := f.Start(s)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewReader(r)
}

func shell(script string) Spec {
	return Spec{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Dir: "/", Env: []string{"PATH=/usr/bin:/bin"}}
}

func TestStartRunsTheDescriptorWhateverThePathIsNow(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "program")
	copyProgram(t, "echo", path)
	image, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	copyProgram(t, "false", path)
	var f Family
	c, out := pipeTo(t, &f, Spec{Image: image, Path: path, Args: []string{"limpet-core", "verified"}, Dir: "/"})
	text, _ := io.ReadAll(out)
	if exit, err := c.Wait(); err != nil || exit != (Exit{}) || string(text) != "verified\n" {
		t.Errorf("%q %v %v", text, exit, err)
	}
}

func copyProgram(t *testing.T, name, to string) {
	t.Helper()
	from, err := exec.LookPath(name)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestExits(t *testing.T) {
	for script, want := range map[string]string{"exit 0": "exit-0", "exit 7": "exit-7", "kill -TERM $$": "signal-15"} {
		var f Family
		c, err := f.Start(shell(script))
		if err != nil {
			t.Fatal(err)
		}
		if exit, err := c.Wait(); err != nil || exit.String() != want {
			t.Errorf("%s: %v %v", script, exit, err)
		}
	}
	var f Family
	if _, err := f.Start(Spec{Path: "/nowhere", Args: []string{"x"}}); err == nil {
		t.Error("started nothing")
	}
}

func TestChildLeadsItsOwnSession(t *testing.T) {
	var f Family
	c, out := pipeTo(t, &f, shell("cut -d' ' -f1,5,6 /proc/$$/stat; exec cat"))
	line, err := out.ReadString('\n')
	want := fmt.Sprintf("%[1]d %[1]d %[1]d\n", c.Pid())
	if err != nil || line != want {
		t.Errorf("pid, group, session: %q, want %q (%v)", line, want, err)
	}
	c.Wait()
}

func TestConfinedNeverGainsPrivileges(t *testing.T) {
	before := newPrivileges(t) // whoever runs this may have given them up already
	for _, tt := range []struct {
		confined bool
		want     string
	}{{true, "1"}, {false, before}} {
		var f Family
		s := shell("sed -n 's/^NoNewPrivs:[[:space:]]*//p' /proc/self/status")
		s.Confined = tt.confined
		c, out := pipeTo(t, &f, s)
		got, _ := io.ReadAll(out)
		if strings.TrimSpace(string(got)) != tt.want {
			t.Errorf("confined %v: NoNewPrivs %q", tt.confined, got)
		}
		c.Wait()
	}
}

func newPrivileges(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\nNoNewPrivs:")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(line)
}

func TestKillEndsTheWholeGroup(t *testing.T) {
	var f Family
	c, out := pipeTo(t, &f, shell("sleep 1000 & sleep 1000 & echo $!; wait"))
	if _, err := out.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	c.Kill()
	if exit, err := c.Wait(); err != nil || exit.Signal != int(syscall.SIGKILL) {
		t.Errorf("%v %v", exit, err)
	}
	// The pipe ends only when the last of them is gone.
	if rest, err := io.ReadAll(out); err != nil || len(rest) != 0 {
		t.Errorf("%q %v", rest, err)
	}
	c.Kill() // no harm
}

func TestSweepEndsWhatADeadChildLeftBehind(t *testing.T) {
	if err := AdoptOrphans(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan os.Signal, 64)
	signal.Notify(ended, syscall.SIGCHLD)
	defer signal.Stop(ended)

	var f Family
	bystander, quiet := pipeTo(t, &f, shell("echo up; exec sleep 1000"))
	quiet.ReadString('\n')
	// The orphan leads a session of its own and has a child.
	c, out := pipeTo(t, &f, shell(`setsid sh -c 'sleep 1000 & echo $$; wait' & exit 3`))
	line, err := out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	orphan, _ := strconv.Atoi(strings.TrimSpace(line))
	if exit, err := c.Wait(); err != nil || exit.Code != 3 {
		t.Fatalf("%v %v", exit, err)
	}
	if n := f.Sweep(false, nil); n != 1 {
		t.Errorf("%d orphans, want 1", n)
	}
	deadline := time.After(time.Minute)
	for f.Sweep(true, nil) > 0 {
		select {
		case <-ended:
		case <-deadline:
			t.Fatal("orphans are still there")
		}
	}
	if _, err := io.ReadAll(out); err != nil {
		t.Error(err)
	}
	if err := syscall.Kill(orphan, 0); err != syscall.ESRCH {
		t.Errorf("orphan %d: %v", orphan, err)
	}
	if err := syscall.Kill(bystander.Pid(), 0); err != nil {
		t.Errorf("a child that is known was swept away: %v", err)
	}
	bystander.Kill()
	bystander.Wait()
}

func TestNotify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for _, name := range []string{path, "@limpet-test-" + strconv.Itoa(os.Getpid())} {
		conn, err := net.ListenPacket("unixgram", name)
		if err != nil {
			t.Fatal(err)
		}
		if err := Notify(name, "READY=1"); err != nil {
			t.Error(err)
		}
		b := make([]byte, 100)
		if n, _, err := conn.ReadFrom(b); err != nil || string(b[:n]) != "READY=1" {
			t.Errorf("%q %v", b[:n], err)
		}
		conn.Close()
	}
	if err := Notify(path+"none", "x"); err == nil {
		t.Error("nobody was notified")
	}
}
