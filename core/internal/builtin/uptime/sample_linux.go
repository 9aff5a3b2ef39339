package uptime

import (
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/builtin/procfs"
)

type sampler struct {
	proc string
	read procfs.Reader
}

func newSampler(proc string) sampler { return sampler{proc: proc} }

func (s *sampler) sample() (time.Duration, error) {
	defer s.read.Done()
	text, err := s.read.Once(s.proc+"/uptime", 256)
	if err != nil {
		return 0, err
	}
	return procfs.Uptime(text)
}
