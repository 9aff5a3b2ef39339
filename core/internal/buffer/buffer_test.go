package buffer

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
)

const dir = "/state/buffer"

func open(t testing.TB, o Options) *Buffer {
	t.Helper()
	if o.Dir == "" {
		o.Dir = dir
	}
	b, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func result(check, text string) *wire.Item {
	return &wire.Item{Kind: &wire.Item_Result{Result: &wire.Result{Check: check, Text: text}}}
}

func add(t testing.TB, b *Buffer, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err := b.Append(result("c", text)); err != nil {
			t.Fatal(err)
		}
	}
}

// said is one record as a hub would see it, in words.
func said(t testing.TB, r wire.Record) string {
	t.Helper()
	i, err := r.Item()
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case i.GetResult() != nil:
		return i.GetResult().GetText()
	case i.GetGap() != nil:
		return fmt.Sprintf("gap %s %d-%d", i.GetGap().GetCause(), i.GetGap().GetFirst(), i.GetGap().GetLast())
	case i.GetLostRun() != nil:
		return "lost " + i.GetLostRun().GetCheck()
	default:
		return "event " + i.GetEvent().GetKind()
	}
}

// drain takes everything that waits as a hub would, oldest generation first, and acknowledges it.
func drain(t testing.TB, b *Buffer) (all []string) {
	t.Helper()
	for more := true; more; {
		more = false
		for _, g := range b.Generations() {
			got := drainOne(t, b, g.GetEpoch())
			more = more || len(got) > 0
			all = append(all, got...)
		}
	}
	return all
}

func drainOne(t testing.TB, b *Buffer, epoch uint64) (all []string) {
	t.Helper()
	for {
		batch, err := b.Next(epoch, wire.MaxBatch)
		if err != nil {
			t.Fatal(err)
		}
		if batch == nil {
			return all
		}
		records, err := wire.Unpack(batch)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			all = append(all, said(t, r))
		}
		if err := b.Ack(epoch, batch.GetLast()); err != nil {
			t.Fatal(err)
		}
	}
}

func expect(t testing.TB, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// texts are n results' texts.
func texts(prefix string, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("%s%d", prefix, i))
	}
	return all
}

func TestResultsComeBackInOrderOverSegmentsAndStarts(t *testing.T) {
	d := t.TempDir()
	o := Options{Dir: d, SegmentBytes: 240}
	b := open(t, o)
	add(t, b, texts("a", 9)...)
	b.Close()
	if err := b.Append(result("c", "late")); !errors.Is(err, ErrClosed) {
		t.Errorf("append after close: %v", err)
	}
	b = open(t, o)
	add(t, b, texts("b", 3)...)
	expect(t, drain(t, b), append(texts("a", 9), texts("b", 3)...)...)
	b.Close()
	b = open(t, o)
	defer b.Close()
	expect(t, drain(t, b))
}

func TestBatchesSayTheBootOfTheirResults(t *testing.T) {
	disk := crashdisk.New()
	b := open(t, Options{FS: disk, BootID: "first"})
	add(t, b, "a")
	b.Close()
	b = open(t, Options{FS: disk, BootID: "second"})
	defer b.Close()
	add(t, b, "b")
	var boots []string
	for _, g := range b.Generations() {
		batch, err := b.Next(g.GetEpoch(), wire.MaxBatch)
		if err != nil {
			t.Fatal(err)
		}
		boots = append(boots, batch.GetBootId())
	}
	expect(t, boots, "first", "second")
}

func TestSyncsAreGrouped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := crashdisk.New()
		b := open(t, Options{FS: disk})
		defer b.Close()
		begun := time.Now()
		add(t, b, "first")
		if waited := time.Since(begun); waited != syncGathers {
			t.Errorf("a lone append waited %s", waited)
		}
		var all sync.WaitGroup
		time.Sleep(time.Second)
		before := b.Stats().Syncs
		for range 10 {
			all.Go(func() { add(t, b, "together") })
			time.Sleep(syncGathers / 11)
		}
		all.Wait()
		if syncs := b.Stats().Syncs - before; syncs != 1 {
			t.Errorf("%d syncs for ten appends of one round", syncs)
		}
		before = b.Stats().Syncs
		for range 1000 {
			all.Go(func() { add(t, b, "x"); time.Sleep(0) })
			time.Sleep(time.Millisecond)
		}
		all.Wait()
		if syncs := b.Stats().Syncs - before; syncs < 19 || syncs > 22 {
			t.Errorf("%d syncs for 1000 appends in a second", syncs)
		}
	})
}

