package fleet

import "testing"

func TestUpdateIsWhatTheAgentSays(t *testing.T) {
	for _, c := range []struct {
		more map[string]string
		want string
	}{
		{nil, ""},
		{map[string]string{"came": "2.6", "came_as": "delta", "came_codec": "go1", "came_bytes": "52000", "came_of": "11260030"}, "2.6 cost 52000 bytes (delta go1) of 11260030"},
		{map[string]string{"came": "2.6", "came_as": "full", "came_bytes": "9", "came_of": "9"}, "2.6 cost 9 bytes (full) of 9"},
		{map[string]string{"came": "2.6", "came_as": "here", "came_bytes": "-4", "came_of": "many"}, "2.6 cost 0 bytes (here)"},
	} {
		if got := updateOf(c.more).String(); got != c.want {
			t.Errorf("%v: %q, want %q", c.more, got, c.want)
		}
	}
}
