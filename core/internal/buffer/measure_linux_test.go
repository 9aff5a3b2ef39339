package buffer

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/internal/twenty"
)

// `make bench ONLY=buffer` gives the folder of Debian's plugins; what is found is said as "buffer: WHAT: FIGURE: LIMIT: kept".
var measured = flag.String("measure", "", "measure with the plugins in this folder")

// round runs them all and makes of their output what the agent makes of it.
func round(t *testing.T) (items []*wire.Item) {
	t.Helper()
	for i, args := range twenty.Checks {
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		cmd := exec.CommandContext(ctx, filepath.Join(*measured, args[0]), args[1:]...)
		out, _ := cmd.Output() // a plugin's exit code is its state
		cancel()
		if cmd.ProcessState == nil {
			t.Fatalf("%s did not run", args[0])
		}
		o := check.ParseOutput(out, false)
		r := wire.FromResult(check.Result{
			Check: fmt.Sprintf("%s-%02d", args[0][len("check_"):], i), State: check.FromExit(cmd.ProcessState.ExitCode()), Exit: cmd.ProcessState.ExitCode(),
			Text: o.Text, Long: o.Long, Perfdata: o.Perfdata, Problems: o.Problems, Due: start, Start: start, Duration: time.Since(start),
		})
		r.Plugin, r.EveryMs, r.Revision, r.MonoNs = args[0], 10_000, 7, start.UnixNano()%1e15
		items = append(items, &wire.Item{Kind: &wire.Item_Result{Result: r}})
	}
	return items
}

func say(what, limit string, kept bool, figure string, args ...any) {
	fmt.Printf("buffer: %s: %s: %s: %v\n", what, fmt.Sprintf(figure, args...), limit, kept)
}

// TestMeasure is a look at the same with little in it where nobody measures.
func TestMeasure(t *testing.T) {
	if *measured == "" {
		var few []*wire.Item
		for i := range 20 {
			few = append(few, result(fmt.Sprint("c", i), "all is well"))
		}
		synctest.Test(t, func(t *testing.T) { // by the clock of a busy machine a round may take longer than its sync waits
			if syncs := measureRounds(t, [][]*wire.Item{few, few}); syncs != 1 {
				t.Errorf("%.1f syncs for a round of twenty", syncs)
			}
		})
		measureRate(t, few, 64, 100*time.Millisecond)
		measureOpen(t, few, 4<<20, 3)
		return
	}
	var rounds [][]*wire.Item
	for range 6 {
		rounds = append(rounds, round(t))
	}
	measureRounds(t, rounds)
	measureRate(t, rounds[0], 256, 5*time.Second)
	measureOpen(t, rounds[0], 1<<30, 1)
	measureOpen(t, rounds[0], 1<<30, 64)
}

