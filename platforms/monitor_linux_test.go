package platforms

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const leave = 5 * time.Millisecond

// The second thread is the runtime's monitor, as long as it alone is found in short sleeps: a newer Go may start them otherwise.
func TestTheMonitorIsEased(t *testing.T) {
	if os.Geteuid() != 0 {
		EaseMonitor(leave) // not allowed to us: nothing happens
		return
	}
	defer EaseMonitor(0)
	before := slack(t)
	EaseMonitor(leave)
	if got := slack(t); got != leave {
		t.Errorf("the second thread may be %s late", got)
	}
	EaseMonitor(0)
	if got := slack(t); got != before {
		t.Errorf("the second thread may be %s late again, not %s", got, before)
	}
	sleeps := 0
	for range 500 {
		for i, task := range tasks(t) {
			if !inShortSleep(t, task) {
				continue
			}
			if sleeps++; i != 1 {
				t.Fatalf("thread %d sleeps for a moment, as the monitor does", i)
			}
		}
	}
	if sleeps == 0 {
		t.Error("the second thread never sleeps for a moment: it is not the monitor")
	}
}

// Where nobody else has the processors, it wakes less than half as often. Where they are busy nothing can be said of that: `make bench` has what it saves.
func TestEasedMonitorWakesLess(t *testing.T) {
	if os.Geteuid() != 0 {
		return
	}
	defer EaseMonitor(0)
	var punctual, late, judged int
	for limit := time.Now().Add(20 * time.Second); judged < 5 && time.Now().Before(limit); {
		EaseMonitor(0)
		p, took := monitorWakes(t)
		EaseMonitor(leave)
		l, tookToo := monitorWakes(t)
		if max(took, tookToo) > 5*worked/4 {
			continue
		}
		punctual, late, judged = punctual+p, late+l, judged+1
	}
	if t.Logf("%d wakes when punctual, %d with leave, in %d rounds", punctual, late, judged); judged == 5 && late >= punctual/2 {
		t.Errorf("it wakes %d times when punctual, %d with leave", punctual, late)
	}
}

// worked is how long monitorWakes takes where nobody keeps it waiting.
const worked = 50 * 3 * time.Millisecond

// monitorWakes is how often the second thread slept while this process worked now and then, and how long that took.
func monitorWakes(t *testing.T) (int, time.Duration) {
	began, before := time.Now(), sleeps(t)
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	for range 50 {
		for now := <-tick.C; time.Since(now) < time.Millisecond; {
			_, _ = os.Stat("/")
		}
	}
	return sleeps(t) - before, time.Since(began)
}

// tasks are this process's threads in the order in which they were started.
func tasks(t *testing.T) []string {
	t.Helper()
	dir, err := os.Open("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil || len(names) < 2 {
		t.Fatal(names, err)
	}
	return names
}

// of reads a file of a thread; one that has ended has none.
func of(t *testing.T, task, file string) string {
	t.Helper()
	text, err := os.ReadFile("/proc/" + task + "/" + file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ESRCH) {
		t.Fatal(err)
	}
	return string(text)
}

func slack(t *testing.T) time.Duration {
	t.Helper()
	n, err := strconv.ParseInt(strings.TrimSpace(of(t, tasks(t)[1], "timerslack_ns")), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(n)
}

func inShortSleep(t *testing.T, task string) bool {
	call, _, _ := strings.Cut(of(t, task, "syscall"), " ")
	return call == strconv.Itoa(unix.SYS_NANOSLEEP)
}

func sleeps(t *testing.T) int {
	t.Helper()
	_, rest, _ := strings.Cut(of(t, tasks(t)[1], "status"), "\nvoluntary_ctxt_switches:")
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}
