package fleet

import (
	"math"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/journal"
	"github.com/limpet-monitoring/limpet/hub/internal/presence"
)

// What is shown of a result. The bus keeps it whole.
const (
	maxName     = 64
	maxText     = 4 << 10   // bytes of its first line
	maxLong     = 256 << 10 // bytes of what follows
	maxWord     = 256       // bytes of a label, a unit, a range
	maxPerfdata = 256
	maxProblems = 20
)

// At is when a result came and what it is known by.
type At struct {
	Epoch, Seq uint64
	Received   time.Time
}

// ResultOf is a result from the wire as the interface shows it, with long output; what is beyond the limits is cut off.
func ResultOf(r *wire.Result, at At) Result {
	out := Result{
		Check: presence.Clip(r.GetCheck(), maxName), State: stateOf(r).String(),
		Text: presence.Clip(r.GetText(), maxText), Long: presence.Clip(r.GetLong(), maxLong),
		Perfdata: make([]Perfdata, 0, min(len(r.GetPerfdata()), maxPerfdata)),
		Start:    journal.At(time.Unix(0, r.GetStartNs())), DurationMS: float64(r.GetDurationNs()) / float64(time.Millisecond),
		Exit: int(r.GetExit()), Signal: presence.Clip(r.GetSignal(), maxWord), TimedOut: r.GetTimedOut(), Truncated: r.GetTruncated(),
		Trigger: "scheduled", Problems: clipped(r.GetProblems(), maxProblems, maxText),
		Standing: standingOf(r), Epoch: at.Epoch, Seq: at.Seq, Received: journal.At(at.Received),
	}
	if r.GetTrigger() == wire.Trigger_TRIGGER_MANUAL {
		out.Trigger = "manual"
	}
	if due := r.GetDueNs(); due != 0 {
		out.Due = journal.At(time.Unix(0, due))
	}
	for _, p := range r.GetPerfdata()[:cap(out.Perfdata)] {
		out.Perfdata = append(out.Perfdata, perfdataOf(p))
	}
	return out
}

func perfdataOf(p *wire.Perfdata) Perfdata {
	out := Perfdata{
		Label: presence.Clip(p.GetLabel(), maxWord), Value: Number(p.GetValue()), Unit: presence.Clip(p.GetUnit(), maxWord),
		Warn: presence.Clip(p.GetWarn(), maxWord), Crit: presence.Clip(p.GetCrit(), maxWord),
		Min: Number(math.NaN()), Max: Number(math.NaN()),
	}
	if p.Min != nil {
		out.Min = Number(*p.Min)
	}
	if p.Max != nil {
		out.Max = Number(*p.Max)
	}
	return out
}

// stateOf reads the state; what is none is Unknown.
func stateOf(r *wire.Result) check.State { return check.FromExit(int(r.GetState())) }

// severity orders states for people: critical is worse than unknown, as the Monitoring Plugins' own check_cluster has it.
func severity(state string) int {
	switch state {
	case "CRITICAL":
		return 4
	case "UNKNOWN":
		return 3
	case "WARNING":
		return 2
	case "OK":
		return 1
	default:
		return 0
	}
}

func clipped(in []string, n, each int) []string {
	out := make([]string, 0, min(len(in), n))
	for _, s := range in[:min(len(in), n)] {
		out = append(out, strings.ToValidUTF8(presence.Clip(s, each), "\uFFFD"))
	}
	return out
}
