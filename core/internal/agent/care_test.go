package agent

import "testing"

func TestMemoryLimit(t *testing.T) {
	const mib = 1 << 20
	for _, tt := range []struct {
		owner      int64
		box, group uint64
		want       int64
	}{
		{0, 0, 0, 256 * mib},
		{0, 64 << 30, 0, 256 * mib},
		{0, 1 << 30, 0, 128 * mib},
		{0, 64 << 30, 100 * mib, 75 * mib},
		{0, 128 * mib, 0, leastMemory},
		{400 * mib, 1 << 30, 100 * mib, 400 * mib},
		{mib, 1 << 30, 0, leastMemory},
	} {
		if got := memoryLimit(tt.owner, tt.box, tt.group); got != tt.want {
			t.Errorf("%+v: %d", tt, got)
		}
	}
}

func TestWhatCountsAsRunOutOfMemory(t *testing.T) {
	for _, tt := range []struct {
		last        string
		before, now uint64
		known, want bool
	}{
		{"signal-9", 3, 4, true, true}, {"signal-9", 3, 3, true, false}, {"exit-2", 3, 4, true, false}, {"signal-9", 0, 4, false, false}, {"hang", 3, 4, true, false},
	} {
		if got := ranOut(tt.last, tt.before, tt.now, tt.known); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}
