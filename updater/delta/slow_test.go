//go:build !race

// These tests take minutes under the race detector, and nothing in the package is concurrent: `make test-delta` runs
// them without it.

package delta_test

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/updater/delta"
	"github.com/limpet-monitoring/limpet/updater/delta/encode"
)

var everyByte = flag.Bool("every-byte", false, "spoil every byte of the golden patch, not a sample")

func TestGoldenReferences(t *testing.T) {
	list, err := os.ReadFile("testdata/golden/references.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range platforms {
		base, _ := golden(t, p)
		if line := p + " " + digest(base) + "\n"; !strings.Contains(string(list), line) {
			t.Errorf("other references are found than when the format was made: %s", line)
		}
	}
}

func TestGoldenSizes(t *testing.T) {
	for _, p := range platforms {
		base, patch := golden(t, p)
		result, err := apply(delta.Go1, base, patch)
		if err != nil {
			t.Fatal(err)
		}
		again, err := encode.Make(delta.Go1, base, result)
		if err != nil {
			t.Fatal(err)
		}
		if most := len(patch) * 103 / 100; len(again) > most {
			t.Errorf("%s: a new patch takes %d bytes, the frozen one %d", p, len(again), len(patch))
		}
	}
}

// TestChangedPrograms brings programs through that were not made by a linker.
func TestChangedPrograms(t *testing.T) {
	base, patch := golden(t, "linux-amd64")
	two, err := apply(delta.Go1, base, patch)
	if err != nil {
		t.Fatal(err)
	}
	n := len(base)
	for name, c := range map[string]struct {
		new  []byte
		most int
	}{
		"cut":                {base[:n/2], 300},
		"bytes inserted":     {splice(base[:n/3], random(1, 5), base[n/3:]), 10_000},
		"halves swapped":     {splice(base[n/2:], base[:n/2]), 300},
		"line table spoiled": {bytes.Replace(two, []byte{0xF1, 0xFF, 0xFF, 0xFF, 0, 0}, []byte{0xF2, 0xFF, 0xFF, 0xFF, 0, 0}, 1), 10_000},
	} {
		got, err := encode.Make(delta.Go1, base, c.new)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		t.Logf("%s: %d bytes", name, len(got))
		if len(got) > c.most {
			t.Errorf("%s: the patch takes %d bytes, at most %d are right", name, len(got), c.most)
		}
	}
}

// TestGoldenFlipped spoils bytes all over a patch of a real program.
func TestGoldenFlipped(t *testing.T) {
	base, patch := golden(t, "linux-amd64")
	result, err := apply(delta.Go1, base, patch)
	if err != nil {
		t.Fatal(err)
	}
	step := len(patch)/40 + 1
	if *everyByte {
		step = 1
	}
	for i := delta.HeaderSize; i < len(patch); i += step {
		bad := bytes.Clone(patch)
		bad[i] ^= 1 << (i % 8)
		got, err := apply(delta.Go1, base, bad)
		if err == nil && !bytes.Equal(got, result) {
			t.Fatalf("byte %d: another file without an error", i)
		}
	}
}
