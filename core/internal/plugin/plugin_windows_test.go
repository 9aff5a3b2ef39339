package plugin

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/windows"

	"github.com/limpet-monitoring/limpet/core/check"
)

// TestMain lets the test binary be a plugin, and an interpreter.
func TestMain(m *testing.M) {
	act, rest, _ := strings.Cut(os.Getenv("ACT"), " ")
	switch act {
	case "":
		os.Exit(m.Run())
	case "exit": // exit CODE TEXT
		code, text, _ := strings.Cut(rest, " ")
		fmt.Print(text)
		n, _ := strconv.Atoi(code)
		os.Exit(n)
	case "show": // what it was given
		dir, _ := os.Getwd()
		in, err := io.ReadAll(os.Stdin)
		fmt.Printf("%q in %s, stdin %q %v\n", os.Args[1:], dir, in, err)
		for _, v := range os.Environ() {
			fmt.Println(v)
		}
	case "flood":
		block := []byte(strings.Repeat("x", 1<<16))
		for range 1600 {
			if _, err := os.Stdout.Write(block); err != nil {
				break
			}
		}
		os.Exit(1)
	case "leave": // a child in a process group of its own, which holds the output; leave hang: and hangs itself
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), "ACT=child")
		c.Stdout = os.Stdout
		c.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP | windows.DETACHED_PROCESS}
		if err := c.Start(); err != nil {
			panic(err)
		}
		fmt.Println("OK - left", c.Process.Pid)
		if rest == "hang" {
			time.Sleep(time.Hour)
		}
	case "child":
		time.Sleep(time.Hour)
	case "many": // as many children as it is let have
		for n := 0; ; n++ {
			c := exec.Command(os.Args[0])
			c.Env = append(os.Environ(), "ACT=child")
			if err := c.Start(); err != nil || n == 20 {
				fmt.Println("OK -", n, "children")
				os.Exit(0)
			}
		}
	}
	os.Exit(0)
}

// itself runs the test binary as a plugin that does what act says.
func itself(t *testing.T, act string, s Spec) check.Result {
	t.Helper()
	if s.Path == "" {
		s.Path, _ = os.Executable()
	}
	s.Env = append(s.Env, "ACT="+act)
	s.Check = "test"
	if s.Timeout == 0 {
		s.Timeout = time.Minute
	}
	return Run(t.Context(), s, nil)
}

func TestEnds(t *testing.T) {
	for _, c := range []struct {
		act   string
		state check.State
		exit  int
		text  string
	}{
		{"exit 0 OK - fine | a=1", check.OK, 0, "OK - fine"},
		{"exit 1 W", check.Warning, 1, "W"},
		{"exit 2 C", check.Critical, 2, "C"},
		{"exit 3 U", check.Unknown, 3, "U"},
		{"exit 7 text", check.Unknown, 7, "text"},
		{"exit 0", check.OK, 0, "(no output on stdout)"},
		{"exit -1073741819 died", check.Unknown, 0xc0000005, "died"},
	} {
		if r := itself(t, c.act, Spec{}); r.State != c.state || r.Exit != c.exit || r.Text != c.text || r.TimedOut || r.Truncated {
			t.Errorf("%s: %+v", c.act, r)
		}
	}
	if r := itself(t, "flood", Spec{}); r.State != check.Warning || !r.Truncated || len(r.Text) != MaxOutput {
		t.Errorf("flood: %s %v, %d bytes", r.State, r.Truncated, len(r.Text))
	}
	if r := itself(t, "", Spec{Path: filepath.Join(t.TempDir(), "check_none.exe")}); r.State != check.Unknown || !strings.Contains(r.Text, "there is no such file") {
		t.Errorf("no file: %+v", r)
	}
}

