package plugin

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// place is the cgroup below which ours go.
type place struct {
	dir       string
	delegated bool // it was given to us, with what is in it
}

func findPlace() (place, error) {
	mount, err := mountOfCgroups()
	if err != nil {
		return place{}, err
	}
	own, err := ownCgroup()
	if err != nil {
		return place{}, err
	}
	dir := filepath.Join(mount, own)
	if name := filepath.Base(dir); name == stubLeaf || strings.HasPrefix(name, coreLeaf) {
		dir = filepath.Dir(dir)
	}
	if isDelegated(dir) {
		return place{dir, true}, nil
	}
	if _, err := os.Stat("/run/systemd/system"); err == nil {
		return place{}, fmt.Errorf("%s is systemd's (a unit with Delegate=yes has one)", dir)
	}
	if own != "/" {
		return place{}, fmt.Errorf("%s is somebody else's", dir)
	}
	return place{mount, false}, nil
}

// isDelegated looks for the mark that systemd leaves on what it has given away.
func isDelegated(dir string) bool {
	var value [4]byte
	for _, name := range []string{"trusted.delegate", "user.delegate"} {
		if n, err := unix.Getxattr(dir, name, value[:]); err == nil && n == 1 && value[0] == '1' {
			return true
		}
	}
	return false
}

// The leaves of a cgroup that was given to us: one that has limited children may hold no process itself.
const (
	stubLeaf = "stub"
	coreLeaf = "core-"
)

// settle moves the processes of a delegated cgroup into leaves: this core into one of its own, the rest (the stub, whose children it
// starts there) into another.
func (p place) settle() error {
	self := filepath.Join(p.dir, coreLeaf+strconv.Itoa(os.Getpid()))
	rest := filepath.Join(p.dir, stubLeaf)
	for _, leaf := range []string{self, rest} {
		if err := os.Mkdir(leaf, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("make cgroup: %w", err)
		}
	}
	if err := moveTo(self, os.Getpid()); err != nil {
		return err
	}
	for range sweepRounds { // what is moved may start something meanwhile
		text, err := os.ReadFile(filepath.Join(p.dir, "cgroup.procs"))
		if err != nil {
			return fmt.Errorf("look into our cgroup: %w", err)
		}
		if len(text) == 0 {
			return nil
		}
		for word := range strings.FieldsSeq(string(text)) {
			if pid, err := strconv.Atoi(word); err == nil {
				if err := moveTo(rest, pid); err != nil && !errors.Is(err, syscall.ESRCH) {
					return err
				}
			}
		}
	}
	return errors.New("empty our cgroup: more and more processes in it")
}

func moveTo(dir string, pid int) error {
	err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), strconv.AppendInt(nil, int64(pid), 10), 0)
	if err != nil {
		return fmt.Errorf("move process %d to cgroup: %w", pid, err)
	}
	return nil
}

// mountOfCgroups finds where the cgroups of version 2 are mounted, alone or beside those of version 1.
func mountOfCgroups() (string, error) {
	for _, dir := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		var fs unix.Statfs_t
		if unix.Statfs(dir, &fs) == nil && int64(fs.Type) == unix.CGROUP2_SUPER_MAGIC {
			return dir, nil
		}
	}
	return "", errors.New("no cgroups of version 2 are mounted below /sys/fs/cgroup")
}

// ownCgroup is the path of this process's own cgroup of version 2.
func ownCgroup() (string, error) {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if path, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::"); ok {
			return path, nil
		}
	}
	return "", errors.New("this process is in no cgroup of version 2")
}

// held leaves of the limits those whose controller is there.
func held(dir string, l Limits) Limits {
	controllers, _ := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control"))
	words := strings.Fields(string(controllers))
	has := func(name string) bool {
		for _, w := range words {
			if w == name {
				return true
			}
		}
		return false
	}
	var out Limits
	if has("memory") && l.Memory > 0 {
		out.Memory = max(l.Memory, minMemory)
	}
	if has("pids") {
		out.Processes = l.Processes
	}
	return out
}

// enable has a cgroup's children limited in what can be; where it cannot be, held finds out.
func enable(dir string) {
	for _, controller := range []string{"+memory", "+pids"} {
		_ = os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte(controller), 0)
	}
}
