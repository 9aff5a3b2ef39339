package console

import (
	"cmp"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
	"github.com/limpet-monitoring/limpet/hub/internal/presence"
)

// fact is one line of an agent's page. Key names the ones that the script keeps up to date.
type fact struct {
	Name, Value, Key string
	Time             *fleet.Time
	Mono             bool
}

// facts are an agent's lines, without those that nothing is known of.
func facts(d fleet.Detail) []fact {
	all := []fact{
		{Name: "Fingerprint", Value: d.Fingerprint, Mono: true},
		{Name: "Addresses", Value: strings.Join(d.Addresses, ", "), Mono: true},
		{Name: "Platform", Value: platform(d.Agent)},
		{Name: "Kernel", Value: d.Kernel},
		{Name: "Machine", Value: machine(d.Facts)},
		{Name: "Core", Value: version(d.CoreVersion, d.Development)},
		{Name: "Core hash", Value: short(d.CoreHash), Mono: true},
		{Name: "Offered", Value: offered(d.Agent), Key: "offer"},
		{Name: "Last update", Value: cmp.Or(d.Update.String(), "-"), Key: "update"},
		{Name: "Stub", Value: d.StubVersion},
		{Name: "Trust", Value: d.Facts.Trust},
		{Name: "Revision", Value: revision(d.Agent), Key: "revision"},
		{Name: "Line", Value: line(d.Agent), Key: "line"},
		{Name: "Clock", Value: clock(d.Agent), Key: "clock"},
		{Name: "Processor", Value: d.Facts.More["shedding"]},
		{Name: "Schedule", Value: d.Facts.More["behind"]},
		{Name: "Results", Value: fmt.Sprint(d.Results), Key: "results"},
		{Name: "Last seen", Value: "-", Time: &d.LastSeen, Key: "last_seen"},
		{Name: "Enrolled", Value: "-", Time: &d.Enrolled},
		{Name: "Ephemeral", Value: ephemeralFact(d.Agent)},
		{Name: "Cloned from", Value: d.ClonedFrom, Mono: true},
	}
	for _, c := range d.Facts.Collectors {
		all = append(all, fact{Name: "Collector " + c.Name, Value: collectorWord(c)})
	}
	known := all[:0]
	for _, f := range all {
		if f.Value != "" {
			known = append(known, f)
		}
	}
	return known
}

// ephemeralFact says what becomes of an agent that was enrolled to come and go, "" for one that stays.
func ephemeralFact(a fleet.Agent) string {
	if a.EphemeralMS == 0 {
		return ""
	}
	return "leaves this list when its host goes down, or " + span(time.Duration(a.EphemeralMS)*time.Millisecond) + " after it vanished"
}

// collectorWord is a collector in one line.
func collectorWord(c presence.Collector) string {
	text := c.Kind + ", " + c.State
	if c.Text != "" {
		text += ": " + c.Text
	}
	if c.Restarts > 0 {
		text += fmt.Sprintf("; started again %d times", c.Restarts)
	}
	if c.Refused != "" {
		text += "; a newer configuration was refused: " + c.Refused
	}
	return text
}

// offered is the release that an agent is offered, and why it does not run it.
func offered(a fleet.Agent) string {
	switch {
	case a.Offer.Why == "" && a.Offer.Version == "":
		return "-"
	case a.Offer.Why == "":
		return a.Offer.Version + ", which it runs"
	case a.Offer.Version == "":
		return a.Offer.Why
	}
	return a.Offer.Version + ": " + a.Offer.Why
}

// coreWord is what runs and, where that is another, what is offered.
func coreWord(a fleet.Agent) string {
	if a.Offer.Version == "" || a.Offer.Why == "" {
		return a.CoreVersion
	}
	return a.CoreVersion + " → " + a.Offer.Version
}

func machine(f fleet.Facts) string {
	var parts []string
	if f.CPUs == 1 {
		parts = append(parts, "1 CPU")
	} else if f.CPUs > 1 {
		parts = append(parts, fmt.Sprintf("%d CPUs", f.CPUs))
	}
	if m := bytesWord(f.MemoryBytes); m != "" {
		parts = append(parts, m)
	}
	return strings.Join(parts, ", ")
}

func version(core string, development bool) string {
	if development && core != "" {
		return core + " (development keys)"
	}
	return core
}

func revision(a fleet.Agent) string {
	runs := "defaults alone"
	if a.Revision > 0 {
		runs = fmt.Sprint(a.Revision)
	}
	if a.Revision != a.WantedRevision {
		return fmt.Sprintf("%s, wanted %d", runs, a.WantedRevision)
	}
	return runs
}

func line(a fleet.Agent) string {
	word := map[string]string{"bound": "TLS to this hub", "terminated": "TLS ended by a balancer"}[a.TLS]
	if a.RTTMS > 0 {
		return cmp.Or(word, "session") + fmt.Sprintf(", %.1f ms there and back", a.RTTMS)
	}
	return word
}

func clock(a fleet.Agent) string {
	off := math.Abs(a.ClockOffsetMS)
	switch {
	case a.RTTMS == 0:
		return "not measured yet"
	case off < 1:
		return "agrees with the hub's"
	case a.ClockOffsetMS > 0:
		return took(off) + " ahead"
	default:
		return took(off) + " behind"
	}
}
