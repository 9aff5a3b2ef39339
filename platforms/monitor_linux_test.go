package platforms

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The second thread is the runtime's monitor, as long as leave to be late makes it wake less: a newer Go may start them otherwise.
func TestEasedMonitorWakesLess(t *testing.T) {
	if os.Geteuid() != 0 {
		EaseMonitor(5 * time.Millisecond) // not allowed to us: nothing happens
		return
	}
	defer EaseMonitor(0)
	var punctual, late int
	for range 5 { // others may keep the processors busy
		EaseMonitor(0)
		punctual = monitorWakes(t)
		EaseMonitor(5 * time.Millisecond)
		late = monitorWakes(t)
		if late < punctual/2 {
			return
		}
	}
	t.Errorf("%d wakes when punctual, %d with leave", punctual, late)
}

// monitorWakes is how often the second thread slept while this process worked now and then.
func monitorWakes(t *testing.T) int {
	tasks, err := os.Open("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	defer tasks.Close()
	names, err := tasks.Readdirnames(2)
	if err != nil {
		t.Fatal(err)
	}
	before := sleeps(t, names[1])
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	for range 50 {
		for now := <-tick.C; time.Since(now) < time.Millisecond; {
			_, _ = os.Stat("/")
		}
	}
	return sleeps(t, names[1]) - before
}

func sleeps(t *testing.T, task string) int {
	text, err := os.ReadFile("/proc/self/task/" + task + "/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\nvoluntary_ctxt_switches:")
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}
