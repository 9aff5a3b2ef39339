package swap

import (
	"github.com/limpet-monitoring/limpet/core/internal/builtin/meminfo"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/procfs"
)

// maxFile bounds what is read of /proc/swaps.
const maxFile = 16 << 10

type sampler struct {
	proc string
	read procfs.Reader
}

func newSampler(proc string) sampler { return sampler{proc: proc} }

func (s *sampler) sample() (area, []area, error) {
	defer s.read.Done()
	text, err := s.read.Once(s.proc+"/meminfo", meminfo.MaxFile)
	if err != nil {
		return area{}, nil, err
	}
	i, err := meminfo.Parse(text)
	if err != nil {
		return area{}, nil, err
	}
	all := area{total: i.SwapTotal, free: min(i.SwapFree, i.SwapTotal)}
	if all.total == 0 {
		return all, nil, nil
	}
	if text, err = s.read.Read(s.proc+"/swaps", maxFile); err != nil {
		return all, nil, nil // a container may hide it; the sum is known
	}
	areas, err := parseSwaps(text)
	return all, areas, err
}
