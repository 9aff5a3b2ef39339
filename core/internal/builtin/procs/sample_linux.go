package procs

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/limpet-monitoring/limpet/core/internal/builtin/procfs"
)

// Sizes.
const (
	dirBuffer = 8 << 10  // bytes of folder entries read at a time: some three hundred processes
	statHead  = 256      // bytes read of a process' stat: all that is needed stands at its beginning, a name has 64 at most
	askEvery  = 512      // processes between two looks at the deadline
	maxLine   = 64 << 10 // bytes read of a command line
	maxEnded  = 64       // processes that ended in a row and are looked past; behind more all are read once
)

// How long a process counts as what it was when it was read last. A check that comes less often than restsFor reads all but kernel threads in each run.
const (
	restsFor = 35 * time.Second // one that slept
	idlesFor = 5 * time.Minute  // a kernel thread
)

// sampler reads processes. Reading one is what this check costs, and nearly all do at the next run what they did at the last: kernel threads, half of
// an idle box's processes, are never zombies, and most others sleep. So without a filter these are counted unread, and read now and then. And where the
// kernel counts processes for us they are not listed either: it adds one for each to the links of procfs, on the whole box.
type sampler struct {
	proc    string
	read    procfs.Reader
	entries []byte
	path    []byte
	known   []known   // what the last listing found, in the folder's order
	at      int       // behind the one that the folder came to last
	found   []known   // what this one finds, for the next
	woke    time.Time // when those that sleep were read last
	idled   time.Time // and kernel threads
	wake    bool      // they are read in this run
	idle    bool
	allowed int // threads, as the kernel said last

	named, folders int // entries of this listing: processes, other folders
	beside         int // links that are no processes, 0 = not every process of the box is listed here, or they came and went
}

// known is a process as it was read last.
type known struct {
	pid  int32
	rest rest
}

// rest is whether a process has to be read in each run.
type rest byte

const (
	restless rest = iota
	asleep
	kernel
)

func newSampler(proc string) sampler { return sampler{proc: proc} }

// sample counts processes and their states. One that ends meanwhile is not counted.
func (s *sampler) sample(ctx context.Context, o options) (c counts, err error) {
	defer s.read.Done()
	dir, err := unix.Open(s.proc, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return counts{}, &fs.PathError{Op: "open", Path: s.proc, Err: err}
	}
	defer unix.Close(dir)
	var st unix.Stat_t
	if err := unix.Fstat(dir, &st); err != nil {
		return counts{}, &fs.PathError{Op: "look at", Path: s.proc, Err: err}
	}
	links, now := int(st.Nlink), time.Now()
	s.wake, s.idle = now.Sub(s.woke) >= restsFor, now.Sub(s.idled) >= idlesFor
	if s.beside > 0 && links > s.beside && !s.wake && !o.filtered() {
		c, err = s.unlisted(ctx, o, dir)
		c.total = links - s.beside
		c.matching = c.total
	} else {
		c, err = s.list(ctx, o, dir)
		s.beside = 0
		if err == nil && links == s.named+s.folders+2 {
			s.beside = s.folders + 2
		}
		if err == nil && s.wake {
			s.woke = now
		}
		if err == nil && s.idle {
			s.idled = now
		}
	}
	if err != nil {
		return counts{}, err
	}
	if !o.filtered() {
		c.threads, c.limit = s.threads()
	}
	return c, nil
}

// unlisted reads those that were neither asleep nor kernel threads when they were read last.
func (s *sampler) unlisted(ctx context.Context, o options, dir int) (c counts, err error) {
	for i, k := range s.found {
		if i%askEvery == 0 && ctx.Err() != nil {
			return c, context.Cause(ctx)
		}
		if k.rest == restless {
			s.look(o, &c, dir, k.pid)
		}
	}
	return c, nil
}

// list goes through all processes.
func (s *sampler) list(ctx context.Context, o options, dir int) (c counts, err error) {
	if s.entries == nil {
		s.entries = make([]byte, dirBuffer)
	}
	s.known, s.found, s.at = s.found, s.known[:0], 0
	if o.filtered() { // all are to be read
		s.known = s.known[:0]
	}
	s.named, s.folders = 0, 0
	for {
		n, err := unix.Getdents(dir, s.entries)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return c, &fs.PathError{Op: "read", Path: s.proc, Err: err}
		}
		if n <= 0 {
			break
		}
		if err := s.batch(ctx, o, &c, dir, s.entries[:n]); err != nil {
			return c, err
		}
	}
	if c.total == 0 {
		return c, fmt.Errorf("read %s: there is no process in it", s.proc)
	}
	return c, nil
}

