package platforms

import (
	"os"
	"strconv"
	"time"
)

// EaseMonitor says how late the Go runtime's monitor thread may wake; 0 is the system's own measure,
// 50 µs. While anything runs the monitor wakes every 20 µs at first, to take the processor from a
// goroutine that waits in the kernel and to interrupt one that computes for long. In a process that
// works for a few milliseconds at a time those wakes are a quarter of its CPU time
// (docs/performance.md). With leave it wakes once in that time, and what it looks after comes up to two
// of them late. Best effort: Linux allows it to a process with CAP_SYS_NICE.
func EaseMonitor(leave time.Duration) {
	tasks, err := os.Open("/proc/self/task")
	if err != nil {
		return
	}
	defer tasks.Close()
	// In the order in which they were started: the monitor is the second thread of a program.
	threads, err := tasks.Readdirnames(2)
	if err != nil || len(threads) < 2 {
		return
	}
	f, err := os.OpenFile("/proc/"+threads[1]+"/timerslack_ns", os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = f.WriteString(strconv.FormatInt(int64(leave), 10))
}
