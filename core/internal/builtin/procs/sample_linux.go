package procs

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/limpet-monitoring/limpet/core/internal/builtin/procfs"
)

// Sizes.
const (
	dirBuffer = 8 << 10  // bytes of folder entries read at a time: some three hundred processes
	statHead  = 256      // bytes read of a process' stat: all that is needed stands at its beginning, a name has 64 at most
	askEvery  = 512      // processes between two looks at the deadline
	maxLine   = 64 << 10 // bytes read of a command line
	lookEvery = 30       // runs between two looks at kernel threads
)

type sampler struct {
	proc    string
	read    procfs.Reader
	entries []byte
	path    []byte
	// kernel are the kernel threads found when all processes were read last. They are half of an idle box's processes, are no
	// zombies, and reading them is what this check costs: so they are counted unread, and read every lookEvery runs.
	kernel map[int]bool
	runs   int
}

func newSampler(proc string) sampler { return sampler{proc: proc} }

// sample looks at every process. One that ends meanwhile is not counted.
func (s *sampler) sample(ctx context.Context, o options) (counts, error) {
	defer s.read.Done()
	dir, err := unix.Open(s.proc, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return counts{}, &fs.PathError{Op: "open", Path: s.proc, Err: err}
	}
	defer unix.Close(dir)
	if s.entries == nil {
		s.entries = make([]byte, dirBuffer)
	}
	if s.runs%lookEvery == 0 || o.filtered() {
		s.kernel = make(map[int]bool)
	}
	s.runs++
	var c counts
	for {
		n, err := unix.Getdents(dir, s.entries)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return counts{}, &fs.PathError{Op: "read", Path: s.proc, Err: err}
		}
		if n <= 0 {
			break
		}
		if err := s.batch(ctx, o, &c, dir, s.entries[:n]); err != nil {
			return counts{}, err
		}
	}
	if c.total == 0 {
		return counts{}, fmt.Errorf("read %s: there is no process in it", s.proc)
	}
	if !o.filtered() {
		c.threads, c.limit = s.threads()
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
		name := entries[19:length]
		entries = entries[length:]
		if name[0] < '1' || name[0] > '9' {
			continue
		}
		s.one(o, c, dir, name)
		if c.total%askEvery == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// one counts one process by its entry's name, which ends with a zero byte.
func (s *sampler) one(o options, c *counts, dir int, name []byte) {
	pid := 0
	s.path = s.path[:0]
	for _, b := range name {
		if b < '0' || b > '9' || pid >= 1<<27 {
			break
		}
		pid = 10*pid + int(b-'0')
		s.path = append(s.path, b)
	}
	if s.kernel[pid] {
		c.add(o, process{kernel: true})
		return
	}
	s.path = append(s.path, "/stat"...)
	text, err := s.read.OnceAt(dir, string(s.path), statHead)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) {
		return
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
	if p.kernel {
		s.kernel[pid] = true
	}
	c.add(o, p)
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
	for _, name := range [...]string{"/sys/kernel/pid_max", "/sys/kernel/threads-max"} {
		n, err := s.read.Uint(s.proc + name)
		if err == nil && n < 1<<31 && (limit == 0 || int(n) < limit) {
			limit = int(n)
		}
	}
	return now, limit
}