func TestWhatAPluginIsGiven(t *testing.T) {
	dir := t.TempDir()
	args := []string{"", "a b", `a"b`, `C:\dir\`, `\\host\share\`, "%PATH%", "ä"}
	t.Setenv("SECRET", "x")
	r := itself(t, "show", Spec{Args: args, Dir: dir, Macros: map[string]string{"ARG1": "one"}})
	if want := fmt.Sprintf("%q in %s, stdin \"\" <nil>", args, dir); r.Text != want {
		t.Errorf("%s\nwant %s", r.Text, want)
	}
	for _, v := range []string{"LIMPET_CHECK=test", "NAGIOS_ARG1=one", "LC_ALL=C", "SystemRoot=" + os.Getenv("SystemRoot")} {
		if !strings.Contains(r.Long+"\n", v+"\n") {
			t.Errorf("no %s in\n%s", v, r.Long)
		}
	}
	if strings.Contains(r.Long, "SECRET") {
		t.Error("the agent's environment got through")
	}
}

// lives says whether a process still runs.
func lives(t *testing.T, text string) bool {
	t.Helper()
	_, number, _ := strings.Cut(text, "left ")
	pid, err := strconv.Atoi(strings.TrimSpace(number))
	if err != nil {
		t.Fatalf("no process in %q", text)
	}
	h, err := windows.OpenProcess(windows.SYNCHRONIZE, false, uint32(pid))
	if err != nil {
		return false
	}
	defer windows.CloseHandle(h)
	event, err := windows.WaitForSingleObject(h, 2000)
	return err != nil || event != windows.WAIT_OBJECT_0
}

func TestTheTreeEndsAtTheDeadline(t *testing.T) {
	began := time.Now()
	r := itself(t, "leave hang", Spec{Timeout: 3 * time.Second})
	if took := time.Since(began); !r.TimedOut || r.State != check.Unknown || took > 5*time.Second {
		t.Errorf("after %s: %+v", took, r)
	}
	if lives(t, r.Long) {
		t.Error("its child still runs")
	}
}

func TestWhatIsLeftBehindIsEnded(t *testing.T) {
	began := time.Now()
	r := itself(t, "leave", Spec{})
	if took := time.Since(began); r.State != check.OK || took > 10*time.Second {
		t.Errorf("after %s: %+v", took, r)
	}
	_, pid, _ := strings.Cut(r.Text, "left ")
	if all := strings.Join(r.Problems, "\n"); !strings.Contains(all, filepath.Base(os.Args[0])+" (pid "+pid+")") || strings.Count(all, "(") != 1 {
		t.Errorf("problems %q", r.Problems)
	}
	if lives(t, r.Text) {
		t.Error("its child still runs")
	}
}

func TestARunIsCutOff(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	path, _ := os.Executable()
	if r := Run(ctx, Spec{Path: path, Env: []string{"ACT=child"}, Check: "test"}, nil); !Interrupted(r) {
		t.Errorf("%+v", r)
	}
}

func TestProcessesOfARunAreLimited(t *testing.T) {
	slots, err := OpenSlots(Limits{Processes: 4})
	if err != nil {
		t.Fatal(err)
	}
	if r := itself(t, "many", Spec{Slots: slots}); r.Text != "OK - 3 children" {
		t.Errorf("%+v", r)
	}
}

// What the system does not start by itself is started by its ending, or by its first line.
func TestScripts(t *testing.T) {
	dir := t.TempDir()
	self, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"python3.exe":   self,
		"fish.exe":      self,
		"check_py.py":   []byte("print"),
		"check_bang":    []byte("#!/usr/bin/env -S fish -u\necho\n"),
		"check_bat.bat": []byte("@echo OK - batch %1 %~2\r\n@exit 1\r\n"),
		"check_cmd.cmd": []byte("@echo OK - cmd %LIMPET_CHECK%\r\n"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+";"+os.Getenv("PATH"))
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, c := range []struct {
		name, act string
		args      []string
		state     check.State
		text      string
	}{
		{"check_py.py", "show", []string{"-H", "a b"}, check.OK, fmt.Sprintf("%q", []string{in("check_py.py"), "-H", "a b"})},
		{"check_bang", "show", []string{"x"}, check.OK, fmt.Sprintf("%q", []string{"-u", in("check_bang"), "x"})},
		{"check_bat.bat", "", []string{"one", "two three"}, check.Warning, "OK - batch one two three"},
		{"check_cmd.cmd", "", nil, check.OK, "OK - cmd test"},
	} {
		if r := itself(t, c.act, Spec{Path: in(c.name), Args: c.args}); r.State != c.state || !strings.HasPrefix(r.Text, c.text) {
			t.Errorf("%s: %+v", c.name, r)
		}
	}
	if r := itself(t, "", Spec{Path: in("check_bat.bat"), Args: []string{"a&b"}}); r.State != check.Unknown || !strings.Contains(r.Text, "cannot be passed") {
		t.Errorf("an argument that cmd.exe would read: %+v", r)
	}
}
