package plugin

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/limpet-monitoring/limpet/core/check"
)

// alive says whether a process still runs; a zombie that nobody has reaped does not.
func alive(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	rest := string(b[strings.LastIndexByte(string(b), ')')+1:])
	return !strings.HasPrefix(rest, " Z") && !strings.HasPrefix(rest, " X")
}

func TestWhatLeftTheGroupEndsToo(t *testing.T) {
	cases := []struct {
		name  string
		env   []string
		state check.State
	}{
		{"at the deadline", []string{"HANG=1", "HOLD=1"}, check.Unknown},
		{"at the deadline, output closed", []string{"HANG=1"}, check.Unknown},
		{"after the plugin's own end", []string{"HOLD=1"}, check.OK},
		{"after the plugin's own end, output closed", nil, check.OK},
	}
	for _, c := range cases {
		inBoth(t, c.name, func(t *testing.T) {
			r, pid := detached(t, c.env...)
			eventually(t, fmt.Sprintf("process %d ends", pid), func() bool { return !alive(pid) })
			if r.State != c.state {
				t.Errorf("got %+v", r)
			}
			if !strings.Contains(strings.Join(r.Problems, "\n"), "(pid "+strconv.Itoa(pid)+")") {
				t.Errorf("%d is not named in %q", pid, r.Problems)
			}
		})
	}
}

// The first thread is the main goroutine's, which waits for the tests: so it starts nothing.
func init() { runtime.LockOSThread() }

// adoptOrphans makes this process as a core is.
func adoptOrphans(t *testing.T) {
	t.Helper()
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	WatchOrphans()
	if adopted.list == 0 {
		t.Fatal("this kernel does not list children")
	}
	t.Cleanup(func() {
		unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
		unix.Close(adopted.list)
		adopted.list = 0
	})
}

// inBoth runs a test with the marks alone, with those and orphans that come here, and in slots; where the system has none, that is said aloud.
func inBoth(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name+"/marks", f)
	t.Run(name+"/orphans", func(t *testing.T) {
		adoptOrphans(t)
		f(t)
	})
	t.Run(name+"/slots", func(t *testing.T) {
		inSlots = openSlots(t, Limits{})
		defer func() { inSlots = nil }()
		f(t)
	})
}

func openSlots(t *testing.T, l Limits) *Slots {
	t.Helper()
	s, err := OpenSlots(l)
	if err != nil {
		t.Skipf("NOT TESTED HERE: %v (make test-limits does, in a machine of its own)", err)
	}
	t.Cleanup(func() {
		regained(t, s)
		s.Close()
		if _, err := os.Stat(s.dir); err == nil {
			t.Errorf("%s is still there", s.dir)
		}
	})
	return s
}

