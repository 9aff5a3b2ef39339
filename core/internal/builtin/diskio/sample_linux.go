package diskio

import (
	"context"
	"fmt"
	"os"

	"github.com/limpet-monitoring/limpet/core/internal/builtin/procfs"
)

const (
	maxText = 1 << 20 // bytes of diskstats: some ten thousand devices
	sector  = 512     // bytes, whatever the device's own is
)

type sampler struct {
	proc, sys string
	read      procfs.Reader
}

func newSampler(proc, sys string) sampler { return sampler{proc: proc, sys: sys} }

// sample reads /proc/diskstats: major, minor, name, reads, merged, sectors, ms, writes, merged, sectors, ms, under way, ms busy, ...
func (s *sampler) sample(context.Context) ([]counters, error) {
	defer s.read.Done()
	text, err := s.read.Read(s.proc+"/diskstats", maxText)
	if err != nil {
		return nil, err
	}
	list, err := parseStats(text)
	for i := range list { // the whole devices have a folder of their own
		_, err := os.Lstat(s.sys + "/block/" + list[i].name)
		list[i].part = err != nil
	}
	return list, err
}

func parseStats(text []byte) (list []counters, err error) {
	for len(text) > 0 {
		var line []byte
		line, text = procfs.Line(text)
		if len(line) == 0 {
			continue
		}
		_, rest := procfs.Field(line)
		_, rest = procfs.Field(rest)
		name, rest := procfs.Field(rest)
		var n [10]uint64
		for i := range n {
			var field []byte
			field, rest = procfs.Field(rest)
			var ok bool
			if n[i], ok = procfs.Uint(field); !ok {
				return nil, fmt.Errorf("read diskstats: %q makes no sense", procfs.Short(line))
			}
		}
		list = append(list, counters{
			name: string(name), reads: n[0], read: n[2] * sector, writes: n[4], written: n[6] * sector, waited: n[3] + n[7], working: n[9],
		})
	}
	return list, nil
}