func TestSyncBeginsWithin50ms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Options{FS: crashdisk.New()})
		defer b.Close()
		add(t, b, "a")
		for range 20 {
			time.Sleep(7 * time.Millisecond)
			begun := time.Now()
			add(t, b, "b")
			if waited := time.Since(begun); waited > syncEvery {
				t.Errorf("waited %s", waited)
			}
		}
	})
}

func TestLostRuns(t *testing.T) {
	tests := []struct {
		name string
		do   func(t *testing.T, b *Buffer)
		want []string
	}{
		{"none marked", func(t *testing.T, b *Buffer) { add(t, b, "x") }, []string{"x"}},
		{"ended", func(t *testing.T, b *Buffer) {
			mark(t, b, "c", 1)
			add(t, b, "x")
		}, []string{"x"}},
		{"cut off", func(t *testing.T, b *Buffer) { mark(t, b, "c", 1) }, []string{"lost c"}},
		{"one of two", func(t *testing.T, b *Buffer) {
			mark(t, b, "d", 1)
			mark(t, b, "c", 2)
			add(t, b, "x")
		}, []string{"x", "lost d"}},
		{"again after its end", func(t *testing.T, b *Buffer) {
			mark(t, b, "c", 1)
			add(t, b, "x")
			mark(t, b, "c", 2)
		}, []string{"x", "lost c"}},
		{"segments later", func(t *testing.T, b *Buffer) {
			mark(t, b, "d", 1)
			add(t, b, texts("", 10)...)
		}, append(texts("", 10), "lost d")},
		{"carried over a split", func(t *testing.T, b *Buffer) {
			mark(t, b, "d", 1)
			mark(t, b, "c", 1)
			split(t, b)
			add(t, b, "x")
		}, []string{"x", "lost d"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk := crashdisk.New()
				b := open(t, Options{FS: disk, SegmentBytes: 190})
				tt.do(t, b)
				// kill -9: nothing is synced or closed, everything written is there
				disk = disk.Restart(crashdisk.Kept{})
				b.Close()
				b = open(t, Options{FS: disk, SegmentBytes: 190})
				expect(t, drain(t, b), tt.want...)
				b.Close()
				b = open(t, Options{FS: disk})
				expect(t, drain(t, b)) // stated once
				b.Close()
			})
		})
	}
}

func mark(t testing.TB, b *Buffer, check string, start int64) {
	t.Helper()
	if err := b.Mark(check, time.Unix(0, start)); err != nil {
		t.Fatal(err)
	}
}

func split(t testing.TB, b *Buffer) {
	t.Helper()
	if err := b.Split(-1); err != nil {
		t.Fatal(err)
	}
}

func TestSplitKeepsNewResultsFromQueueing(t *testing.T) {
	b := open(t, Options{Dir: t.TempDir()})
	defer b.Close()
	add(t, b, texts("old", 5)...)
	if err := b.Split(1 << 20); err != nil || len(b.Generations()) != 1 {
		t.Fatalf("split with a small backlog: %v, %d generations", err, len(b.Generations()))
	}
	split(t, b)
	add(t, b, "new")
	all := b.Generations()
	if len(all) != 2 || !all[0].GetClosed() || all[1].GetClosed() || all[1].GetEpoch() != b.Live() {
		t.Fatalf("generations %v", all)
	}
	expect(t, drainOne(t, b, b.Live()), "new")
	expect(t, drainOne(t, b, all[0].GetEpoch()), texts("old", 5)...)
}

