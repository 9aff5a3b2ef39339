package plugin

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
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
}

// slot is one cgroup. Its descriptors are raw: they are read at an offset, several times a run.
type slot struct {
	path                     string
	limits                   Limits // held by the kernel
	count                    int    // processes, counted here
	dir, procs, memory, pids int    // descriptors; -1 = none
	events                   int    // descriptor
	oomBefore, forksBefore   uint64 // the kernel's counters at the end of the run before
	killed                   bool
}

// minMemory is the least a run is limited to: below it no program starts.
const minMemory = 4 << 20

// runsPrefix is followed by the core's pid namespace, its pid and its start time: so that nobody takes a living core's for a dead one's.
const runsPrefix = "limpet-runs-"

// pidNamespace is the number of this process's pid namespace, "" without /proc.
func pidNamespace() string {
	link, _ := os.Readlink("/proc/self/ns/pid") // "pid:[4026531836]"
	return strings.Trim(strings.TrimPrefix(link, "pid:"), "[]")
}

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

// Used is what all runs in these slots have used of the processors, those that go on included.
func (s *Slots) Used() time.Duration {
	if s == nil {
		return 0
	}
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

// charged says whether Used counts what is in the slot.
func (x *slot) charged() bool { return x != nil }

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

// take gives a slot for one run; nil when there is none, and the run does without.
func (s *Slots) take() *slot {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lookAgain()
	if n := len(s.idle); n > 0 {
		x := s.idle[n-1]
		s.idle = s.idle[:n-1]
		return x
	}
	if s.dead {
		return nil
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

// remove takes a slot away.
func (x *slot) remove() {
	x.close()
	removeCgroup(x.path)
}

// removeCgroup removes a cgroup with those that a run of root's made in it, as far as nothing is in them.
func removeCgroup(path string) {
	if os.Remove(path) == nil {
		return
	}
	entries, _ := os.ReadDir(path)
	for _, e := range entries {
		if e.IsDir() {
			removeCgroup(filepath.Join(path, e.Name()))
		}
	}
	os.Remove(path)
}

// giveUp: nothing can be started in them; what comes now runs without.
func (s *Slots) giveUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = true
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

func (x *slot) open() (err error) {
	open := func(name string, flags int) int {
		fd, e := unix.Open(filepath.Join(x.path, name), flags|unix.O_CLOEXEC, 0)
		if e != nil && err == nil {
			err = fmt.Errorf("open %s: %w", name, e)
		}
		return fd
	}
	set := func(name string, value int64) {
		if e := os.WriteFile(filepath.Join(x.path, name), strconv.AppendInt(nil, value, 10), 0); e != nil && err == nil {
			err = e
		}
	}
	x.dir, x.procs, x.events = open(".", unix.O_RDONLY|unix.O_DIRECTORY), open("cgroup.procs", unix.O_RDONLY), open("cgroup.events", unix.O_RDONLY)
	if x.limits.Memory > 0 {
		set("memory.max", x.limits.Memory)
		set("memory.oom.group", 1)                                                 // half a run says nothing
		_ = os.WriteFile(filepath.Join(x.path, "memory.swap.max"), []byte("0"), 0) // absent where there is no swap
		x.memory = open("memory.events", unix.O_RDONLY)
	}
	if x.limits.Processes > 0 {
		set("pids.max", int64(x.limits.Processes))
		x.pids = open("pids.events", unix.O_RDONLY)
	}
	return err
}

func (x *slot) close() {
	for _, fd := range []int{x.dir, x.procs, x.events, x.memory, x.pids} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// maxProcsRead bounds what is looked at of a slot's processes at a time: enough for two thousand numbers.
const maxProcsRead = 16 << 10

// inside lists the processes in the slot, zombies left out.
func (x *slot) inside() []int {
	var first [512]byte
	n, err := unix.Pread(x.procs, first[:], 0)
	if err != nil || n <= 0 {
		return nil
	}
	text := first[:n]
	if n == len(first) {
		more := make([]byte, maxProcsRead)
		n, _ = unix.Pread(x.procs, more, 0)
		text = more[:max(n, 0)]
	}
	var pids []int
	for len(text) > 0 {
		line, rest, whole := bytes.Cut(text, []byte("\n"))
		if !whole {
			break
		}
		if pid, err := strconv.Atoi(string(line)); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
		text = rest
	}
	return pids
}

func (x *slot) empty() bool {
	var one [1]byte
	n, err := unix.Pread(x.procs, one[:], 0)
	return err == nil && n == 0
}

// state says whether something is in the slot, or in a cgroup that a run of root's made below it, and whether the slot is frozen.
func (x *slot) state() (populated, frozen bool) {
	var buf [128]byte
	n, err := unix.Pread(x.events, buf[:], 0)
	if err != nil || n <= 0 {
		return false, false
	}
	return bytes.Contains(buf[:n], []byte("populated 1\n")), bytes.Contains(buf[:n], []byte("frozen 1\n"))
}

// all lists the processes in the slot and in what a run of root's made below it.
func (x *slot) all() []int {
	pids := x.inside()
	_ = filepath.WalkDir(x.path, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() || path == x.path {
			return nil // what cannot be read is killed unnamed
		}
		text, _ := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		for word := range strings.FieldsSeq(string(text)) {
			if pid, err := strconv.Atoi(word); err == nil {
				pids = append(pids, pid)
			}
		}
		return nil
	})
	return pids
}

// kill ends all that is in the slot, in one step, and waits a moment until it is gone. It returns what is still there then.
func (x *slot) kill() []int {
	x.killed = true
	_ = os.WriteFile(filepath.Join(x.path, "cgroup.kill"), []byte("1"), 0)
	for wait := time.Millisecond / 2; wait < killWait/2; wait *= 2 {
		if populated, _ := x.state(); !populated && x.empty() {
			return nil
		}
		time.Sleep(wait)
	}
	return x.all()
}

// counted says whether the agent has to count the slot's processes, because the kernel does not.
func (x *slot) counted() bool { return x != nil && x.count > 0 }

// crowded says whether there are more processes in the slot than may be.
func (x *slot) crowded() bool { return len(x.inside()) > x.count }

// strike says what the kernel had to do since the last run in this slot.
func (x *slot) strike() strike {
	var s strike
	if x.memory >= 0 {
		n := x.event(x.memory, "oom_kill ")
		s.oom, x.oomBefore = n > x.oomBefore, n
	}
	if x.pids >= 0 {
		n := x.event(x.pids, "max ")
		s.forks, x.forksBefore = n-x.forksBefore, n
	}
	return s
}

// event reads one counter of an events file.
func (x *slot) event(fd int, name string) uint64 {
	var buf [512]byte
	n, err := unix.Pread(fd, buf[:], 0)
	if err != nil || n <= 0 {
		return 0
	}
	for line := range strings.Lines(string(buf[:n])) {
		if value, ok := strings.CutPrefix(line, name); ok {
			v, _ := strconv.ParseUint(strings.TrimSpace(value), 10, 64)
			return v
		}
	}
	return 0
}

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
