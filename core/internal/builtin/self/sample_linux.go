package self

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/limpet-monitoring/limpet/core/internal/builtin/procfs"
)

type sampler struct {
	proc string
	read procfs.Reader
}

func newSampler(proc string) sampler { return sampler{proc: proc} }

func (s *sampler) sample() (process, error) {
	defer s.read.Done()
	text, err := s.read.Once(s.proc+"/self/statm", 256)
	if err != nil {
		return process{}, err
	}
	pages, err := resident(text)
	if err != nil {
		return process{}, err
	}
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		return process{}, fmt.Errorf("read own CPU time: %w", err)
	}
	return process{
		rss: pages * uint64(os.Getpagesize()),
		cpu: time.Duration(used.Utime.Nano() + used.Stime.Nano()),
	}, nil
}

// resident reads the second number of /proc/self/statm: pages resident.
func resident(text []byte) (uint64, error) {
	line, _ := procfs.Line(text)
	_, rest := procfs.Field(line)
	field, _ := procfs.Field(rest)
	pages, ok := procfs.Uint(field)
	if !ok || pages > 1<<40 {
		return 0, errors.New("read statm: the second field is no number of pages")
	}
	return pages, nil
}
