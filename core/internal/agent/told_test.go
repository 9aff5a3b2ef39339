package agent

import (
	"maps"
	"testing"

	"github.com/limpet-monitoring/limpet/core/internal/control"
	"github.com/limpet-monitoring/limpet/core/wire"
)

func TestWhatTheStubSaysMoreThanOnceReachesTheHubWhole(t *testing.T) {
	more, development := stubFacts([]control.Value{
		{Key: "barred", Value: "aa:exited"}, {Key: "warning", Value: "stale"}, {Key: "barred", Value: "bb:hung"},
		{Key: "warning", Value: "development"}, {Key: "warning", Value: "stale"}, {Key: "floor", Value: "3"},
	})
	want := map[string]string{"barred": "aa:exited,bb:hung", "warning.stale": "yes", "warning.development": "yes", "floor": "3"}
	if !maps.Equal(more, want) || !development {
		t.Errorf("%v %v", more, development)
	}
}

func TestWhatTheAgentKnowsOfItselfIsAFactBeforeTheStubSpeaks(t *testing.T) {
	f := cloneFacts(&wire.Facts{Hostname: "box"})
	(&shedding{level: 1}).note(f.More)
	(&behind{on: true}).note(f.More)
	if f.Hostname != "box" || f.More[shedFact] == "" || f.More[lateFact] == "" {
		t.Errorf("%v", f)
	}
}
