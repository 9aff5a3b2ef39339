package buffer

import (
	"context"
	"flag"
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/wire"
)

// `make bench ONLY=buffer` gives the folder of Debian's plugins; what is found is said as "buffer: WHAT: FIGURE: LIMIT: kept".
var measured = flag.String("measure", "", "measure with the plugins in this folder")

// debian are twenty checks as a box has them.
var debian = [][]string{
	{"check_load", "-w", "50,50,50", "-c", "90,90,90"}, {"check_load", "-r", "-w", "9,9,9", "-c", "20,20,20"},
	{"check_disk", "-w", "5%", "-c", "2%", "-p", "/"}, {"check_disk", "-w", "5%", "-c", "2%", "-p", "/tmp"}, {"check_disk", "-W", "5%", "-K", "2%", "-p", "/"},
	{"check_swap", "-w", "0", "-c", "0"}, {"check_users", "-w", "50", "-c", "90"}, {"check_procs", "-w", "5000", "-c", "9000"},
	{"check_procs", "-w", "50", "-c", "90", "-s", "Z"}, {"check_procs", "-m", "CPU", "-w", "90", "-c", "99"}, {"check_procs", "-m", "RSS", "-w", "9000000", "-c", "99000000"},
	{"check_procs", "-c", "0:", "-C", "cron"}, {"check_procs", "-c", "0:", "-C", "sshd"}, {"check_file_age", "-w", "999999999", "-c", "9999999999", "-f", "/etc/passwd"},
	{"check_dummy", "0", "all is well"}, {"check_dummy", "1", "nearly"}, {"check_procs", "-m", "VSZ", "-w", "900000000", "-c", "990000000"}, {"check_tcp", "-H", "127.0.0.1", "-p", "9", "-r", "ok"},
	{"check_tcp", "-H", "127.0.0.1", "-p", "22"}, {"check_file_age", "-w", "60", "-c", "90", "-f", "/etc/hostname"},
}

// round runs them all and makes of their output what the agent makes of it.
func round(t *testing.T) (items []*wire.Item) {
	t.Helper()
	for i, args := range debian {
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
		if syncs := measureRounds(t, [][]*wire.Item{few, few}); syncs != 1 {
			t.Errorf("%.1f syncs for a round of twenty", syncs)
		}
		measureRate(t, few, 64, 100*time.Millisecond)
		measureOpen(t, few, 4<<20)
		return
	}
	var rounds [][]*wire.Item
	for range 6 {
		rounds = append(rounds, round(t))
	}
	measureRounds(t, rounds)
	measureRate(t, rounds[0], 16<<10, 5*time.Second)
	measureOpen(t, rounds[0], 1<<30)
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
			payload += proto.Size(frame)
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

// measureRate appends from many goroutines for a while.
func measureRate(t *testing.T, items []*wire.Item, writers int, lasts time.Duration) {
	b := open(t, Options{Dir: t.TempDir(), MaxBytes: 8 << 30})
	defer b.Close()
	var all sync.WaitGroup
	began := time.Now()
	for n := range writers {
		all.Go(func() {
			mine := proto.Clone(items[n%len(items)]).(*wire.Item)
			for time.Since(began) < lasts {
				if err := b.Append(mine); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	took, s := time.Since(began).Seconds(), b.Stats()
	rate, syncs := float64(s.Appended)/took, float64(s.Syncs)/took
	say("appended in groups", "at least 200,000 results/s", rate >= 200_000, "%.0f results/s", rate)
	say("syncs meanwhile", "at most 20/s", syncs <= 20.5, "%.1f/s", syncs)
}

// measureOpen opens a buffer of so many bytes.
func measureOpen(t *testing.T, items []*wire.Item, size int64) {
	d := t.TempDir()
	b := open(t, Options{Dir: d, MaxBytes: 8 << 30})
	for b.Stats().Bytes < size {
		var all sync.WaitGroup
		for n := range 8 << 10 {
			all.Go(func() {
				if err := b.Append(proto.Clone(items[n%len(items)]).(*wire.Item)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if t.Failed() {
			return
		}
	}
	b.Close()
	began := time.Now()
	b = open(t, Options{Dir: d, MaxBytes: 8 << 30})
	took := time.Since(began)
	defer b.Close()
	say(fmt.Sprintf("opening %d MiB", size>>20), "under 2 s", took < 2*time.Second, "%.2f s", took.Seconds())
}
