package cpu

import (
	"errors"

	"github.com/limpet-monitoring/limpet/core/internal/builtin/procfs"
)

// parseStat reads the first line of /proc/stat: "cpu user nice system idle iowait irq softirq steal guest guest_nice"; guest
// time is in user time already. Old kernels have fewer numbers, none has fewer than four.
func parseStat(text []byte) (times, error) {
	line, _ := procfs.Line(text)
	name, rest := procfs.Field(line)
	if string(name) != "cpu" {
		return times{}, errors.New(`read stat: the first line is not that of "cpu"`)
	}
	var n [8]uint64
	for i := range n {
		var field []byte
		field, rest = procfs.Field(rest)
		if len(field) == 0 && i >= 4 {
			break
		}
		var ok bool
		if n[i], ok = procfs.Uint(field); !ok || n[i] > 1<<60 {
			return times{}, errors.New("read stat: the line of \"cpu\" has something else than numbers")
		}
	}
	return times{user: n[0] + n[1], system: n[2] + n[5] + n[6], idle: n[3], iowait: n[4], steal: n[7]}, nil
}
