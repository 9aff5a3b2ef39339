package buffer

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
)

var update = flag.Bool("update", false, "write the golden files anew")

// goldens is what cores of each format left on disk when they were killed: four results over two segments, the first of them
// acknowledged, and a run that was cut off.
var goldens = []string{"testdata/format-1", "testdata/format-2"}

// The golden files are these formats for ever: a core takes over what the one before it wrote.
func TestGolden(t *testing.T) {
	if *update {
		writeGolden(t, goldens[len(goldens)-1])
	}
	for _, golden := range goldens {
		t.Run(filepath.Base(golden), func(t *testing.T) {
			d := t.TempDir()
			if err := os.CopyFS(d, os.DirFS(golden)); err != nil {
				t.Fatal(err)
			}
			b := open(t, Options{Dir: d, MaxAge: 200 * 365 * 24 * time.Hour})
			defer b.Close()
			// The oldest is the one that was left; what it lost is stated in one of this core's.
			if name := fmt.Sprintf("%016x", b.Generations()[0].GetEpoch()); name != folder(t, golden) {
				t.Errorf("epoch %s", name)
			}
			expect(t, drain(t, b), "two", "three", "four", "lost d")
		})
	}
}

// folder is the one generation in golden.
func folder(t *testing.T, golden string) string {
	t.Helper()
	found, err := os.ReadDir(golden)
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	return found[0].Name()
}

// writeGolden is for a new format, which is read for a release before it is written.
func writeGolden(t *testing.T, golden string) {
	d := t.TempDir()
	b := open(t, Options{Dir: d, SegmentBytes: 150, BootID: "b007", Now: func() time.Time { return time.UnixMilli(0x19c0ffee123) }})
	mark(t, b, "d", 1)
	add(t, b, "one", "two", "three", "four")
	epoch := b.Live()
	if _, err := b.Next(epoch, wire.MaxBatch); err != nil {
		t.Fatal(err)
	}
	if err := b.Ack(epoch, 1); err != nil {
		t.Fatal(err)
	}
	// As a kill leaves it: copied while it is open.
	if err := os.RemoveAll(golden); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(golden, os.DirFS(d)); err != nil {
		t.Fatal(err)
	}
	b.Close()
}
