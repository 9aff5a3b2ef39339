package rollout

import (
	"strings"

	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
)

// Limit is when a rollout is stopped: both must be reached.
type Limit struct {
	Percent int `json:"percent"` // of the agents that tried a release, 0 to 100; 0 = no rollout is ever stopped
	Hosts   int `json:"hosts"`   // at least 1
}

// DefaultLimit holds until a person says another. Two boxes that fail may each have a fault of their own, and so may a few of many.
var DefaultLimit = Limit{Percent: 5, Hosts: 3}

// Sane says whether a limit can be meant.
func (l Limit) Sane() bool { return l.Percent >= 0 && l.Percent <= 100 && l.Hosts >= 1 }

// Exceeded says whether so many failures among those that tried are too many.
func (l Limit) Exceeded(t Tally) bool {
	return l.Percent > 0 && t.Failed >= l.Hosts && 100*t.Failed >= l.Percent*t.Tried
}

// Tally counts agents by what one release did on them.
type Tally struct {
	Tried   int `json:"tried"`   // it runs there, on trial or for good, or it failed there
	Running int `json:"running"` // of these: it is what runs there now
	Failed  int `json:"failed"`  // of these: it was rolled back, and is barred or set aside
}

// without is t but for so many agents on which it failed.
func (t Tally) without(failures int) Tally {
	return Tally{Tried: t.Tried - failures, Running: t.Running, Failed: t.Failed - failures}
}

// fare is how one release fares.
type fare struct {
	Tally
	on map[string]bool // the agents it failed on, by name (below)
}

// name is enough of a fingerprint to know an agent by.
func name(fingerprint string) string { return fingerprint[:min(len(fingerprint), 16)] }

// Versions names the version of a core by its hash in hex, "" where none is listed for this channel and platform.
type Versions func(channel, platform, hash string) string

// outcome is what one release did on one agent.
type outcome int

const (
	onTrial outcome = iota + 1 // it was started and there is no verdict yet
	runs
	failed
)

// count goes over what all agents said last. Each counts once for a release, with the worst that it says of it.
func count(agents func(func(fleet.Agent, fleet.Facts)), versions Versions) map[string]fare {
	fares := map[string]fare{}
	agents(func(a fleet.Agent, f fleet.Facts) {
		for version, o := range outcomes(a, f, versions) {
			t := fares[version]
			t.Tried++
			switch o {
			case runs:
				t.Running++
			case failed:
				t.Failed++
				if t.on == nil {
					t.on = map[string]bool{}
				}
				t.on[name(a.Fingerprint)] = true
			}
			fares[version] = t
		}
	})
	return fares
}

// outcomes are those of one agent, by version (docs/stub-contract.md, status keys).
func outcomes(a fleet.Agent, f fleet.Facts, versions Versions) map[string]outcome {
	said := map[string]outcome{}
	note := func(hash string, o outcome) {
		if hash == "" {
			return
		}
		if version := versions(f.More["channel"], a.OS+"-"+a.Arch, hash); version != "" {
			said[version] = max(said[version], o)
		}
	}
	note(a.CoreHash, runs)
	if starts := f.More["starts"]; starts != "" && starts != "0" {
		note(f.More["trial"], onTrial)
	}
	for entry := range strings.SplitSeq(f.More["barred"], ",") {
		hash, _, _ := strings.Cut(entry, ":")
		note(hash, failed)
	}
	if f.More["why"] == "set-aside" {
		note(f.More["offered"], failed)
	}
	return said
}

// trying are the agents that have a release on trial.
func trying(agents func(func(fleet.Agent, fleet.Facts)), versions Versions, version string) []string {
	var list []string
	agents(func(a fleet.Agent, f fleet.Facts) {
		if hash := f.More["trial"]; hash != "" && a.Presence != fleet.Offline && versions(f.More["channel"], a.OS+"-"+a.Arch, hash) == version {
			list = append(list, a.Fingerprint)
		}
	})
	return list
}