func TestNextRepeatsUntilAcknowledged(t *testing.T) {
	b := open(t, Options{Dir: t.TempDir(), SegmentBytes: 190})
	defer b.Close()
	add(t, b, texts("r", 6)...)
	first, err := b.Next(b.Live(), 30)
	if err != nil {
		t.Fatal(err)
	}
	again, err := b.Next(b.Live(), 30)
	if err != nil || first.GetFirst() != 1 || first.GetLast() != again.GetLast() || first.GetLast() == 6 {
		t.Fatalf("first %v, again %v, %v", first, again, err)
	}
	if err := b.Ack(b.Live(), 99); err == nil {
		t.Error("an ack of what was never written was taken")
	}
	if err := b.Ack(b.Live(), first.GetLast()); err != nil {
		t.Fatal(err)
	}
	rest, err := b.Next(b.Live(), wire.MaxBatch)
	if err != nil || rest.GetFirst() != first.GetLast()+1 || rest.GetLast() != 6 {
		t.Errorf("rest %v, %v", rest, err)
	}
}

func TestRejectedBecomesAGap(t *testing.T) {
	b := open(t, Options{Dir: t.TempDir()})
	defer b.Close()
	add(t, b, texts("r", 4)...)
	if err := b.Reject(b.Live(), 9); err == nil {
		t.Error("rejected what was never written")
	}
	for _, seq := range []uint64{2, 4} {
		if err := b.Reject(b.Live(), seq); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, drain(t, b), "r0", "r2", "gap rejected 2-2", "gap rejected 4-4")
}

func TestTooLargeIsRefusedAndTheNextIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Options{FS: crashdisk.New()})
		defer b.Close()
		if err := b.Append(result("c", string(make([]byte, wire.MaxRecord)))); !errors.Is(err, ErrTooLarge) {
			t.Errorf("append of 8 MiB: %v", err)
		}
		add(t, b, "x")
		time.Sleep(syncEvery)
		synctest.Wait()
		expect(t, drain(t, b), "x", "event buffer-refused")
	})
}

// fullDisk fails every write while full.
type fullDisk struct {
	fsys.FS
	full bool
}

type fullFile struct {
	fsys.File
	disk *fullDisk
}

func (d *fullDisk) Open(name string, flag int, perm os.FileMode) (fsys.File, error) {
	f, err := d.FS.Open(name, flag, perm)
	return fullFile{f, d}, err
}

func (f fullFile) WriteAt(b []byte, at int64) (int, error) {
	if f.disk.full {
		n, _ := f.File.WriteAt(b[:len(b)/2], at) // what a full disk does
		return n, syscall.ENOSPC
	}
	return f.File.WriteAt(b, at)
}

func TestFullDiskRefusesAndRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &fullDisk{FS: crashdisk.New(), full: true}
		b := open(t, Options{FS: disk})
		defer b.Close()
		for range 3 {
			if err := b.Append(result("c", "lost")); !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("append on a full disk: %v", err)
			}
		}
		disk.full = false
		add(t, b, "a")
		disk.full = true
		if err := b.Append(result("c", "lost")); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("append on a full disk: %v", err)
		}
		if s := b.Stats(); s.Refused != 4 || s.LastError == "" {
			t.Errorf("stats %+v", s)
		}
		disk.full = false
		add(t, b, "b")
		synctest.Wait()
		time.Sleep(syncEvery)
		synctest.Wait()
		expect(t, drain(t, b), "a", "event buffer-refused", "b", "event buffer-refused")
	})
}

func TestFailedSyncLeavesTheGeneration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := crashdisk.New()
		b := open(t, Options{FS: disk})
		defer b.Close()
		add(t, b, "a")
		before := b.Live()
		time.Sleep(time.Second)
		disk.FailAt(2, syscall.EIO) // write, then sync
		if err := b.Append(result("c", "lost")); !errors.Is(err, syscall.EIO) {
			t.Fatalf("append with a failing sync: %v", err)
		}
		if err := b.Append(result("c", "at once")); err == nil {
			t.Error("the failing disk was asked again at once")
		}
		time.Sleep(restAfterFailure)
		add(t, b, "b")
		if b.Live() == before {
			t.Error("the generation whose sync failed is written to")
		}
		time.Sleep(syncEvery)
		synctest.Wait()
		expect(t, drain(t, b), "a", "b", "event buffer-refused")
	})
}

func TestAcknowledgedStaysForTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := crashdisk.New()
		b := open(t, Options{FS: disk, SegmentBytes: 190})
		add(t, b, texts("r", 10)...)
		b.Close()
		b = open(t, Options{FS: disk})
		defer b.Close()
		drain(t, b)
		old := b.Generations()[0]
		time.Sleep(DefaultRetain - time.Second)
		if v, err := b.Resume(old.GetEpoch(), 4, 0); v == Behind || err != nil {
			t.Errorf("a watermark with a wrong checksum: %s, %v", v, err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if all := b.Generations(); len(all) != 1 || all[0].GetEpoch() != b.Live() {
			t.Errorf("kept after 10 minutes: %v", all)
		}
		names, err := disk.ReadDir(dir)
		if err != nil || len(names) > 1 {
			t.Errorf("on disk: %v, %v", names, err)
		}
	})
}

func TestCapsDropTheOldestWithAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, Options{FS: crashdisk.New(), SegmentBytes: 240, MaxBytes: 1000})
		defer b.Close()
		for _, text := range texts("result-", 60) {
			add(t, b, text)
			synctest.Wait()
		}
		if s := b.Stats(); s.Bytes > 1300 || s.Dropped == 0 {
			t.Errorf("stats %+v", s)
		}
		got := drain(t, b)
		if !slices.Contains(got, "result-59") || slices.Contains(got, "result-0") {
			t.Errorf("kept %q", got)
		}
	})
}

func TestAgeDropsWhatNobodyFetched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := crashdisk.New()
		for range 8 { // off for a day, again and again
			b := open(t, Options{FS: disk})
			add(t, b, "old")
			b.Close()
			time.Sleep(mostBetween)
		}
		b := open(t, Options{FS: disk})
		defer b.Close()
		add(t, b, "new")
		time.Sleep(ageGrace - time.Second)
		if n := b.Stats().UnackedRecords; n != 9 {
			t.Errorf("%d records in the first ten minutes", n)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		expect(t, drain(t, b), "old", "old", "old", "old", "old", "old", "new", "gap cap 1-1", "gap cap 1-1")
	})
}

// Between two lives of a core the clock counts for a day at most, wherever it stands: ahead in the life that writes, or in the one that reads, or in both.
func TestAClockThatIsWrongDropsNothing(t *testing.T) {
	const years = 10 * 365 * 24 * time.Hour
	for name, ahead := range map[string][3]time.Duration{
		"ahead now":             {0, 0, years},
		"ahead, and before":     {0, years, years},
		"ahead once":            {0, years, 0},
		"behind, then right":    {-years, -years, 0},
		"behind once":           {0, -years, 0},
		"ahead and then behind": {0, years, -years},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk := crashdisk.New()
				life := func(ahead time.Duration) *Buffer {
					return open(t, Options{FS: disk, Now: func() time.Time { return time.Now().Add(ahead) }})
				}
				for _, a := range ahead[:2] {
					b := life(a)
					add(t, b, "kept")
					b.Close()
					time.Sleep(time.Hour)
				}
				b := life(ahead[2])
				defer b.Close()
				time.Sleep(4 * 24 * time.Hour)
				synctest.Wait()
				expect(t, drain(t, b), "kept", "kept")
			})
		})
	}
}

func TestEpochsNeverFallBack(t *testing.T) {
	disk := crashdisk.New()
	clock := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	last := uint64(0)
	for _, step := range []time.Duration{0, time.Hour, -365 * 24 * time.Hour, -60 * 365 * 24 * time.Hour, time.Second} {
		clock = clock.Add(step)
		b := open(t, Options{FS: disk, Now: func() time.Time { return clock }, TimeFloor: time.Unix(1, 0)})
		add(t, b, "x")
		if b.Live() <= last {
			t.Errorf("epoch %x after %x", b.Live(), last)
		}
		last = b.Live()
		b.Close()
	}
	for _, t9 := range []time.Time{time.Unix(1<<50, 0), {}} {
		if e := newEpoch(last, t9); e <= last || e>>randomBits >= 1<<44-1 {
			t.Errorf("epoch %x for clock %s", e, t9)
		}
	}
}

