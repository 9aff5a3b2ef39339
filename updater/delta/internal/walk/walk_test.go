package walk

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/updater/delta/internal/addrmap"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/coder"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/image"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/refs"
)

var (
	oldFile = bytes.Repeat([]byte("0123456789abcdef"), 64)
	newFile = append(append(append([]byte("new"), oldFile[100:400]...), "between"...), oldFile[500:900]...)
	goodSeg = []image.Segment{{Off: 0, Size: 700, Addr: 0, Mem: 4096}}
)

func goodPlan() Plan {
	return Plan{Base: 0x1000, Segments: goodSeg, Copies: []Copy{{3, 100, 300}, {310, 500, 400}}}
}

// encode returns the stream that makes a file by a plan, and the decisions it takes.
func encode(old *refs.Source, size int, plan Plan, wish Wish) (stream []byte, spent uint64, err error) {
	defer coder.Recover(&err)
	c := coder.NewEncoder(Budget)
	Code(c, old, size, plan, wish)
	return c.Bytes(), c.Spent(), nil
}

// pass encodes by a plan and decodes what comes out.
func pass(plan Plan) ([]byte, error) {
	stream, spent, err := encode(refs.Analyse(oldFile), len(newFile), plan, Wish{Whole: newFile, Content: newFile})
	if err != nil {
		return nil, err
	}
	return Decode(context.Background(), refs.Analyse(oldFile), len(newFile), bytes.NewReader(stream), spent)
}

func TestPlanComesThrough(t *testing.T) {
	got, err := pass(goodPlan())
	if err != nil || !bytes.Equal(got, newFile) {
		t.Errorf("%q, %v", got, err)
	}
}

// TestPlansRefused codes plans that no encoder makes. The walk itself is the check, so the encoder meets it first; a
// decoder runs the same lines.
func TestPlansRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*Plan)
		want  string
	}{
		"too many segments":    {func(p *Plan) { p.Segments = make([]image.Segment, 65) }, "number of segments"},
		"segment off the end":  {func(p *Plan) { p.Segments = []image.Segment{{Off: 600, Size: 111, Mem: 111}} }, "segments"},
		"segments overlap":     {func(p *Plan) { p.Segments = []image.Segment{{Size: 9, Mem: 9}, {Off: 9, Size: 9, Addr: 8, Mem: 9}} }, "segments"},
		"memory under file":    {func(p *Plan) { p.Segments = []image.Segment{{Size: 9, Mem: 8}} }, "segments"},
		"too many copies":      {func(p *Plan) { p.Copies = make([]Copy, MaxCopies(len(newFile))+1) }, "number of copies"},
		"empty copy":           {func(p *Plan) { p.Copies[0].Len = 0 }, "empty"},
		"copy off the new end": {func(p *Plan) { p.Copies[1].Len = 401 }, "length of a copy"},
		"copy off the old end": {func(p *Plan) { p.Copies[1].Old = 700 }, "length of a copy"},
		"copy from nowhere":    {func(p *Plan) { p.Copies[1].Old = 5000 }, "length of a copy"},
		"copy behind the end":  {func(p *Plan) { p.Copies[1].New = 720 }, "gap"},
		"too many extras":      {func(p *Plan) { p.Extra = make([]addrmap.Piece, 4097) }, "number of extra"},
		"tables without Go":    {func(p *Plan) { p.Structure.PCs = 5 }, "functions do not fit"},
		"signed off the end":   {func(p *Plan) { p.Structure.Signed = 711 }, "does not fit"},
		"hashes off the end":   {func(p *Plan) { p.Structure.Signed, p.Structure.Hashes = 600, 690 }, "hashes"},
		"copy over hashes":     {func(p *Plan) { p.Structure.Signed, p.Structure.Hashes = 20, 310 }, "lies in a table"},
	} {
		plan := goodPlan()
		c.spoil(&plan)
		if _, err := pass(plan); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestBudget(t *testing.T) {
	old := refs.Analyse(oldFile)
	stream, spent, err := encode(old, len(newFile), goodPlan(), Wish{Whole: newFile, Content: newFile})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []uint64{0, 1, spent - 1, spent + 1, Budget + 1, 1 << 63} {
		if _, err := Decode(context.Background(), old, len(newFile), bytes.NewReader(stream), n); err == nil {
			t.Errorf("a budget of %d is taken where %d is right", n, spent)
		}
	}
}

// TestPanicsBecomeErrors decodes streams of noise: whatever happens inside, it is an error.
func TestPanicsBecomeErrors(t *testing.T) {
	old := refs.Analyse(oldFile)
	noise := bytes.Repeat([]byte{0x5A, 0xFF, 0, 0x13, 0x77}, 200)
	for i := range 40 {
		if _, err := Decode(context.Background(), old, 5000, bytes.NewReader(noise[i:]), 1<<20); err == nil {
			t.Errorf("noise %d is taken", i)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Decode(ctx, old, 5000, bytes.NewReader(noise), 1<<20); err == nil {
		t.Error("noise is taken after the context has ended")
	}
}
