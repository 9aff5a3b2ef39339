package collector

import (
	"os"
	"strconv"
)

// ours says whether a process was started for this very folder. A copy of an agent's root holds the note, too, and the process that it names lives
// on the same machine: but it is the original's.
func ours(n note, dir string) bool {
	if elsewhere(n.pid, n.dir) {
		return false
	}
	from := n.dir
	if from == "" { // noted by a core that did not say for which folder: the mark does, where the process has kept its environment
		env, _ := os.ReadFile("/proc/" + strconv.Itoa(n.pid) + "/environ")
		from = markOf(env)
	}
	if from == "" || from == dir {
		return true
	}
	there, err := os.Stat(from)
	if err != nil {
		return os.IsNotExist(err) // the root was moved here: nobody else has it
	}
	here, err := os.Stat(dir)
	return err == nil && os.SameFile(here, there)
}

// elsewhere says that a process sees another folder under this name than we do: it is another container's, with the same paths.
func elsewhere(pid int, dir string) bool {
	if dir == "" {
		return false
	}
	here, err := os.Stat(dir)
	if err != nil {
		return false
	}
	seen, err := os.Stat("/proc/" + strconv.Itoa(pid) + "/root" + dir)
	return err == nil && !os.SameFile(here, seen) // a collector that went into a chroot sees none
}
