package platforms

import (
	"os"
	"strconv"
)

// How readily the kernel ends a process when memory runs out, -1000 (never) to 1000 (first).
const (
	OOMStub      = -900
	OOMCore      = -300
	OOMCollector = 300
	OOMPlugin    = 600
)

// SetOOMScore says how readily the kernel ends a process when memory runs out; 0 for pid is this one. Its children begin with the same. A lower
// score than a process has takes rights: best effort, and an error for who wants to tell.
func SetOOMScore(pid, score int) error {
	name := "self"
	if pid > 0 {
		name = strconv.Itoa(pid)
	}
	f, err := os.OpenFile("/proc/"+name+"/oom_score_adj", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(strconv.Itoa(score))
	return err
}
