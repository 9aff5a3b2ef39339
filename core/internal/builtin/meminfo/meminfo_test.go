package meminfo

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       Info
		err        string
	}{
		{"today", "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable:   600 kB\nBuffers: 5 kB\nCached: 50 kB\nSwapTotal: 9 kB\nSwapFree: 3 kB\nHugePages_Total: 0\n",
			Info{1000 << 10, 100 << 10, 600 << 10, 5 << 10, 50 << 10, 9 << 10, 3 << 10}, ""},
		{"before 3.14", "MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 5 kB\nCached: 50 kB\nShmem: 20 kB\nSReclaimable: 7 kB\n",
			Info{1000 << 10, 100 << 10, 142 << 10, 5 << 10, 50 << 10, 0, 0}, ""},
		{"empty", "", Info{}, "no MemTotal"},
		{"zero", "MemTotal: 0 kB\n", Info{}, "no MemTotal"},
		{"words", "MemTotal: lots kB\n", Info{}, "no size"},
		{"overflow", "MemTotal: 99999999999999999999 kB\n", Info{}, "no size"},
		{"beyond bytes", "MemTotal: 18014398509481985 kB\n", Info{}, "no size"},
		{"cut", "MemTotal:", Info{}, "no size"},
	} {
		got, err := Parse([]byte(c.text))
		if c.err == "" && (err != nil || got != c.want) || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: got %+v, %v", c.name, got, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("MemTotal: 1000 kB\nMemFree: 100 kB\nCached: 50 kB\nShmem: 90 kB\n")
	f.Fuzz(func(t *testing.T, text string) {
		info, err := Parse([]byte(text))
		if err == nil && info.Total == 0 {
			t.Errorf("a box without memory: %+v", info)
		}
	})
}
