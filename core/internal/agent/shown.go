package agent

import (
	"slices"
	"strings"

	"github.com/limpet-monitoring/limpet/core/check"
)

// Of a result that holds more, who asked for the run is shown so much: the rest was streamed, and is in what the hub keeps.
const (
	shownLarge  = 16 << 10 // bytes of its text, and of its long output
	shownValues = 250
)

// shown is a result as it is told to who asked for the run. Of a large one it is a copy that leaves the plugin's output to the garbage collector: its way to
// the hub begins when it is on the disk, and takes that memory again.
func shown(r check.Result) check.Result {
	if len(r.Text)+len(r.Long) <= shownLarge && len(r.Perfdata) <= shownValues {
		return r
	}
	r.Text, r.Long = beginning(r.Text), beginning(r.Long)
	r.Perfdata = slices.Clone(r.Perfdata[:min(len(r.Perfdata), shownValues)])
	for i := range r.Perfdata {
		p := &r.Perfdata[i]
		p.Label, p.Unit, p.Warn, p.Crit = strings.Clone(p.Label), strings.Clone(p.Unit), strings.Clone(p.Warn), strings.Clone(p.Crit)
	}
	r.Problems = append(slices.Clip(r.Problems), "too long to show at once: the rest is in the result that the hub keeps")
	r.Truncated = true
	return r
}

func beginning(s string) string {
	return strings.Clone(strings.ToValidUTF8(s[:min(len(s), shownLarge)], ""))
}
