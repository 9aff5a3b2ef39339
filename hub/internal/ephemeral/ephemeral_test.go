package ephemeral

import (
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
	"github.com/limpet-monitoring/limpet/hub/internal/journal"
)

func TestWhoGoes(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const hour = int64(time.Hour / time.Millisecond)
	ago := func(d time.Duration) journal.Time { return journal.At(now.Add(-d)) }
	day := now.Add(-24 * time.Hour)
	for name, c := range map[string]struct {
		agent fleet.Agent
		began time.Time
		goes  bool
	}{
		"one that stays":           {fleet.Agent{Presence: fleet.Offline, Cause: "deregister", Since: ago(48 * time.Hour)}, day, false},
		"there":                    {fleet.Agent{EphemeralMS: hour, Presence: fleet.Online, Since: ago(48 * time.Hour)}, day, false},
		"between two cores":        {fleet.Agent{EphemeralMS: hour, Presence: fleet.Upgrading, Since: ago(2 * time.Hour)}, day, false},
		"said that it goes":        {fleet.Agent{EphemeralMS: hour, Presence: fleet.Offline, Cause: "deregister", Since: ago(time.Second)}, now, true},
		"reboots":                  {fleet.Agent{EphemeralMS: hour, Presence: fleet.Offline, Cause: "shutdown", Since: ago(time.Minute)}, day, false},
		"lost a moment ago":        {fleet.Agent{EphemeralMS: hour, Presence: fleet.Offline, Cause: "lost", Since: ago(59 * time.Minute)}, day, false},
		"lost for an hour":         {fleet.Agent{EphemeralMS: hour, Presence: fleet.Offline, Cause: "lost", Since: ago(time.Hour)}, day, true},
		"shut down for an hour":    {fleet.Agent{EphemeralMS: hour, Presence: fleet.Offline, Cause: "shutdown", Since: ago(time.Hour)}, day, true},
		"while no hub was there":   {fleet.Agent{EphemeralMS: hour, Presence: fleet.Offline, Cause: "hub-stopped", Since: ago(5 * time.Hour)}, now.Add(-time.Minute), false},
		"an hour of this hub":      {fleet.Agent{EphemeralMS: hour, Presence: fleet.Offline, Cause: "hub-stopped", Since: ago(5 * time.Hour)}, now.Add(-time.Hour), true},
		"enrolled, no session yet": {fleet.Agent{EphemeralMS: hour, Presence: fleet.Offline, Enrolled: ago(time.Minute)}, day, false},
		"enrolled and never came":  {fleet.Agent{EphemeralMS: hour, Presence: fleet.Offline, Enrolled: ago(2 * time.Hour)}, day, true},
	} {
		if got := due(c.agent, c.began, now); (got != "") != c.goes {
			t.Errorf("%s: %q", name, got)
		}
	}
}
