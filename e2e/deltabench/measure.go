package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/limpet-monitoring/limpet/updater/delta"
	"github.com/limpet-monitoring/limpet/updater/delta/encode"
)

// Limits of every pair: time is of one core, memory is what a process had resident at its peak.
const (
	maxApply       = 2 * time.Second
	maxApplyMemory = 64_000 // kB
	maxMake        = 60 * time.Second
	maxMakeMemory  = 1_500_000 // kB
)

// measured is what was found of one pair, in bytes.
type measured struct {
	result, bsdiff, bsdiffXz, zstd, plain, go1 int64
	make, apply                                spent
}

// spent is what a process took.
type spent struct {
	cpu    time.Duration
	memory int64 // kB, resident, at its peak
}

func (s spent) String() string {
	return fmt.Sprintf("%.2f s, %.1f MB", s.cpu.Seconds(), float64(s.memory)*1024/1e6)
}

func measure(dir, core string, p pair) (m measured, err error) {
	self, err := os.Executable()
	if err != nil {
		return m, err
	}
	new, err := os.ReadFile(p.new)
	if err != nil {
		return m, err
	}
	m.result = int64(len(new))
	if m.bsdiff, m.bsdiffXz, err = bsdiff(dir, p.old, p.new); err != nil {
		return m, err
	}
	if m.zstd, err = zstd(dir, p.old, p.new); err != nil {
		return m, err
	}
	old, err := os.ReadFile(p.old)
	if err != nil {
		return m, err
	}
	plain, err := encode.Make(delta.Zstd, old, new)
	if err != nil {
		return m, err
	}
	m.plain = int64(len(plain))
	patch, result := filepath.Join(dir, "go1"), filepath.Join(dir, "result")
	if m.make, err = metered(self, "-make", p.old, p.new, patch); err != nil {
		return m, err
	}
	info, err := os.Stat(patch)
	if err != nil {
		return m, err
	}
	m.go1 = info.Size()
	for range 3 { // the best one: others have the machine in between
		s, err := metered(core, "patch", "--codec", delta.Go1, "--base", p.old, "--patch", patch, "--out", result)
		if err != nil {
			return m, err
		}
		if m.apply.cpu == 0 || s.cpu < m.apply.cpu {
			m.apply.cpu = s.cpu
		}
		m.apply.memory = max(m.apply.memory, s.memory)
	}
	got, err := os.ReadFile(result)
	if err == nil && !bytes.Equal(got, new) {
		err = errors.New("limpet-core made another file")
	}
	return m, err
}

// row is a line of the table; ok says whether every limit is kept.
func (m measured) row(p pair) (text string, ok bool) {
	ok, limit := p.limit.kept(m)
	if p.limit.any() {
		ok = ok && (m.apply.cpu <= maxApply || p.limit.slow) && m.apply.memory <= maxApplyMemory && m.make.cpu <= maxMake && m.make.memory <= maxMakeMemory
	}
	kept := "yes"
	if !ok {
		kept = "**no**"
	}
	return fmt.Sprintf("| %s | %d | %d | %d | %d | %d | %d | %.3f | %s | %v | %v | %s |", p.name, m.result, m.bsdiff, m.bsdiffXz, m.zstd, m.plain, m.go1,
		float64(m.go1)/float64(m.bsdiff), limit, m.make, m.apply, kept), ok
}

// metered runs a command below a process of its own: what the system says of a child's memory counts that of its parent
// at its start, and this process has grown.
func metered(command string, args ...string) (spent, error) {
	self, err := os.Executable()
	if err != nil {
		return spent{}, err
	}
	cmd := exec.Command(self, append([]string{"-meter", "--", command}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return spent{}, fmt.Errorf("run %s %s: %w", filepath.Base(command), args[0], err)
	}
	f := strings.Fields(string(out))
	if len(f) != 2 {
		return spent{}, fmt.Errorf("run %s: it said %q", filepath.Base(command), out)
	}
	us, err := strconv.ParseInt(f[0], 10, 64)
	if err != nil {
		return spent{}, err
	}
	kb, err := strconv.ParseInt(f[1], 10, 64)
	return spent{time.Duration(us) * time.Microsecond, kb}, err
}

// report runs a command and prints the microseconds it took on all cores and the kB it had resident.
func report(args []string) error {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe() // `limpet-core patch` ends when it does
	if err != nil {
		return err
	}
	defer stdin.Close()
	if err := cmd.Start(); err != nil {
		return err
	}
	state, err := cmd.Process.Wait()
	if err != nil {
		return err
	}
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !state.Success() || !ok {
		return fmt.Errorf("run %s: %v", args[0], state)
	}
	_, err = fmt.Println((state.UserTime() + state.SystemTime()).Microseconds(), usage.Maxrss)
	return err
}
