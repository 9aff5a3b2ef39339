package platforms

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// NotedProcesses are those that the core's collectors are, each leader of a session: their ids by what DIR/NAME/process
// says, "PID BORN ...", where BORN is the start time in ticks since boot that tells a process from a
// later one with its number. What is not a living process is left out.
func NotedProcesses(dir string) []int {
	names, err := fsys.Disk{}.ReadDir(dir)
	if err != nil {
		return nil
	}
	var pids []int
	for _, name := range names {
		data, err := fsys.Read(fsys.Disk{}, filepath.Join(dir, name, "process"), 4<<10)
		if err != nil {
			continue
		}
		f := strings.Fields(string(data))
		if len(f) < 2 {
			continue
		}
		if pid, err := strconv.Atoi(f[0]); err == nil && pid > 1 && born(pid) == f[1] {
			pids = append(pids, pid)
		}
	}
	return pids
}

// born is when a process started, in ticks since boot; "" where there is none.
func born(pid int) string {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	f := bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:])
	if len(f) < 20 {
		return ""
	}
	return string(f[19])
}
