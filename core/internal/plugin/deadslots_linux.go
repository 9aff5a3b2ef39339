package plugin

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// pidNamespace is the number of this process's pid namespace, "" without /proc.
func pidNamespace() string {
	link, _ := os.Readlink("/proc/self/ns/pid") // "pid:[4026531836]"
	return strings.Trim(strings.TrimPrefix(link, "pid:"), "[]")
}

// endDeadSlots kills what is in the slots of cores that are gone, and takes the slots and leaves of those away. It names what it killed.
func endDeadSlots() []found {
	place, err := findPlace()
	if err != nil {
		return nil
	}
	entries, _ := os.ReadDir(place.dir)
	var ended []found
	for _, e := range entries {
		dir := filepath.Join(place.dir, e.Name())
		if place.delegated && strings.HasPrefix(e.Name(), coreLeaf) {
			os.Remove(dir) // fails while a core is in it
		}
		if whose, ok := strings.CutPrefix(e.Name(), runsPrefix); ok && isDeadCore(whose) {
			ended = append(ended, emptyDead(dir)...)
		}
	}
	return ended
}

// isDeadCore reads NAMESPACE.PID.BORN.
func isDeadCore(whose string) bool {
	f := strings.Split(whose, ".")
	if len(f) != 3 || f[0] != pidNamespace() {
		return false
	}
	pid, err := strconv.Atoi(f[1])
	return err == nil && startTime(pid) != f[2]
}

func emptyDead(dir string) []found {
	var ended []found
	slots, _ := os.ReadDir(dir)
	for _, e := range slots {
		if !e.IsDir() {
			continue
		}
		x := &slot{path: filepath.Join(dir, e.Name()), dir: -1, memory: -1, pids: -1}
		if err := x.open(); err != nil {
			x.close()
			continue
		}
		for _, pid := range x.all() {
			ended = append(ended, found{pid, commandName(pid)})
		}
		if populated, _ := x.state(); populated || !x.empty() {
			x.kill()
		}
		x.remove()
	}
	os.Remove(dir)
	return ended
}