func TestAnotherCoresGenerationIsTakenOverWhenItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		locks := map[string]bool{}
		var mu sync.Mutex
		take := func(path string) (io.Closer, error) {
			mu.Lock()
			defer mu.Unlock()
			if locks[path] {
				return nil, fmt.Errorf("lock: %w", platforms.ErrLocked)
			}
			locks[path] = true
			return release(func() { mu.Lock(); defer mu.Unlock(); delete(locks, path) }), nil
		}
		disk := crashdisk.New()
		first := open(t, Options{FS: disk, Lock: take})
		add(t, first, "a")
		mark(t, first, "d", 1)
		second := open(t, Options{FS: disk, Lock: take})
		defer second.Close()
		add(t, first, "b")
		add(t, second, "c")
		expect(t, drain(t, second), "c")
		first.Close()
		time.Sleep(2 * takeoverEvery)
		synctest.Wait()
		expect(t, drain(t, second), "a", "b", "lost d")
	})
}

// A core that stood by when its neighbour had written nothing yet finds what that one wrote since, once it is gone; and judges its generations
// together, though their locks are given up one after the other.
func TestLookAgainFindsWhatCameLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		locks := map[string]bool{}
		var mu sync.Mutex
		take := func(path string) (io.Closer, error) {
			mu.Lock()
			defer mu.Unlock()
			if locks[path] {
				return nil, fmt.Errorf("lock: %w", platforms.ErrLocked)
			}
			locks[path] = true
			return release(func() { time.Sleep(5 * time.Millisecond); mu.Lock(); defer mu.Unlock(); delete(locks, path) }), nil
		}
		disk := crashdisk.New()
		first := open(t, Options{FS: disk, Lock: take})
		second := open(t, Options{FS: disk, Lock: take})
		defer second.Close()
		mark(t, first, "c", 1)
		mark(t, first, "cut", 2)
		add(t, first, "a")
		if err := first.Split(0); err != nil {
			t.Fatal(err)
		}
		add(t, first, "b") // ends the run of c
		second.LookAgain()
		synctest.Wait()
		if n := second.Stats().Foreign; n != 2 {
			t.Errorf("%d generations of the other core seen, want 2", n)
		}
		expect(t, drain(t, second))
		closed := make(chan struct{})
		go func() { first.Close(); close(closed) }()
		time.Sleep(7 * time.Millisecond) // one lock is free, the other is not
		second.LookAgain()
		<-closed
		time.Sleep(2 * takeoverEvery)
		synctest.Wait()
		got := drain(t, second)
		slices.Sort(got) // three generations of one moment
		expect(t, got, "a", "b", "lost cut")
		if s := second.Stats(); s.Foreign != 0 {
			t.Errorf("%d still foreign", s.Foreign)
		}
		second.LookAgain() // nothing to find, its own least of all
		time.Sleep(time.Second)
		add(t, second, "own")
		expect(t, drain(t, second), "own")
	})
}

type release func()

func (r release) Close() error { r(); return nil }

func TestRealLocksKeepTwoCoresApart(t *testing.T) {
	d := t.TempDir()
	first := open(t, Options{Dir: d})
	add(t, first, "a")
	second := open(t, Options{Dir: d})
	expect(t, drain(t, second))
	second.Close() // before it could take over what the first leaves
	first.Close()
	third := open(t, Options{Dir: d})
	defer third.Close()
	expect(t, drain(t, third), "a")
}

func TestForeignNamesAreLeftAlone(t *testing.T) {
	d := t.TempDir()
	b := open(t, Options{Dir: d, Retain: time.Nanosecond})
	add(t, b, "a")
	b.Close()
	names, _ := os.ReadDir(d)
	foreign := []string{
		filepath.Join(d, "notes.txt"), filepath.Join(d, names[0].Name(), "notes.txt"),
		filepath.Join(d, "ffffffffffffffff"), filepath.Join(d, names[0].Name(), "0000000000000000.seg"),
	}
	for _, name := range foreign {
		if err := os.WriteFile(name, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b = open(t, Options{Dir: d, Retain: time.Nanosecond})
	expect(t, drain(t, b), "a")
	b.Close()
	open(t, Options{Dir: d, Retain: time.Nanosecond}).Close()
	for _, name := range foreign {
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
}