// What a plugin left takes its time on a box that has none: meanwhile nobody else asks how it ended.
func TestAPluginIsNobodysStray(t *testing.T) {
	s := Spec{Path: script(t, "#!/bin/sh\nexit 2")}
	p, _, err := launch(t.Context(), s, markName+"=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	<-p.ended
	for _, at := range []time.Time{time.Now(), time.Now().Add(2 * unclaimedFor)} {
		strays.mu.Lock()
		strays.looked = time.Time{}
		strays.mu.Unlock()
		strays.look(at)
	}
	if end, ours := p.collect(); !ours || end.exit != 2 {
		t.Errorf("it ended with %d, told %v", end.exit, ours)
	}
	if strays.claimed(p.pid) {
		t.Error("it is still waited for")
	}
}

func TestAdoptedOrphansAreReaped(t *testing.T) {
	adoptOrphans(t)
	strays.mu.Lock()
	strays.seen, strays.later = nil, true // of earlier tests, and nothing comes by itself
	strays.mu.Unlock()
	innocent := exec.Command("/bin/true") // a zombie that somebody here will ask for
	if err := innocent.Start(); err != nil {
		t.Fatal(err)
	}
	inSlots = nil
	defer func() { inSlots = nil }()
	for _, body := range []string{`echo OK; sleep 600 &`, `echo OK; ( : & ) ; ( sleep 0.01 & ); sleep 0.1`, `echo OK; ( setsid sleep 600 & )`} {
		if r := sh(t, body); r.Text != "OK" {
			t.Errorf("%s: got %+v", body, r)
		}
	}
	run(t, Spec{Path: script(t, "#!/bin/sh\ntrap '' TERM; sleep 600 & sleep 600"), Timeout: 50 * time.Millisecond}, nil)
	if r, _ := detached(t, "HANG=1"); !r.TimedOut {
		t.Errorf("got %+v", r)
	}
	look := func(at time.Time) int {
		strays.looked = time.Time{}
		strays.look(at)
		return len(strays.seen)
	}
	for tries := 0; ; tries++ {
		// A session leader that ends before its plugin.
		leader := filepath.Join(t.TempDir(), "leader")
		begun := time.Now()
		r := sh(t, `( setsid sh -c '( : & ); echo $$ >"$0"; sleep 0.02' `+leader+` & ); until [ -s `+leader+` ] && p=$(cat `+leader+`) && { [ ! -d /proc/$p ] || grep -q "^State:.Z" /proc/$p/status; }; do sleep 0.02; done; echo OK`)
		if r.Text != "OK" {
			t.Errorf("got %+v", r)
		}
		first := look(time.Now()) // on a slow machine also one that was killed and took its time to die
		if n := look(time.Now().Add(unclaimedFor / 2)); n < first {
			t.Error("reaped before anybody could have asked for it")
		}
		if first > 0 {
			break
		}
		if time.Since(begun) < unclaimedFor || tries == 10 { // else it was its time
			t.Fatal("nobody is unclaimed, want the session leader")
		}
	}
	eventually(t, "nobody is noted any more", func() bool { // one that was killed may die in between
		return look(time.Now().Add(2*unclaimedFor)) == 0
	})
	if err := innocent.Wait(); err != nil {
		t.Errorf("somebody else's child was reaped: %v", err)
	}
	self := os.Getpid()
	left := func() (all []string) {
		for _, pid := range listProcesses(func(n int) bool { return n > self }) {
			if st, ok := statusOf(pid); ok && st.parent == self {
				all = append(all, fmt.Sprintf("%d (%s, zombie: %v)", pid, commandName(pid), st.zombie))
			}
		}
		return all
	}
	eventually(t, "no process is left", func() bool { // what was killed may take its time to die
		look(time.Now().Add(2 * unclaimedFor))
		look(time.Now().Add(4 * unclaimedFor))
		return len(left()) == 0
	})
	if all := left(); len(all) > 0 {
		t.Errorf("left: %v", all)
	}
}

// apart runs a test again in a pid namespace of its own: every core that starts on a machine ends what dead cores of its namespace have left, and others test here, too. Where there
// is no such namespace to be had it goes on as it is. false: it has been run.
func apart(t *testing.T) bool {
	t.Helper()
	unshare := []string{"--pid", "--fork", "--mount-proc"}
	if os.Geteuid() != 0 {
		unshare = append(unshare, "--user", "--map-root-user")
	}
	if os.Getenv("APART") != "" || exec.Command("unshare", append(unshare, "true")...).Run() != nil {
		return true
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	again := exec.Command("unshare", append(unshare, self, "-test.run", "^"+t.Name()+"$", "-test.v")...)
	again.Env = append(os.Environ(), "APART=1")
	out, err := again.CombinedOutput()
	switch {
	case strings.Contains(string(out), "--- SKIP: "+t.Name()):
		t.Skipf("%s", out)
	case err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()):
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

func TestRunsOfAKilledCoreAreEnded(t *testing.T) {
	if !apart(t) {
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	hangs := script(t, "#!/bin/sh\ntrap '' TERM HUP\necho $$\nsleep 600 & wait\n")
	core := exec.Command(self)
	core.Env = append(os.Environ(), "ACT=core", "HANGS="+hangs)
	pipe, err := core.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := core.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(pipe).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Kill(-pid, syscall.SIGKILL) })
	mine := "(pid " + strconv.Itoa(pid) + ")"
	if ended := EndOrphans(); strings.Contains(strings.Join(ended, " "), mine) || !alive(pid) {
		t.Fatalf("ended %q while the core lives", ended)
	}
	core.Process.Kill()
	core.Wait()
	if ended := EndOrphans(); !strings.Contains(strings.Join(ended, " "), mine) {
		t.Errorf("ended %q", ended)
	}
	eventually(t, "it dies", func() bool { return !alive(pid) })
}

func TestCandidatesCoverAllAfterAPid(t *testing.T) {
	self := os.Getpid()
	for name, pids := range map[string][]int{"from before": candidates(self - 1), "listed": listProcesses(func(n int) bool { return n >= self })} {
		seen := false
		for _, pid := range pids {
			seen = seen || pid == self
		}
		if !seen {
			t.Errorf("%s: %d is not in %v", name, self, pids)
		}
	}
	if lastPid() < 1 {
		t.Errorf("the last pid is %d", lastPid())
	}
}
