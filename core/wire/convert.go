package wire

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
)

// FromResult makes the wire's form of a result. What only the agent knows (MonoNs, Plugin, Revision, EveryMs) is the caller's
// to add. Every string is made fit for the wire (check.EscapeString), so that marshalling cannot refuse it.
func FromResult(r check.Result) *Result {
	return &Result{
		Check:      check.EscapeString(r.Check),
		State:      State(min(r.State, check.Unknown)),
		Text:       check.EscapeString(r.Text),
		Long:       check.EscapeString(r.Long),
		Perfdata:   fromPerfdata(r.Perfdata),
		DueNs:      fromTime(r.Due.Truncate(time.Millisecond)), // what is planned; less is what the clocks differ by, and takes bytes in every result
		StartNs:    fromTime(r.Start),
		DurationNs: int64(r.Duration),
		Exit:       int32(max(math.MinInt32, min(r.Exit, math.MaxInt32))),
		Signal:     check.EscapeString(r.Signal),
		TimedOut:   r.TimedOut,
		Truncated:  r.Truncated,
		Trigger:    Trigger(r.Trigger),
		Problems:   escapeAll(r.Problems),
		Standing:   fromStanding(r.Standing),
	}
}

// Ended is a result as a RunEnd carries it: what it is too long for travels whole in its batch, and has travelled as RunOutput. It is shortened before
// it is made into messages: many values, and a long text, would be in memory once more.
func Ended(r check.Result) *Result {
	if sizeOf(r) <= maxRunEnd {
		if whole := FromResult(r); Size(whole) <= maxRunEnd {
			return whole
		}
	}
	r.Truncated = true
	r.Problems = append(slices.Clone(r.Problems), "too long to show at once: the rest is in the result that the hub keeps")
	for _, most := range []int{maxRunEnd / 4, 1 << 10} {
		r.Text, r.Long = clip(r.Text, most), clip(r.Long, most)
		r.Perfdata = r.Perfdata[:min(len(r.Perfdata), most>>7)]
		for i, p := range r.Problems {
			r.Problems[i] = clip(p, 1<<10)
		}
		if short := FromResult(r); Size(short) <= maxRunEnd {
			return short
		}
	}
	r.Perfdata = nil // labels may have any length
	return FromResult(r)
}

// sizeOf is about what a result takes as a message.
func sizeOf(r check.Result) int {
	size := len(r.Text) + len(r.Long)
	for _, p := range r.Problems {
		size += len(p)
	}
	for _, p := range r.Perfdata {
		size += len(p.Label) + len(p.Unit) + len(p.Warn) + len(p.Crit) + 32
	}
	return size
}

// clip cuts a string between characters.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}

func fromStanding(s check.Standing) *Standing {
	if s.Attempt == 0 {
		return nil
	}
	return &Standing{
		Attempt: uint32(s.Attempt), Attempts: uint32(s.Attempts), Hard: s.IsHard(), HardState: State(min(s.Hard, check.Unknown)),
		SinceNs: fromTime(s.Since), HardSinceNs: fromTime(s.HardSince), Flapping: s.Flapping, FlapPercent: float32(s.Percent),
	}
}

func toStanding(w *Standing, state check.State) check.Standing {
	if w == nil {
		return check.Standing{}
	}
	return check.Standing{
		State: state, Attempt: int(min(w.GetAttempt(), check.MaxAttempts)), Attempts: int(min(w.GetAttempts(), check.MaxAttempts)),
		Hard: toState(w.GetHardState()), Since: toTime(w.GetSinceNs()), HardSince: toTime(w.GetHardSinceNs()),
		Flapping: w.GetFlapping(), Percent: float64(w.GetFlapPercent()),
	}
}

// ToResult is the inverse of FromResult. It accepts whatever the wire can carry: a state or trigger it does not know becomes Unknown
// and Scheduled, as a newer agent may have more of them.
func ToResult(w *Result) check.Result {
	return check.Result{
		Check:     w.GetCheck(),
		State:     toState(w.GetState()),
		Text:      w.GetText(),
		Long:      w.GetLong(),
		Perfdata:  toPerfdata(w.GetPerfdata()),
		Due:       toTime(w.GetDueNs()),
		Start:     toTime(w.GetStartNs()),
		Duration:  time.Duration(w.GetDurationNs()),
		Exit:      int(w.GetExit()),
		Signal:    w.GetSignal(),
		TimedOut:  w.GetTimedOut(),
		Truncated: w.GetTruncated(),
		Trigger:   toTrigger(w.GetTrigger()),
		Problems:  w.GetProblems(),
		Standing:  toStanding(w.GetStanding(), toState(w.GetState())),
	}
}

// FromCheck makes the wire's form of a check. Default does not travel: the agent knows its own.
func FromCheck(c check.Check) *Check {
	hash, _ := hex.DecodeString(c.Hash) // what is no hash does not travel
	return &Check{
		Name:      check.EscapeString(c.Name),
		Builtin:   check.EscapeString(c.Builtin),
		Plugin:    check.EscapeString(c.Plugin),
		Args:      escapeAll(c.Args),
		EveryMs:   millis(c.Every),
		Cron:      check.EscapeString(c.Cron),
		TimeoutMs: millis(c.Timeout),
		User:      check.EscapeString(c.User), Dir: check.EscapeString(c.Dir), Macros: escapeMap(c.Macros),
		Attempts: uint32(max(c.Attempts, 0)), AtStart: c.AtStart, TimeoutState: State(min(c.TimeoutState, check.Unknown)),
		NoFlap: c.Flap.Off, FlapLow: float32(c.Flap.Low), FlapHigh: float32(c.Flap.High),
		RetryMs: millis(c.Retry), Importance: Importance(min(c.Importance, check.High)),

		PluginHash: hash,
	}
}

