package agent

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/schedule"
)

// What a whole agent is not easily brought to.
func TestWhyIsTold(t *testing.T) {
	now := time.Now()
	web := schedule.Entry{Check: check.Check{Name: "web", Plugin: "check_http", Every: time.Minute}, Next: now.Add(10 * time.Second)}
	busy := web
	busy.Queued, busy.Shed, busy.Skipped = true, 7, 3
	cron := schedule.Entry{Check: check.Check{Name: "web", Plugin: "check_http", Cron: "0 0 30 2 *"}}
	for name, c := range map[string]struct {
		known known
		want  string
	}{
		"too little processor time": {known{name: "web", revision: 2, runs: true, entry: busy, apart: 5 * time.Minute}, `check     web (check_http), revision 2
state     it has not run yet
now       it is due, and waits: as many checks run as may at once (limit.runs)
next run  in 10s; every 1m0s
shed      every 5m0s at most for now: the agent and its plugins use the processor time that they may (limit.cpu)
shed      7 of its times were passed over for want of processor time since this core started
skipped   3 of its times passed while it still ran or waited, since this core started
`},
		"handed over, flapping, and its plugin has gone": {known{name: "web", revision: 2, runs: true, entry: web, missing: errors.New("plugin check_http not found in /x"),
			last: check.Result{State: check.Warning, Start: now.Add(-time.Minute), Standing: check.Standing{Attempt: 2, Attempts: 2, Flapping: true, Percent: 31.2}}}, `check     web (check_http), revision 2
state     WARNING (hard), attempt 2 of 2, flapping (31 % of its results change)
last run  1m0s ago
next run  in 10s; every 1m0s
plugin    plugin check_http not found in /x
`},
		"a time that never comes": {known{name: "web", revision: 2, runs: true, entry: cron}, `check     web (check_http), revision 2
state     it has not run yet
next run  none is planned: at the times of 0 0 30 2 *
`},
		"no revision, no hub": {known{name: "web", offline: true}, `check     web does not run on this box
reason    the hub has sent this box no checks yet: the defaults run
hub       there is no session right now: what it wants may have changed since (limpet doctor says why)
`},
		"what ran passes no more": {known{name: "web", wanted: true, rejected: 4, refusal: []string{"check web: plugin check_http is not signed"}}, `check     web does not run on this box
rejected  revision 4: check web: plugin check_http is not signed
rejected  revision 4 was rejected as a whole, and what runs, the defaults, has no check of that name
`},
	} {
		var text strings.Builder
		c.known.print(&text, now)
		if text.String() != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, text.String(), c.want)
		}
	}
}

func TestLinesAboutACheck(t *testing.T) {
	lines := []string{"check web: x", "check web-2: y", "own check web: z", "default check web: left out", "disable: web", "and 3 more"}
	if got := strings.Join(about(lines, "web"), "|"); got != "check web: x|own check web: z|default check web: left out" {
		t.Error(got)
	}
}
