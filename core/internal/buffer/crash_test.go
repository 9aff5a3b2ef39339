package buffer

import (
	"errors"
	"fmt"
	"math/rand"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
)

// TestPowerCutAnywhere cuts the power at every changing call of a life with appends, marks, rotations,
// acks, a split and a second start, lets the cut take what it may in many ways, and then counts:
// everything accepted is there once or was acknowledged, in order, with no gap stated.
func TestPowerCutAnywhere(t *testing.T) {
	calls := 0
	synctest.Test(t, func(t *testing.T) {
		disk := newDisk()
		live(disk)
		calls = disk.Calls()
	})
	if calls < 60 {
		t.Fatalf("a life has only %d changing calls", calls)
	}
	for cut := 1; cut <= calls; cut++ {
		for _, c := range choosers(cut) {
			synctest.Test(t, func(t *testing.T) {
				disk := newDisk()
				disk.CutAt(cut)
				accepted, acked := live(disk)
				check(t, fmt.Sprintf("cut at call %d, %T", cut, c), disk.Restart(c), accepted, acked)
			})
		}
	}
}

// newDisk is a disk on which the state folder stands, as on an installed box.
func newDisk() *crashdisk.Disk {
	disk := crashdisk.New()
	disk.MkdirAll(filepath.Dir(dir), 0o755)
	disk.SyncDir("/")
	return disk
}

// choosers are the two ends of what a cut may take, and some of the ways between.
func choosers(seed int) []crashdisk.Chooser {
	all := []crashdisk.Chooser{crashdisk.Kept{}, crashdisk.Lost{}}
	for i := range 4 {
		all = append(all, dice{rand.New(rand.NewSource(int64(seed*16 + i)))})
	}
	return all
}

type dice struct{ *rand.Rand }

func (d dice) Choose(n int) int { return d.Intn(n) }

// live is a life that may end at any call. It returns what was accepted, and what of it was
// acknowledged.
func live(disk *crashdisk.Disk) (accepted []string, acked map[string]bool) {
	acked = map[string]bool{}
	n := 0
	put := func(b *Buffer) {
		text := fmt.Sprint("r", n)
		n++
		b.Mark("c", time.Unix(0, int64(n)))
		i := result("c", text)
		i.GetResult().StartNs = int64(n)
		if b.Append(i) == nil {
			accepted = append(accepted, text)
		}
	}
	take := func(b *Buffer, epoch uint64) {
		batch, err := b.Next(epoch, 60)
		if err != nil || batch == nil {
			return
		}
		records, err := wire.Unpack(batch)
		if err != nil {
			panic(err)
		}
		if b.Ack(epoch, batch.GetLast()) == nil {
			for _, r := range records {
				i, _ := r.Item()
				acked[i.GetResult().GetText()] = true
			}
		}
	}
	for range 2 {
		b, err := Open(Options{Dir: dir, FS: disk, SegmentBytes: 190, Retain: time.Second})
		if err != nil {
			return accepted, acked
		}
		for i := range 6 {
			put(b)
			if i == 3 {
				b.Split(-1)
				take(b, b.Generations()[0].GetEpoch())
			}
		}
		take(b, b.Live())
		time.Sleep(2 * time.Second) // freed meanwhile
		put(b)
		b.Close()
	}
	return accepted, acked
}

// check opens what a cut left, and compares.
func check(t *testing.T, when string, disk *crashdisk.Disk, accepted []string, acked map[string]bool) {
	t.Helper()
	b, err := Open(Options{Dir: dir, FS: disk})
	if err != nil {
		t.Errorf("%s: %v", when, err)
		return
	}
	defer b.Close()
	add(t, b, "after")
	got := drain(t, b)
	var results []string
	for _, g := range got {
		if strings.HasPrefix(g, "gap") {
			t.Errorf("%s: %s stated, though nothing was damaged", when, g)
		}
		if strings.HasPrefix(g, "r") {
			results = append(results, g)
		}
	}
	seen := map[string]int{}
	for _, r := range results {
		seen[r]++
	}
	for r, n := range seen {
		if n > 1 {
			t.Errorf("%s: %s comes %d times", when, r, n)
		}
	}
	var missing []string
	for _, r := range accepted {
		if seen[r] == 0 && !acked[r] {
			missing = append(missing, r)
		}
	}
	if len(missing) > 0 {
		t.Errorf("%s: accepted and gone: %v (there: %v)", when, missing, got)
	}
	if !slices.Contains(got, "after") {
		t.Errorf("%s: the next life keeps nothing", when)
	}
}

// TestEveryCallMayFail lets each changing call fail once: nothing accepted is lost, and the buffer
// works on.
func TestEveryCallMayFail(t *testing.T) {
	calls := 0
	synctest.Test(t, func(t *testing.T) {
		disk := newDisk()
		live(disk)
		calls = disk.Calls()
	})
	for n := 1; n <= calls; n++ {
		synctest.Test(t, func(t *testing.T) {
			disk := newDisk()
			disk.FailAt(n, errors.New("the disk has a bad day"))
			accepted, acked := live(disk)
			if len(accepted) == 0 {
				t.Errorf("call %d failing: nothing was kept", n)
			}
			check(t, fmt.Sprintf("call %d failing", n), disk.Restart(crashdisk.Lost{}), accepted, acked)
		})
	}
}