// batch counts the processes among raw folder entries (linux_dirent64: inode 8 bytes, offset 8, length 2, type 1, name).
func (s *sampler) batch(ctx context.Context, o options, c *counts, dir int, entries []byte) error {
	for len(entries) >= 19 {
		length := int(binary.NativeEndian.Uint16(entries[16:]))
		if length < 19 || length > len(entries) {
			return fmt.Errorf("read %s: broken folder entry", s.proc)
		}
		name, kind := entries[19:length], entries[18]
		entries = entries[length:]
		pid, ok := pidOf(name)
		if !ok {
			if kind == unix.DT_DIR && name[0] != '.' {
				s.folders++
			}
			continue
		}
		s.named++
		s.one(o, c, dir, pid)
		if c.total%askEvery == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// pidOf reads an entry's name, which ends with a zero byte.
func pidOf(name []byte) (pid int32, ok bool) {
	for i, b := range name {
		switch {
		case b == 0:
			return pid, i > 0
		case b < '0' || b > '9' || b == '0' && i == 0 || pid >= 1<<27:
			return 0, false
		}
		pid = 10*pid + int32(b-'0')
	}
	return 0, false
}

// one counts one process.
func (s *sampler) one(o options, c *counts, dir int, pid int32) {
	before := s.last(pid)
	if before == asleep && !s.wake || before == kernel && !s.idle {
		s.found = append(s.found, known{pid, before})
		c.add(o, process{kernel: before == kernel})
		return
	}
	if p, ok := s.look(o, c, dir, pid); ok {
		s.found = append(s.found, known{pid, p.rest()})
	}
}

// look reads and counts one process; false: it has ended.
func (s *sampler) look(o options, c *counts, dir int, pid int32) (process, bool) {
	s.path = append(strconv.AppendInt(s.path[:0], int64(pid), 10), "/stat"...)
	text, err := s.read.OnceAt(dir, string(s.path), statHead)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) {
		return process{}, false
	}
	p, ok := parseStat(text)
	if err != nil || !ok {
		c.silent++
		p = process{}
	}
	if o.deep() && o.wants(p) {
		p.command = bytes.Clone(p.command) // what is read next takes its memory
		p.other = !s.deep(o, dir, bytes.TrimSuffix(s.path, []byte("stat")))
	}
	c.add(o, p)
	return p, true
}

// last is what a process was when it was read last: restless for a new one. It is asked in the folder's order, which is the same in each
// run: what lies between two that are still there has ended.
func (s *sampler) last(pid int32) rest {
	for i, k := range s.known[s.at:min(len(s.known), s.at+maxEnded)] {
		if k.pid == pid {
			s.at += i + 1
			return k.rest
		}
	}
	return restless
}

func (p process) rest() rest {
	switch {
	case p.kernel:
		return kernel
	case p.state == 'S':
		return asleep
	}
	return restless
}

// deep reads what else the options ask about a process, whose folder below dir is given with its slash.
func (s *sampler) deep(o options, dir int, folder []byte) bool {
	if o.user != nil {
		var st unix.Stat_t
		name := string(folder[:len(folder)-1])
		if err := unix.Fstatat(dir, name, &st, 0); err != nil || !o.wantsOwner(strconv.FormatUint(uint64(st.Uid), 10)) {
			return false
		}
	}
	if o.line == "" && o.pattern == nil {
		return true
	}
	text, err := s.read.OnceAt(dir, string(folder)+"cmdline", maxLine)
	if err != nil {
		return false
	}
	line := bytes.ReplaceAll(bytes.TrimRight(text, "\x00"), []byte{0}, []byte{' '})
	return o.wantsLine(line)
}

// threads gives the threads of the box and how many the kernel allows, zeros when unknown.
func (s *sampler) threads() (now, limit int) {
	text, err := s.read.Once(s.proc+"/loadavg", 256)
	if err != nil {
		return 0, 0
	}
	now = parseThreads(text)
	if s.wake {
		s.allowed = s.most()
	}
	return now, s.allowed
}

// most is how many threads the kernel allows, 0 when unknown. People change it, programs do not.
func (s *sampler) most() (limit int) {
	for _, name := range [...]string{"/sys/kernel/pid_max", "/sys/kernel/threads-max"} {
		n, err := s.read.Uint(s.proc + name)
		if err == nil && n < 1<<31 && (limit == 0 || int(n) < limit) {
			limit = int(n)
		}
	}
	return limit
}
