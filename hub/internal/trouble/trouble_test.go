package trouble

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
	"github.com/limpet-monitoring/limpet/hub/internal/presence"
)

// fixed is a fleet that stands still.
type fixed []fleet.Detail

func (f fixed) Agents() []fleet.Agent {
	var all []fleet.Agent
	for _, d := range f {
		all = append(all, d.Agent)
	}
	return all
}

func (f fixed) Agent(fingerprint string) (fleet.Detail, error) {
	for _, d := range f {
		if d.Fingerprint == fingerprint {
			return d, nil
		}
	}
	return fleet.Detail{}, fleet.ErrUnknownAgent
}

func at(minute int) fleet.Time { return fleet.Time{Time: time.Unix(int64(minute)*60, 0)} }

func check(name, state string, since int) fleet.CheckStatus {
	return fleet.CheckStatus{Check: name, State: state, Since: at(since), Text: "text"}
}

func TestACollectorThatDoesNotRunIsAProblem(t *testing.T) {
	d := fleet.Detail{Agent: fleet.Agent{Fingerprint: "a", Name: "box", Presence: fleet.Online}}
	d.Facts = presence.FromWire(&wire.Facts{Collectors: []*wire.CollectorState{
		{Name: "metrics", State: "running"},
		{Name: "logs", State: "waiting", Text: "it ended with code 1"},
		{Name: "traces", State: "running", Refused: "line 3: no such input"},
		{Name: "first", State: "checking"},
	}})
	var got []string
	for _, p := range List(fixed{d}) {
		got = append(got, p.State+" "+p.Check+p.Text)
	}
	want := []string{"CRITICAL The collector logs does not run: it ended with code 1", "WARNING The collector traces runs on with its former configuration: line 3: no such input"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	d.Presence = fleet.Offline
	if l := List(fixed{d}); len(l) != 0 {
		t.Errorf("away as planned: %v", l)
	}
}

func TestListIsWorstFirstAndSilentAboutPlannedSilence(t *testing.T) {
	stale := check("stale", "OK", 1)
	stale.Stale = true
	f := fixed{
		{Agent: fleet.Agent{Fingerprint: "a", Name: "here", Presence: fleet.Online}, Checks: []fleet.CheckStatus{
			check("old", "CRITICAL", 1), check("new", "CRITICAL", 9), check("warn", "WARNING", 3), check("fine", "OK", 1), stale}},
		{Agent: fleet.Agent{Fingerprint: "b", Name: "planned", Presence: fleet.Offline, Cause: "shutdown"}, Checks: []fleet.CheckStatus{check("x", "CRITICAL", 1)}},
		{Agent: fleet.Agent{Fingerprint: "c", Name: "gone", Presence: fleet.Offline, Cause: "lost", Since: at(5)}, Checks: []fleet.CheckStatus{check("x", "CRITICAL", 1)}},
		{Agent: fleet.Agent{Fingerprint: "e", Name: "unwilling", Presence: fleet.Online, RevisionProblems: []string{"no such plugin"}, RejectedAt: at(2)}},
		{Agent: fleet.Agent{Fingerprint: "d", Name: "moving", Presence: fleet.Upgrading}, Checks: []fleet.CheckStatus{check("disk", "UNKNOWN", 2)}},
	}
	var got string
	for _, p := range List(f) {
		got += fmt.Sprintf("%s %s/%s\n", p.State, p.Name, p.Check)
	}
	want := "LOST gone/\nCRITICAL here/new\nCRITICAL here/old\nWARNING here/warn\nWARNING unwilling/\nUNKNOWN moving/disk\nUNKNOWN here/stale\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if text := List(f)[4].Text; text != "It rejected what is meant for it and runs on with what it had: no such plugin" {
		t.Error(text)
	}
	if list := List(fixed{}); list == nil || len(list) > 0 {
		t.Errorf("nothing wrong is %v", list)
	}
}