// measureRounds is a box in steady state: twenty checks end together, their batch goes and is acknowledged.
func measureRounds(t *testing.T, rounds [][]*wire.Item) (syncs float64) {
	b := open(t, Options{Dir: t.TempDir()})
	defer b.Close()
	payload, results := 0, 0
	teller := wire.NewTeller(wire.BasesRoom)
	for i, items := range rounds {
		var all sync.WaitGroup
		for _, i := range items {
			if err := b.Mark(i.GetResult().GetCheck(), time.Unix(0, i.GetResult().GetStartNs())); err != nil {
				t.Fatal(err)
			}
			all.Go(func() {
				if err := b.Append(i); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		batch, err := b.Next(b.Live(), wire.MaxBatch)
		if err != nil || int(batch.GetLast()-batch.GetFirst())+1 != len(items) {
			t.Fatal(batch.GetFirst(), batch.GetLast(), err)
		}
		last, frame := batch.GetLast(), &wire.Frame{Body: &wire.Frame_Batch{Batch: teller.Tell(batch)}}
		if results += len(items); i > 0 { // the first of a session are told whole
			payload += wire.Size(frame)
		}
		if err := b.Ack(b.Live(), last); err != nil {
			t.Fatal(err)
		}
	}
	s := b.Stats()
	disk, wired := float64(s.Bytes)/float64(results), float64(payload)/float64(max(1, results-len(rounds[0])))
	say("on disk for a result, its start mark with it", "at most 150 bytes", disk <= 150, "%.0f bytes", disk)
	say("payload for a result behind its session's first, twenty in a batch", "at most 40 bytes", wired <= 40, "%.0f bytes", wired)
	syncs = float64(s.Syncs) / float64(len(rounds))
	say("syncs for a round of twenty", "one", syncs == 1, "%.2f", syncs)
	return syncs
}

// onTheWay is how many results wait for a sync at most where results are poured in.
const onTheWay = 48 << 10

// pour has many goroutines hand in results as runs do that end, each with its own times and told once it is synced, for as long as more says so.
func pour(t *testing.T, b *Buffer, items []*wire.Item, writers int, more func() bool) {
	var all sync.WaitGroup
	waiting := make(chan struct{}, onTheWay)
	for n := range writers {
		all.Go(func() {
			for i := n; more(); i++ {
				waiting <- struct{}{}
				b.AppendThen(again(items[i%len(items)], time.Now()), func(err error) {
					if err != nil {
						t.Error(err)
					}
					<-waiting
				})
			}
		})
	}
	all.Wait()
	for range onTheWay {
		waiting <- struct{}{}
	}
}

// measureRate pours for a while. Then the same bytes in as large groups are written and synced by nothing but a file, in the same folder: more cannot be had.
func measureRate(t *testing.T, items []*wire.Item, writers int, lasts time.Duration) {
	dir := t.TempDir()
	b := open(t, Options{Dir: dir, MaxBytes: 8 << 30})
	defer b.Close()
	began, cpu := time.Now(), spent()
	pour(t, b, items, writers, func() bool { return time.Since(began) < lasts })
	took, s := time.Since(began).Seconds(), b.Stats()
	cpu = spent() - cpu
	rate, syncs := float64(s.Appended)/took, float64(s.Syncs)/took
	raw := bare(t, dir, s.Bytes, int(s.Syncs))
	say("appended in groups, each synced before it is told", "at least 200,000 results/s", rate >= 200_000,
		"%.0f results/s (%.0f bytes each; %.2f us of processor each, the making of them with it)", rate, float64(s.Bytes)/float64(s.Appended), cpu.Seconds()/float64(s.Appended)*1e6)
	say("the same bytes in as large groups by write and fsync alone", "stated", true, "%.0f results/s", float64(s.Appended)/raw.Seconds())
	say("syncs meanwhile", "at most 20/s", syncs <= 20.5, "%.1f/s", syncs)
}

// again is a result of the same check at another moment.
func again(i *wire.Item, at time.Time) *wire.Item {
	r := i.GetResult()
	ran := at.UnixNano()
	return &wire.Item{Kind: &wire.Item_Result{Result: &wire.Result{
		Check: r.Check, State: r.State, Text: r.Text, Long: r.Long, Perfdata: r.Perfdata, Exit: r.Exit, Problems: r.Problems, Plugin: r.Plugin, Revision: r.Revision,
		EveryMs: r.EveryMs, DueNs: ran - ran%1e7, StartNs: ran, DurationNs: r.DurationNs + ran%1e6, MonoNs: ran % 1e15,
	}}}
}

// bare is how long so many bytes take in so many groups.
func bare(t *testing.T, dir string, bytes int64, groups int) time.Duration {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "bare"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	group := make([]byte, bytes/int64(max(groups, 1)))
	began := time.Now()
	for range groups {
		if _, err := f.Write(group); err != nil {
			t.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	return time.Since(began)
}

// spent is the processor's time that this program took so far.
func spent() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measureOpen fills a buffer with so many bytes in some generations, and opens it as a kill leaves it: with nothing of it in memory, and again.
func measureOpen(t *testing.T, items []*wire.Item, size int64, generations int) {
	d := t.TempDir()
	b := open(t, Options{Dir: d, MaxBytes: 8 << 30})
	for n := range generations {
		enough := size * int64(n+1) / int64(generations)
		for b.Stats().Bytes < enough && !t.Failed() {
			left := atomic.Int64{}
			left.Store(max(4096, (enough-b.Stats().Bytes)/256))
			pour(t, b, items, 64, func() bool { return left.Add(-1) >= 0 })
		}
		if n+1 < generations {
			if err := b.Split(-1); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := b.Mark("cut-off", time.Now()); err != nil {
		t.Fatal(err)
	}
	want := b.Stats()
	b.Close()
	for _, cache := range []string{"cold", "warm"} {
		if cache == "cold" {
			forgetFiles(t, d)
		}
		began := time.Now()
		b = open(t, Options{Dir: d, MaxBytes: 8 << 30})
		took, s := time.Since(began), b.Stats()
		if s.UnackedRecords < want.UnackedRecords {
			t.Errorf("%d records wait, %d did before", s.UnackedRecords, want.UnackedRecords)
		}
		b.Close()
		say(fmt.Sprintf("opening %d MiB in %d generations, %s", want.Bytes>>20, want.Generations, cache), "under 2 s", took < 2*time.Second, "%.3f s (%d results)", took.Seconds(), want.UnackedRecords)
	}
}

// forgetFiles has the system forget what it keeps in memory of the files below dir.
func forgetFiles(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		return errors.Join(f.Sync(), unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED))
	})
	if err != nil {
		t.Fatal(err)
	}
}
