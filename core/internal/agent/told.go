package agent

import (
	"os"
	"strconv"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/control"
	"github.com/limpet-monitoring/limpet/core/internal/facts"
	"github.com/limpet-monitoring/limpet/core/internal/plugin"
	"github.com/limpet-monitoring/limpet/core/wire"
)

func (a *agent) gather() *wire.Facts {
	f := facts.Gather()
	return &wire.Facts{
		Hostname: f.Hostname, Addresses: f.Addresses, Os: f.OS, Arch: f.Arch, Platform: f.Platform, Kernel: f.Kernel,
		BootId: f.BootID, MachineIdHash: f.MachineID, Place: facts.Place(a.o.Layout.State), MemoryBytes: f.Memory, Cpus: uint32(f.CPUs),
		CoreVersion: a.o.Version, CoreHash: os.Getenv("LIMPET_CORE_HASH"), StubVersion: os.Getenv("LIMPET_STUB"),
		Tags: a.box.Tags, Plugins: plugin.List(a.dirs()), Trust: a.box.Trust.String(), Checks: names(a.set.Checks),
		Collectors: a.collectorFacts(),
	}
}

func names(checks []check.Check) []string {
	out := make([]string, 0, len(checks))
	for _, c := range checks {
		out = append(out, c.Name)
	}
	return out
}

// refreshFacts tells the hub when something about the box has changed.
func (a *agent) refreshFacts() {
	now, was := a.gather(), a.facts.Load()
	now.Development, now.More = was.Development, was.More
	if !sameFacts(now, was) {
		a.facts.Store(now)
		a.session.SendFacts()
	}
}

// noteStub keeps what the stub says and the hub should see: each line is all that there is to say.
func (a *agent) noteStub(values []control.Value) {
	now := cloneFacts(a.facts.Load())
	now.More, now.Development = stubFacts(values)
	a.shed.note(now.More)
	a.late.note(now.More)
	a.tellOOM(now.More["last"])
	seconds, _ := strconv.ParseInt(now.More["time_floor"], 10, 64)
	a.timeFloor.Store(seconds)
	if !sameFacts(now, a.facts.Load()) {
		a.facts.Store(now)
		a.session.SendFacts()
	}
}

// stubFacts is what a status line of the stub becomes: warnings a fact each, other keys one, with commas between what a repeated key says.
func stubFacts(values []control.Value) (more map[string]string, development bool) {
	more = map[string]string{}
	for _, v := range values {
		key, value := v.Key, v.Value
		if key == "warning" {
			development = development || value == "development"
			key, value = "warning."+value, "yes"
		}
		switch was, there := more[key]; {
		case there && was != value:
			more[key] = was + "," + value
		case len(more) < wire.MaxFacts:
			more[key] = value
		}
	}
	return more, development
}
