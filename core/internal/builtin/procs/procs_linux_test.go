package procs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/fixture"
)

// stat is the beginning of a /proc/PID/stat.
func stat(pid int, command, state string, parent int, flags uint64) string {
	return fmt.Sprintf("%d (%s) %s %d 1 1 0 -1 %d 5 6 7\n", pid, command, state, parent, flags)
}

func box(t *testing.T) string {
	return fixture.Tree(t, map[string]string{
		"1/stat": stat(1, "init", "S", 0, 4194560), "2/stat": stat(2, "kthreadd", "S", 0, 2129984),
		"3/stat": stat(3, "kworker/0:1 (x)", "D", 2, 69238880), "40/stat": stat(40, "sh) R 1 (", "R", 1, 0),
		"41/stat": stat(41, "sh", "Z", 40, 0), "42/stat": stat(42, "io", "D", 40, 0), "self/stat": stat(40, "sh", "R", 1, 0),
		"loadavg": "0.70 0.51 0.27 1/91 12746\n", "sys/kernel/pid_max": "100\n", "sys/kernel/threads-max": "1000\n",
		"12x/stat": "", "meminfo": "",
	})
}

func TestRun(t *testing.T) {
	for _, c := range []struct {
		args  string
		state check.State
		text  string
	}{
		{"", check.Warning, "PROCS WARNING: 6 processes, 1 running, 1 blocked, 1 zombies"}, // 91 threads of 100
		{"--zombies ,0", check.Critical, "PROCS CRITICAL: 6 processes"},
		{"-s Z", check.OK, "PROCS OK: 1 process with STATE = Z"},
		{"-s ZD", check.OK, "PROCS OK: 3 processes with STATE = ZD"},
		{"-C init -c 1:", check.OK, "PROCS OK: 1 process with command name 'init'"},
		{"-C gone -c 1:", check.Critical, "PROCS CRITICAL: 0 processes with command name 'gone'"},
		{"-p 40 -w 1", check.Warning, "PROCS WARNING: 2 processes with PPID = 40"},
		{"-k", check.OK, "PROCS OK: 4 processes"},
		{"-p 40 -s D -C io", check.OK, "PROCS OK: 1 process with command name 'io', STATE = D, PPID = 40"},
	} {
		got := New(box(t)).Run(t.Context(), strings.Fields(c.args))
		if got.State != c.state || !strings.HasPrefix(got.Text, c.text) || len(got.Problems) != 0 {
			t.Errorf("%q: %+v", c.args, got)
		}
	}
}

// TestWhoSleptIsReadNowAndThen: processes that slept after 35 s, kernel threads after five minutes, all others in each run; and all are counted.
func TestWhoSleptIsReadNowAndThen(t *testing.T) {
	synctest.Test(t, whoSlept)
}

func whoSlept(t *testing.T) {
	const all = 240
	files := map[string]string{"loadavg": "", "sys/kernel/pid_max": "100\n", "sys/kernel/threads-max": "1000\n"}
	kinds := []struct {
		state string
		flags uint64
		after time.Duration
	}{{"S", kernelThread, idlesFor + 20*time.Second}, {"S", 0, restsFor}, {"D", 0, 0}} // kernel threads with those that slept, which come every 40 s
	for n := range len(kinds) * all {
		files[fmt.Sprintf("%d/stat", 1000+n)] = stat(1000+n, "x", kinds[n/all].state, 1, kinds[n/all].flags)
	}
	root := fixture.Tree(t, files)
	c := New(root)
	c.Run(t.Context(), nil)
	for n := range len(kinds) * all {
		fixture.Write(t, fmt.Sprintf("%s/%d/stat", root, 1000+n), stat(1000+n, "x", "Z", 1, 0))
	}
	began := time.Now()
	for run := 1; run <= 33; run++ {
		time.Sleep(10 * time.Second)
		zombies := 0
		for _, k := range kinds {
			if time.Since(began) >= k.after {
				zombies += all
			}
		}
		fixture.Write(t, fmt.Sprintf("%s/%d/stat", root, 2000+run), stat(2000+run, "new", "S", 1, 0))
		want := fmt.Sprintf("PROCS WARNING: %d processes, 0 running, 0 blocked, %d zombies", len(kinds)*all+run, zombies)
		if got := c.Run(t.Context(), nil).Text; got != want {
			t.Fatalf("run %d: %q, want %q", run, got, want)
		}
	}
}

