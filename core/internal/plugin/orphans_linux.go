package plugin

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"sync"
)

// coreMark is this process's mark, as an environment takes it.
var coreMark = sync.OnceValue(func() []string {
	pid := os.Getpid()
	born := startTime(pid)
	if born == "" {
		return nil // no /proc: there is nothing to find later either
	}
	return []string{coreName + "=" + strconv.Itoa(pid) + "." + born}
})

// EndOrphans kills what the runs of a core that is gone (killed, so it could not) have left on this box, and names it. Runs of living
// cores are left alone, and so is everything in other pid namespaces. It takes the slots of such cores away, and
// reads every process's environment: for the start of a core, not for every day.
func EndOrphans() []string {
	home, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return nil
	}
	ended := endDeadSlots()
	for range sweepRounds { // what is killed may have forked in between
		orphans := orphans(home)
		if len(orphans) == 0 {
			break
		}
		for _, f := range orphans {
			if p, err := os.FindProcess(f.pid); err == nil {
				if isOrphan(f.pid, home) {
					p.Kill()
				}
				p.Release()
			}
		}
		ended = append(ended, orphans...)
		pause()
	}
	slices.SortFunc(ended, func(a, b found) int { return a.pid - b.pid })
	return namesOf(slices.Compact(ended))
}

func orphans(home string) []found {
	var all []found
	self := os.Getpid()
	for _, pid := range listProcesses(func(n int) bool { return n != self }) {
		if isOrphan(pid, home) {
			all = append(all, found{pid, commandName(pid)})
		}
	}
	return all
}

// isOrphan says whether a process belongs to a run whose core, of this pid namespace, is gone.
func isOrphan(pid int, home string) bool {
	core, ok := variable(environ(pid), coreName)
	if !ok {
		return false
	}
	number, born, ok := bytes.Cut(core, []byte("."))
	n, err := strconv.Atoi(string(number))
	if !ok || err != nil || startTime(n) == string(born) {
		return false
	}
	ns, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/ns/pid")
	return err == nil && ns == home
}

// variable finds a variable in an environment as /proc shows it.
func variable(env []byte, name string) ([]byte, bool) {
	for entry := range bytes.SplitSeq(env, []byte{0}) {
		if value, ok := bytes.CutPrefix(entry, []byte(name+"=")); ok {
			return value, true
		}
	}
	return nil, false
}

// startTime is when a process started, in ticks since boot. "" when there is no such process, or only its zombie.
func startTime(pid int) string {
	if st, ok := statusOf(pid); ok && !st.zombie {
		return st.born
	}
	return ""
}

// status is what is looked at of /proc/PID/stat.
type status struct {
	zombie          bool
	parent, session int
	born            string
}

func statusOf(pid int) (status, bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return status{}, false
	}
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:]) // the name before may hold anything
	if len(f) < 20 {
		return status{}, false
	}
	parent, _ := strconv.Atoi(string(f[1]))
	session, _ := strconv.Atoi(string(f[3]))
	return status{zombie: f[0][0] == 'Z' || f[0][0] == 'X', parent: parent, session: session, born: string(f[19])}, true
}
