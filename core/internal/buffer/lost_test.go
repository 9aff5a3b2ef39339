package buffer

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
)

// TestLostRunsAreStatedWhenTheDiskTakesThem: the disk is full when a core finds what a kill cut off.
func TestLostRunsAreStatedWhenTheDiskTakesThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newDisk()
		b := open(t, Options{FS: disk})
		mark(t, b, "cut off", 1)
		add(t, b, "kept")
		left := disk.Restart(crashdisk.Kept{})
		b.Close()
		var full atomic.Bool
		full.Store(true)
		left.Ask(func() crashdisk.Fate {
			if full.Load() {
				return crashdisk.DiskIsFull
			}
			return crashdisk.Happens
		})
		b = open(t, Options{FS: left})
		defer b.Close()
		if err := b.Append(result("c", "refused")); err == nil {
			t.Fatal("a full disk took a result")
		}
		expect(t, drain(t, b), "kept")
		full.Store(false)
		time.Sleep(2 * restAfterFailure)
		add(t, b, "after")
		time.Sleep(2 * takeoverEvery)
		expect(t, drain(t, b), "after", "event buffer-refused", "lost cut off")
	})
}

// A core that was slow to die is taken over while the next one runs the same check, and that one is killed as well.
func TestARunOfBeforeThatIsLostEndsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newDisk()
		b := open(t, Options{FS: disk})
		mark(t, b, "c", 20)
		if err := b.Append(&wire.Item{Kind: &wire.Item_LostRun{LostRun: &wire.LostRun{Check: "c", StartNs: 10}}}); err != nil {
			t.Fatal(err)
		}
		left := disk.Restart(crashdisk.Kept{})
		b.Close()
		b = open(t, Options{FS: left})
		defer b.Close()
		expect(t, drain(t, b), "lost c", "lost c")
	})
}

// What is read out of a record's bytes is what decoding it says, whatever else is in it.
func TestRunInReadsWhatDecodingDoes(t *testing.T) {
	for _, item := range []*wire.Item{
		result("c", "text"),
		measuring("disk", 3),
		{Seq: 7, Kind: &wire.Item_LostRun{LostRun: &wire.LostRun{Check: "x", StartNs: 1 << 60}}},
		{Seq: 8, Kind: &wire.Item_Result{Result: &wire.Result{Check: "negative", StartNs: -5, Long: "long"}}},
		{Seq: 9, Kind: &wire.Item_Event{Event: &wire.Event{Kind: "x", Text: "y"}}},
		{Seq: 9, Kind: &wire.Item_Gap{Gap: &wire.Gap{Epoch: 1, First: 2}}},
		{Seq: 3},
	} {
		raw, err := wire.Marshal(item)
		if err != nil {
			t.Fatal(err)
		}
		want, wantOK := runOf(item)
		if got, ok := runIn(raw); got != want || ok != wantOK {
			t.Errorf("%v: %v, %v", item, got, ok)
		}
		for n := range raw { // cut short: whatever it says, it ends
			runIn(raw[:n])
		}
	}
}

// A core is killed with something written and not synced behind segments that it had synced; the next one sends all of it, and then the power fails.
func TestWhatAKillLeftUnsyncedIsSyncedBeforeItIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newDisk()
		killed := open(t, Options{FS: disk, SegmentBytes: 190})
		defer killed.Close()
		for _, text := range texts("synced", 12) { // each of a check of its own: whole, so that segments fill up
			if err := killed.Append(result(text, text)); err != nil {
				t.Fatal(err)
			}
		}
		for _, text := range texts("written", 12) {
			killed.AppendThen(result(text, text), func(error) {})
		}
		killed.k.do(func() {}) // the keeper has been there
		killed.k.do(func() {})
		next := open(t, Options{FS: disk, SegmentBytes: 190})
		defer next.Close()
		g, _ := next.k.find(next.Generations()[0].GetEpoch())
		if from := g.holding(g.durable + 1); from < 2 || from > len(g.segments)-2 {
			t.Errorf("of %d segments those from %d on are synced", len(g.segments), from)
		}
		sent := drain(t, next)
		after := open(t, Options{FS: disk.Restart(crashdisk.Lost{})})
		defer after.Close()
		kept := drain(t, after)
		for _, text := range sent {
			if !slices.Contains(kept, text) {
				t.Errorf("%s was sent, and a power cut took it", text)
			}
		}
		if len(sent) != 24 {
			t.Errorf("%d sent", len(sent))
		}
	})
}
