package buffer

import (
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
)

// A large text is written from where it lies, and makes a batch of its own without a copy. What comes back is what was given.
func TestLargeResultsComeBackAsTheyWere(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 80<<10) // 1.25 MiB: more than a batch
	some := strings.Repeat("x", largeText)            // less than one
	given := []*wire.Result{
		{Check: "small before", Text: "text", Long: "long", StartNs: 1},
		{Check: "text", Text: big, Long: "long", StartNs: 2, Problems: []string{"p"}, Perfdata: []*wire.Perfdata{{Label: "a"}}},
		{Check: "long", Text: "text", Long: big, StartNs: 3, Plugin: "check_x"},
		{Check: "both", Text: big[:largeText], Long: big, StartNs: 4},
		{Check: "some", Text: "text", Long: some, StartNs: 5},
		{Check: "small behind", Text: "text", StartNs: 6},
	}
	b := open(t, Options{FS: crashdisk.New()})
	defer b.Close()
	for _, r := range given {
		before := wire.Clone(r)
		if err := b.Append(&wire.Item{Kind: &wire.Item_Result{Result: r}}); err != nil {
			t.Fatal(err)
		}
		if !wire.Equal(before, r) {
			t.Errorf("%s: Append has changed it", r.Check)
		}
	}
	epoch := b.Live()
	for i := 0; i < len(given); {
		first, err := b.Next(epoch, wire.MaxBatch)
		if err != nil || first == nil {
			t.Fatalf("result %d: %v, %v", i, first, err)
		}
		again, err := b.Next(epoch, wire.MaxBatch)
		if err != nil || !wire.Equal(first, again) {
			t.Errorf("the batch from %d on is another one when it is asked for again: %v", i, err)
		}
		records, err := wire.Unpack(first)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			item, err := r.Item()
			if err != nil || !wire.Equal(item.GetResult(), given[i]) || item.GetSeq() != uint64(i+1) {
				t.Errorf("%s is not what comes back as %d (%v)", given[i].Check, item.GetSeq(), err)
			}
			i++
		}
		if err := b.Ack(epoch, first.GetLast()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestALargeTextThatIsNoTextIsRefused(t *testing.T) {
	b := open(t, Options{FS: crashdisk.New()})
	defer b.Close()
	if err := b.Append(result("c", strings.Repeat("\xff", largeText))); err == nil {
		t.Error("it was taken")
	}
	add(t, b, "well")
	expect(t, drain(t, b), "well")
}
