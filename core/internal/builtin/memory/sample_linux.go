package memory

import (
	"github.com/limpet-monitoring/limpet/core/internal/builtin/meminfo"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/procfs"
)

type sampler struct {
	proc string
	read procfs.Reader
}

func newSampler(proc string) sampler { return sampler{proc: proc} }

func (s *sampler) sample() (usage, error) {
	defer s.read.Done()
	text, err := s.read.Once(s.proc+"/meminfo", meminfo.MaxFile)
	if err != nil {
		return usage{}, err
	}
	i, err := meminfo.Parse(text)
	return usage{total: i.Total, available: i.Available, free: i.Free, cached: i.Cached, buffers: i.Buffers}, err
}
