package main

import (
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// FuzzParseWaves: waves that are read come later one after the other and never get smaller.
func FuzzParseWaves(f *testing.F) {
	for _, s := range []string{"1%,1h,10%,6h,50%,1d,100%", "100%", "1%,1h", "1%,-1h,2%", "50%,1h,10%", "1%,365d,2%", "1%,106751d,2%", "+1%", ""} {
		f.Add(s)
	}
	begin := time.Date(2030, 5, 1, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		waves, err := parseWaves(text, begin)
		if err != nil {
			return
		}
		for i, w := range waves {
			if w.Percent < 0 || w.Percent > 100 || i > 0 && (w.Percent < waves[i-1].Percent || !w.From.After(waves[i-1].From)) {
				t.Fatalf("%q is %v", text, waves)
			}
		}
		if open := tuf.Open(waves, begin.Add(-time.Second)); len(waves) > 0 && open != 0 {
			t.Fatalf("%q is open to %d %% before it begins", text, open)
		}
	})
}
