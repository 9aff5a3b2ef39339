package plugin

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Slots are cgroups (v2) in which runs take place, one at a time in each, used again and again: making one for every run would cost more
// than the run's start. What is in a slot can be counted, limited and killed in one step, whatever session, group or environment it
// made for itself. Its methods may be called by several goroutines; a nil *Slots has none.
type Slots struct {
	dir     string
	limits  Limits // those that the kernel holds; the rest is 0
	watched int    // processes, where the agent has to count them itself

	mu   sync.Mutex // guards what follows
	idle []*slot
	made int
	lost []*slot // of runs that could not be killed; looked at again later
	dead bool    // there are no slots any more

	rested time.Time // until then runs go without

	taken   int           // of runs under way
	settled bool          // nothing has run in them since used was read
	used    time.Duration // as it was read last
}

// minMemory is the least a run is limited to: below it no program starts.
const minMemory = 4 << 20

// runsPrefix is followed by the core's pid namespace, its pid and its start time: so that nobody takes a living core's for a dead one's.
const runsPrefix = "limpet-runs-"

// OpenSlots makes a place for slots in the cgroup that this process was given (systemd: Delegate=yes), or, where no systemd rules over
// cgroups, below their root. The error says why there is none here; runs do without then.
func OpenSlots(l Limits) (*Slots, error) {
	place, err := findPlace()
	if err != nil {
		return nil, fmt.Errorf("no cgroup of our own: %w", err)
	}
	if place.delegated {
		if err := place.settle(); err != nil {
			return nil, err
		}
	}
	home, born := pidNamespace(), startTime(os.Getpid())
	if home == "" || born == "" {
		return nil, errors.New("make cgroup for runs: no /proc")
	}
	dir := filepath.Join(place.dir, runsPrefix+home+"."+strconv.Itoa(os.Getpid())+"."+born)
	enable(place.dir)
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("make cgroup for runs: %w", err)
	}
	enable(dir)
	s := &Slots{dir: dir, limits: held(dir, l)}
	if s.limits.Processes == 0 {
		s.watched = l.Processes
	}
	first, err := s.make()
	if err != nil {
		os.Remove(dir)
		return nil, err
	}
	s.idle = append(s.idle, first)
	return s, nil
}

// Held says which of the limits the kernel itself holds.
func (s *Slots) Held() Limits {
	if s == nil {
		return Limits{}
	}
	return s.limits
}

// Used is what all runs in these slots have used of the processors, those that go on included. Where none has gone on since it was asked last,
// nothing is read: an agent whose checks are all its own asks every five seconds.
func (s *Slots) Used() time.Duration {
	if s == nil {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.settled {
		s.used, s.settled = s.read(), s.taken == 0 && len(s.lost) == 0
	}
	return s.used
}

// read reads what has been used; 0 when that cannot be told.
func (s *Slots) read() time.Duration {
	text, err := os.ReadFile(filepath.Join(s.dir, "cpu.stat")) // counted without any controller
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "usage_usec "); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			return time.Duration(n) * time.Microsecond
		}
	}
	return 0
}

// most is how many processes a run may have, whoever counts them.
func (s *Slots) most() int { return max(s.watched, s.limits.Processes) }

// Close takes the slots away; one whose run could not be killed stays, for the next core.
func (s *Slots) Close() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range append(s.idle, s.lost...) {
		x.remove()
	}
	s.idle, s.lost, s.dead = nil, nil, true
	os.Remove(s.dir)
}

// take gives a slot for one run; nil when there is none, and the run does without.
func (s *Slots) take() *slot {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lookAgain()
	x := s.free()
	if x != nil {
		s.taken++
		s.settled = false
	}
	return x
}

// free is an idle slot, or a new one. mu is held.
func (s *Slots) free() *slot {
	if s.dead || time.Now().Before(s.rested) {
		return nil
	}
	if n := len(s.idle); n > 0 {
		x := s.idle[n-1]
		s.idle = s.idle[:n-1]
		return x
	}
	x, err := s.make()
	if err != nil {
		return nil
	}
	return x
}

// give takes a slot back after its run. One that had to be killed is of no further use: kernels from 6.14 on kill at once whatever is started right
// into a cgroup that was killed before (docs/decisions/075-slots.md). One that is not empty is kept aside.
func (s *Slots) give(x *slot) {
	if x == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken--
	switch populated, frozen := x.state(); {
	case !x.empty() || x.killed && populated:
		s.lost = append(s.lost, x)
	case x.killed || s.dead || frozen: // what is started into a frozen one stops before it is the plugin, and whoever started it waits for that
		x.remove()
	default:
		s.idle = append(s.idle, x)
	}
}

// lookAgain takes away what has become empty. mu is held.
func (s *Slots) lookAgain() {
	s.lost = slices.DeleteFunc(s.lost, func(x *slot) bool {
		if populated, _ := x.state(); populated || !x.empty() {
			return false
		}
		x.remove()
		return true
	})
}

// drop takes back a slot in which nothing can be started.
func (s *Slots) drop(x *slot) {
	x.killed = true
	s.give(x)
}

// restTime is how long runs go without slots where none works. What a run has done to its own may hold for all as long as it is there: one that
// makes it a threaded cgroup makes the others invalid.
const restTime = time.Minute

// rest: nothing can be started in them; what comes for a while runs without.
func (s *Slots) rest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rested = time.Now().Add(restTime)
	for _, x := range s.idle {
		x.remove()
	}
	s.idle = nil
}

// slotFails says that an error of a start is about the slot: a kernel or a filter of system calls without clone3, or a cgroup that somebody
// took away or made another kind of.
func slotFails(err error) bool {
	return errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.EBUSY) || errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENODEV)
}

// make makes one more slot. mu is held, or nobody else knows s.
func (s *Slots) make() (*slot, error) {
	path := filepath.Join(s.dir, strconv.Itoa(s.made))
	if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("make slot: %w", err)
	}
	s.made++
	if _, err := os.Stat(filepath.Join(path, "cgroup.kill")); err != nil {
		os.Remove(path)
		return nil, errors.New("make slot: this kernel has no cgroup.kill (Linux 5.14 has)")
	}
	x := &slot{path: path, memory: -1, pids: -1, limits: s.limits, count: s.watched}
	if err := x.open(); err != nil {
		x.close()
		os.Remove(path)
		return nil, fmt.Errorf("make slot: %w", err)
	}
	return x, nil
}
