package load

import (
	"runtime"

	"github.com/limpet-monitoring/limpet/core/internal/builtin/procfs"
)

type sampler struct {
	proc, sys string
	read      procfs.Reader
}

// New gives a check that reads procfs and sysfs where they are mounted.
func New(proc, sys string) *Check {
	return &Check{sampler{proc: proc, sys: sys}}
}

func (s *sampler) sample() (Averages, int, error) {
	defer s.read.Done()
	text, err := s.read.Once(s.proc+"/loadavg", 256)
	if err != nil {
		return Averages{}, 0, err
	}
	la, err := parseLoadavg(string(text))
	if err != nil {
		return la, 0, err
	}
	return la, s.cpus(), nil
}

// cpus counts the box's CPUs, those the agent may not run on included: the load is everybody's.
func (s *sampler) cpus() int {
	text, err := s.read.Once(s.sys+"/devices/system/cpu/present", 1024)
	if err == nil {
		if n := procfs.ListLen(text); n > 0 {
			return n
		}
	}
	return runtime.NumCPU()
}
