//go:build unix

package ledger

import (
	"slices"
	"testing"
	"time"
)

func TestUntold(t *testing.T) {
	boot := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	after := func(seconds float64) time.Time { return boot.Add(time.Duration(seconds * float64(time.Second))) }
	words := []string{"7-20.00", "5-10.00", "6-15.00"}
	for _, tt := range []struct {
		name string
		told []time.Time
		want []string
	}{
		{"nothing", nil, []string{"5-10.00", "6-15.00", "7-20.00"}},
		{"the one in the middle", []time.Time{after(14.9)}, []string{"5-10.00", "7-20.00"}},
		{"two, in no order", []time.Time{after(19), after(10.1)}, []string{"6-15.00"}},
		{"one that wrote no word", []time.Time{after(17), after(17.5)}, []string{"5-10.00", "6-15.00"}},
		{"one that is long past", []time.Time{after(-2)}, []string{"5-10.00", "6-15.00", "7-20.00"}},
	} {
		if got := untold(slices.Clone(words), tt.told, boot); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