func escapeMap(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[check.EscapeString(k)] = check.EscapeString(v)
	}
	return out
}

// ToCheck reads a check from the wire and validates it; the error names the check. A cron expression is not read here
// (core/check/cron), nor is it known whether builtin or plugin exist.
func ToCheck(w *Check) (check.Check, error) {
	if w == nil {
		return check.Check{}, errors.New("empty check")
	}
	c := check.Check{
		Name:    w.GetName(),
		Builtin: w.GetBuiltin(),
		Plugin:  w.GetPlugin(),
		Hash:    hex.EncodeToString(w.GetPluginHash()),
		Args:    w.GetArgs(),
		Every:   time.Duration(w.GetEveryMs()) * time.Millisecond,
		Cron:    w.GetCron(),
		Timeout: time.Duration(w.GetTimeoutMs()) * time.Millisecond,
		AtStart: w.GetAtStart(), TimeoutState: toState(w.GetTimeoutState()), Attempts: int(w.GetAttempts()),
		Flap: check.Flap{Off: w.GetNoFlap(), Low: float64(w.GetFlapLow()), High: float64(w.GetFlapHigh())},
		User: w.GetUser(), Dir: w.GetDir(), Macros: w.GetMacros(),
		Retry: time.Duration(w.GetRetryMs()) * time.Millisecond, Importance: toImportance(w.GetImportance()),
	}
	if err := c.Validate(); err != nil {
		return check.Check{}, fmt.Errorf("check %s: %w", shown(c.Name), err)
	}
	return c, nil
}

// Name says what ran, as Result.plugin carries it: "builtin:disk", the plugin's file name, or "own:check_disk" for a command line of
// the box's own, whose arguments stay on the box.
func Name(c check.Check) string {
	switch {
	case c.Builtin != "":
		return "builtin:" + c.Builtin
	case len(c.Command) > 0:
		return "own:" + check.EscapeString(filepath.Base(c.Command[0]))
	}
	return c.Plugin
}

// EveryMs is the interval of a check as Result.every_ms carries it; 0 with a cron expression.
func EveryMs(c check.Check) uint32 { return millis(c.Every) }

// RetryMs is a check's interval for soft problems as Standing.retry_ms carries it.
func RetryMs(c check.Check) uint32 { return millis(c.Retry) }

// shown is a check's name where it is one, and something short where it is not.
func shown(name string) string {
	if check.ValidName(name) {
		return name
	}
	return "(unnamed)"
}

func fromPerfdata(values []check.Perfdata) []*Perfdata {
	if len(values) == 0 {
		return nil
	}
	block := make([]Perfdata, len(values)) // one allocation for all
	limits := make([]float64, 0, 2*len(values))
	out := make([]*Perfdata, len(values))
	limit := func(v float64) *float64 {
		if math.IsNaN(v) {
			return nil
		}
		limits = append(limits, v)
		return &limits[len(limits)-1]
	}
	for i, v := range values {
		p := &block[i]
		p.Label = check.EscapeString(v.Label)
		p.Value = v.Value
		p.Unit = check.EscapeString(v.Unit)
		p.Warn = check.EscapeString(v.Warn)
		p.Crit = check.EscapeString(v.Crit)
		p.Min = limit(v.Min)
		p.Max = limit(v.Max)
		out[i] = p
	}
	return out
}

func toPerfdata(values []*Perfdata) []check.Perfdata {
	if len(values) == 0 {
		return nil
	}
	out := make([]check.Perfdata, len(values))
	for i, v := range values {
		out[i] = check.Perfdata{Label: v.GetLabel(), Value: v.GetValue(), Unit: v.GetUnit(), Warn: v.GetWarn(), Crit: v.GetCrit(), Min: math.NaN(), Max: math.NaN()}
		if v != nil && v.Min != nil {
			out[i].Min = *v.Min
		}
		if v != nil && v.Max != nil {
			out[i].Max = *v.Max
		}
	}
	return out
}

func fromTime(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func toTime(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}

func toState(s State) check.State {
	if s < State_STATE_OK || s > State_STATE_UNKNOWN {
		return check.Unknown
	}
	return check.State(s)
}

func toImportance(i Importance) check.Importance {
	switch i {
	case Importance_IMPORTANCE_LOW:
		return check.Low
	case Importance_IMPORTANCE_HIGH:
		return check.High
	default:
		return check.Normal
	}
}

func toTrigger(t Trigger) check.Trigger {
	if t == Trigger_TRIGGER_MANUAL {
		return check.Manual
	}
	return check.Scheduled
}

// millis rounds to milliseconds, up, so that nothing above zero becomes "none".
func millis(d time.Duration) uint32 {
	if d <= 0 {
		return 0
	}
	ms := d / time.Millisecond
	if d%time.Millisecond != 0 {
		ms++
	}
	return uint32(min(ms, math.MaxUint32))
}

func escapeAll(ss []string) []string {
	for i, s := range ss {
		if e := check.EscapeString(s); e != s {
			out := append([]string(nil), ss...)
			out[i] = e
			for j := i + 1; j < len(out); j++ {
				out[j] = check.EscapeString(out[j])
			}
			return out
		}
	}
	return ss
}