// TestOnThisBox: listed or not, as many are counted as there are. Others come and go meanwhile: no run may miss one that was there all the time, and where none was seen to come or
// go it must be right now and then.
func TestOnThisBox(t *testing.T) {
	c := New("/proc")
	var right, still [2]int // not listed, listed
	begun := time.Now()
	for run := 0; run < 2 || (right[0] == 0 || right[1] == 0) && run < 1000 && time.Since(begun) < 20*time.Second; run++ {
		listed := run % 2
		if listed == 1 {
			c.woke = time.Time{}
		}
		before := processes(t)
		text := c.Run(t.Context(), nil).Text
		after := processes(t)
		var got int
		if _, count, _ := strings.Cut(text, ": "); count == "" {
			t.Fatalf("%q", text)
		} else if _, err := fmt.Sscanf(count, "%d processes, ", &got); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		stayed, came := 0, 0
		for pid := range after {
			if before[pid] {
				stayed++
			} else {
				came++
			}
		}
		if most := len(before) + came + 100; got < stayed || got > most {
			t.Errorf("run %d: %d counted, %d were there all the time, %d could be", run, got, stayed, most)
		}
		if run > 0 && maps.Equal(before, after) {
			still[listed]++
			if got == len(before) {
				right[listed]++
			}
		}
	}
	for listed, n := range still {
		if n >= 20 && right[listed] == 0 {
			t.Errorf("listed %d: never right in %d runs during which nobody came or went", listed, n)
		}
	}
	t.Logf("right %v times of %v in which nobody came or went", right, still)
}

// processes are the pids that there are.
func processes(t *testing.T) map[int]bool {
	t.Helper()
	all, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	pids := map[int]bool{}
	for _, e := range all {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids[pid] = true
		}
	}
	return pids
}

// TestAPidThatIsUsedAgain is a new process when the old one was seen to be gone; and who ran is read in each run until it sleeps.
func TestAPidThatIsUsedAgain(t *testing.T) {
	root := box(t)
	c := New(root)
	look := func(want string) {
		t.Helper()
		if got := c.Run(t.Context(), nil).Text; !strings.Contains(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	look("6 processes, 1 running")
	if err := os.RemoveAll(root + "/1"); err != nil {
		t.Fatal(err)
	}
	look("5 processes, 1 running")
	fixture.Write(t, root+"/1/stat", stat(1, "init", "R", 0, 0))
	fixture.Write(t, root+"/40/stat", stat(40, "sh", "S", 1, 0))
	look("6 processes, ")
	c.woke = time.Time{}
	look("6 processes, 1 running")
	fixture.Write(t, root+"/1/stat", stat(1, "init", "S", 0, 0))
	look("6 processes, 0 running")
}

func TestProcessThatEndsMeanwhileIsNotCounted(t *testing.T) {
	root := box(t)
	if err := os.Remove(root + "/42/stat"); err != nil {
		t.Fatal(err)
	}
	if got := New(root).Run(t.Context(), nil); !strings.Contains(got.Text, "5 processes") {
		t.Errorf("%+v", got)
	}
}

func TestBrokenStatIsToldAndCounted(t *testing.T) {
	root := box(t)
	fixture.Write(t, root+"/42/stat", "42 io D")
	got := New(root).Run(t.Context(), nil)
	if !strings.Contains(got.Text, "6 processes, 1 running, 0 blocked") || len(got.Problems) != 1 || got.Problems[0] != "1 processes cannot be read" {
		t.Errorf("%+v", got)
	}
}

func TestManyProcesses(t *testing.T) {
	files := make(map[string]string)
	for pid := 1; pid <= 1500; pid++ {
		files[fmt.Sprintf("%d/stat", pid)] = stat(pid, "x", "S", 1, 0)
	}
	root := fixture.Tree(t, files)
	if got := New(root).Run(t.Context(), []string{"-s", "S"}); got.Text != "PROCS OK: 1500 processes with STATE = S" {
		t.Errorf("%+v", got)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if got := New(root).Run(ctx, nil); got.State != check.Unknown || got.Text != "PROCS UNKNOWN - enough" {
		t.Errorf("%+v", got)
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add(stat(40, "sh) R 1 (", "R", 1, 0), "0.70 0.51 0.27 1/91 12746\n")
	f.Add("1 (", "1/")
	f.Fuzz(func(t *testing.T, a, b string) {
		if p, ok := parseStat([]byte(a)); ok && (p.state == 0 || p.parent < 0) {
			t.Errorf("%+v", p)
		}
		if n := parseThreads([]byte(b)); n < 0 {
			t.Errorf("%d threads", n)
		}
	})
}
