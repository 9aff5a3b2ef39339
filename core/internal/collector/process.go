package collector

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// note says which process a collector is: one line, `PID BORN BOOT KEY STARTED RESTARTS FOLDER`, in state/collector/NAME/process. The stub reads its first
// two fields (docs/stub-contract.md). BORN is the process's start in ticks since boot, so that a number used again is not taken for it; FOLDER, to the
// end of the line, is where it was written, so that a copy of it is told from it.
type note struct {
	pid      int
	born     string
	boot     string
	key      string // of the plan it runs
	started  time.Time
	restarts int
	dir      string // for which it was started, "" in a note of a core before
}

func (n note) write(dir string) error {
	line := fmt.Sprintf("%d %s %s %s %d %d %s\n", n.pid, n.born, n.boot, n.key, n.started.UnixNano(), n.restarts, dir)
	// Not synced: it means something during this boot only.
	path := filepath.Join(dir, processName)
	if err := os.WriteFile(path+".new", []byte(line), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

var errNoProcess = errors.New("no process is noted")

// readNote reads the note of a process of this boot.
func readNote(dir string) (note, error) {
	data, err := fsys.Read(fsys.Disk{}, filepath.Join(dir, processName), 4<<10)
	if err != nil {
		return note{}, errNoProcess
	}
	const fields = 6
	f := strings.SplitN(strings.TrimSuffix(string(data), "\n"), " ", fields+1)
	if len(f) < fields {
		return note{}, errNoProcess
	}
	n := note{born: f[1], boot: f[2], key: f[3]}
	if len(f) > fields {
		n.dir = f[fields]
	}
	started, bad := strconv.ParseInt(f[4], 10, 64)
	n.started = time.Unix(0, started)
	var err1, err2 error
	n.pid, err1 = strconv.Atoi(f[0])
	n.restarts, err2 = strconv.Atoi(f[5])
	if errors.Join(err1, err2, bad) != nil || n.pid <= 1 || n.boot != bootID() {
		return note{}, errNoProcess
	}
	return n, nil
}

func bootID() string {
	id, err := platforms.BootID()
	if err != nil || strings.ContainsAny(id, " \n") {
		return "unknown"
	}
	return id
}

// process is a collector's process, ours or one taken over.
type process struct {
	pid  int
	born string
	dir  string        // the collector's folder, which marks all it starts
	done chan struct{} // closed when it has ended
	how  string        // it ended; after done. "" for one whose parent was another core

	group *cgroup // nil = it has none
}

// reap waits for the end of a process of ours, and notes it.
func (p *process) reap(child *os.Process) {
	defer close(p.done)
	state, err := child.Wait()
	if err != nil {
		p.how = err.Error()
		return
	}
	p.how = state.String()
}
