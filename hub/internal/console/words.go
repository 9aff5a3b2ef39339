package console

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
	"github.com/limpet-monitoring/limpet/hub/internal/trouble"
)

// functions are what the templates may call. Those that need the time of day get it from now.
func functions(now func() time.Time) template.FuncMap {
	return template.FuncMap{
		"ago":   func(t fleet.Time) string { return ago(now().Sub(t.Time)) },
		"span":  func(t fleet.Time) string { return span(now().Sub(t.Time)) },
		"exact": func(t fleet.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
		"stamp": func(t fleet.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") },

		"stateClass": stateClass, "stateWord": stateWord,
		"agentClass": agentClass, "agentWord": agentWord, "presenceWord": presenceWord, "staying": staying,
		"eventClass": eventClass, "eventWord": eventWord, "eventGroup": eventGroup,
		"platform": platform, "every": every, "took": took, "number": number, "remarks": remarks,
		"coreWord": coreWord,
		"facts":    facts, "short": short, "join": strings.Join,
		"ranges": func() []string { return []string{"1h", "6h", "24h", "7d"} },
	}
}

func stateClass(state string) string {
	switch state {
	case "OK", "WARNING", "CRITICAL", "UNKNOWN":
		return strings.ToLower(state)
	case trouble.Lost:
		return "lost"
	default:
		return "none"
	}
}

func stateWord(state string) string {
	switch state {
	case "OK":
		return "OK"
	case "":
		return "No result"
	default:
		return state[:1] + strings.ToLower(state[1:])
	}
}

// agentClass is how an agent looks in a list: what its checks say while it is here, else why it is not.
func agentClass(a fleet.Agent) string {
	switch {
	case trouble.IsLost(a):
		return "lost"
	case a.Presence == fleet.Offline:
		return "none"
	default:
		return stateClass(a.State)
	}
}

func agentWord(a fleet.Agent) string {
	switch {
	case trouble.IsLost(a):
		return "Lost"
	case a.Presence == fleet.Offline:
		return "Away"
	default:
		return stateWord(a.State)
	}
}

// causes are the words for planned silences (docs/wire.md, Ends).
var causes = map[string]string{
	"lost": "lost", "stop": "stopped", "reload": "restarting", "upgrade": "upgrading", "shutdown": "box shut down",
	"deregister": "deregistered", "hub-stopped": "the hub stopped", "replaced": "replaced",
}

func presenceWord(a fleet.Agent) string {
	if a.Presence != fleet.Offline {
		return string(a.Presence)
	}
	return cmp.Or(causes[a.Cause], a.Cause, "away")
}

// staying says what becomes of a box that goes.
func staying(ephemeralMS int64) string {
	if ephemeralMS == 0 {
		return "stay"
	}
	return "leave after " + span(time.Duration(ephemeralMS)*time.Millisecond)
}

// event groups, as the log page's filter has them.
const (
	groupPresence = "presence"
	groupState    = "state"
	groupLoss     = "loss"
	groupOther    = "other"
)

func eventGroup(kind string) string {
	switch kind {
	case "enrolled", "forgotten", "removed", "came", "left":
		return groupPresence
	case "state":
		return groupState
	case "gap", "lost-run":
		return groupLoss
	default:
		return groupOther
	}
}

func eventClass(e fleet.Event) string {
	switch {
	case e.Kind == "state":
		return stateClass(e.State)
	case e.Kind == "left" && e.Cause == "lost":
		return "lost"
	case e.Kind == "gap", e.Kind == "lost-run", e.Kind == "warning", e.Kind == "rollout" && e.Cause == "stopped":
		return "warning"
	default:
		return "none"
	}
}

func eventWord(e fleet.Event) string {
	if e.Kind == "state" {
		return stateWord(e.State)
	}
	return strings.ReplaceAll(e.Kind, "-", " ")
}

func platform(a fleet.Agent) string {
	parts := []string{}
	for _, p := range []string{cmp.Or(a.Platform, a.OS), a.Arch} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, " · ")
}

func short(fingerprint string) string { return fingerprint[:min(12, len(fingerprint))] }

// ago says how long something lies back, or ahead, in the largest unit that fits.
func ago(d time.Duration) string {
	switch {
	case d < -5*time.Second:
		return span(d)
	case d < 5*time.Second:
		return "just now"
	default:
		return span(d) + " ago"
	}
}

func span(d time.Duration) string {
	switch {
	case d < 0:
		return "in " + span(-d)
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	default:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	}
}

func every(ms int64) string {
	if ms == 0 {
		return "by cron"
	}
	return "every " + strings.Replace(span(time.Duration(ms)*time.Millisecond), "48 h", "2 days", 1)
}

func took(ms float64) string {
	switch {
	case ms < 1:
		return "under 1 ms"
	case ms < 1000:
		return fmt.Sprintf("%.0f ms", ms)
	default:
		return fmt.Sprintf("%.1f s", ms/1000)
	}
}

func number(n fleet.Number) string {
	if math.IsNaN(float64(n)) {
		return "not measured"
	}
	return strconv.FormatFloat(float64(n), 'g', 6, 64)
}

// remarks are what a person should know about a result beside its state.
func remarks(r fleet.Result) []string {
	var all []string
	if word := r.Standing.Words(); word != "" {
		all = append(all, word)
	}
	if r.TimedOut {
		all = append(all, "ended by its deadline")
	}
	if r.Signal != "" {
		all = append(all, "ended by signal "+r.Signal)
	}
	if r.Truncated {
		all = append(all, "the output was longer than the limit and was cut")
	}
	return append(all, r.Problems...)
}

func bytesWord(n uint64) string {
	if n == 0 {
		return ""
	}
	const gib = 1 << 30
	if n >= gib {
		return fmt.Sprintf("%.1f GiB", float64(n)/gib)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}
