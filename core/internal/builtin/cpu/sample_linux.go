package cpu

import "github.com/limpet-monitoring/limpet/core/internal/builtin/procfs"

// firstLine bounds what is read of /proc/stat: its first line, ten numbers of 20 digits at most.
const firstLine = 256

type sampler struct {
	proc string
	read procfs.Reader
}

func newSampler(proc string) sampler { return sampler{proc: proc} }

func (s *sampler) sample() (times, error) {
	defer s.read.Done()
	text, err := s.read.Once(s.proc+"/stat", firstLine)
	if err != nil {
		return times{}, err
	}
	return parseStat(text)
}
