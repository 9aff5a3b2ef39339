package platforms

import (
	"os"
	"strconv"
	"sync"

	"github.com/limpet-monitoring/limpet/platforms/plain"
)

// Spec says what to start.
type Spec struct {
	// Image, when not nil, is the executable by its open descriptor; see ByImage. Path is used
	// where the system cannot do that, and names the executable otherwise.
	Image *os.File
	Path  string
	Args  []string    // with argv[0]
	Env   []string    // all of it: nil is empty
	Dir   string      // working directory
	Files [3]*os.File // stdin, stdout, stderr; nil is the null device
	// Confined takes away what can be taken: it never gains privileges (Linux), and it runs as
	// User where that is not nil and we are root.
	Confined bool
	User     *User
}

// User is a user to run something as.
type User struct{ UID, GID uint32 }

// Family starts children, knows them, and ends whatever they leave behind. The zero value is ready.
// Its methods may be called by several goroutines.
type Family struct {
	mu    sync.Mutex // guards known, and keeps Sweep out while a child is being started
	known map[int]bool
}

// Child is a process that was started, with all that it starts itself.
type Child struct {
	family  *Family
	process *os.Process
	tree    tree
}

// Start starts a child as leader of a session and process group of its own (Windows: in a job).
func (f *Family) Start(s Spec) (*Child, error) {
	files, opened, err := s.files()
	if err != nil {
		return nil, err
	}
	defer opened.close()
	f.mu.Lock()
	defer f.mu.Unlock()
	process, t, err := start(s, files)
	if err != nil {
		return nil, plain.Wrap("start "+s.Path, err)
	}
	if f.known == nil {
		f.known = map[int]bool{}
	}
	f.known[process.Pid] = true
	if s.Confined {
		_ = SetOOMScore(process.Pid, 0) // it began with ours; best effort
	}
	return &Child{family: f, process: process, tree: t}, nil
}

// Pid is the child's process id.
func (c *Child) Pid() int { return c.process.Pid }

// Wait returns how the child ended, once it has; it is to be called exactly once.
func (c *Child) Wait() (Exit, error) {
	state, err := c.process.Wait()
	c.family.mu.Lock()
	delete(c.family.known, c.process.Pid)
	c.tree.close()
	c.family.mu.Unlock()
	if err != nil {
		return Exit{}, plain.Wrap("wait for process "+strconv.Itoa(c.process.Pid), err)
	}
	return exitOf(state), nil
}

// Kill ends the child and its process group (Windows: its job) at once. Once Wait has returned it does
// nothing: the id may be somebody else's.
func (c *Child) Kill() {
	c.family.mu.Lock()
	defer c.family.mu.Unlock()
	if c.family.known[c.process.Pid] {
		c.tree.kill(c.process)
	}
}

// Exit is how a process ended.
type Exit struct {
	Code   int // -1 when a signal ended it
	Signal int // 0 when it exited
}

// String is "exit-N" or "signal-N", one word for control lines.
func (e Exit) String() string {
	if e.Signal != 0 {
		return "signal-" + strconv.Itoa(e.Signal)
	}
	return "exit-" + strconv.Itoa(e.Code)
}

// nulls are the null devices opened for one start.
type nulls []*os.File

func (n nulls) close() {
	for _, f := range n {
		f.Close()
	}
}

func (s Spec) files() ([]*os.File, nulls, error) {
	files, opened := s.Files[:], nulls(nil)
	files = append([]*os.File(nil), files...)
	for i, f := range files {
		if f != nil {
			continue
		}
		null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
		if err != nil {
			opened.close()
			return nil, nil, plain.Wrap("open the null device", err)
		}
		files[i], opened = null, append(opened, null)
	}
	return files, opened, nil
}
