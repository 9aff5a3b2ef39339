package agent

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/buffer"
	"github.com/limpet-monitoring/limpet/core/internal/plugin"
	"github.com/limpet-monitoring/limpet/core/internal/schedule"
)

// As in a core: plugin.WatchOrphans.
func init() { runtime.LockOSThread() }

// spent is the user and system time of this process and of the children it waited for.
func spent() (sum time.Duration) {
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		syscall.Getrusage(who, &u)
		sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return sum
}

// BenchmarkRuns has an agent with more checks than it can run make b.N runs of a plugin that does nothing, into the synced buffer, and takes turns
// with os/exec in a bare loop. CPU time is the figure to compare: a busy machine changes it little. PLUGIN names another plugin than
// /bin/true.
func BenchmarkRuns(b *testing.B) {
	file := os.Getenv("PLUGIN")
	if file == "" {
		file = "/bin/true"
	}
	for _, slots := range []bool{true, false} {
		b.Run(map[bool]string{true: "slots", false: "marks"}[slots], func(b *testing.B) { benchRuns(b, file, slots) })
	}
}

func benchRuns(b *testing.B, file string, slots bool) {
	a := busyAgent(b, file, slots)
	ctx, cancel := context.WithCancel(b.Context())
	var loop sync.WaitGroup
	loop.Go(func() { a.plan.Loop(ctx) })
	defer loop.Wait()
	defer cancel()
	var bareRuns, runs uint64
	var bareCPU, cpu time.Duration
	for turn := 0; runs < uint64(b.N); turn++ {
		before := spent()
		bareRuns += bareLoop(file, 500*time.Millisecond)
		bareCPU += spent() - before
		before = spent()
		runs += a.busy(b, ctx, 2500)
		cpu += spent() - before
	}
	b.ReportMetric(float64(bareCPU)/float64(bareRuns)/1e3, "bare-µs/run")
	b.ReportMetric(float64(cpu)/float64(runs)/1e3, "cpu-µs/run")
	b.ReportMetric(float64(cpu)/float64(runs)/(float64(bareCPU)/float64(bareRuns)), "ratio")
}

// busyAgent is what of an agent runs and keeps.
func busyAgent(b *testing.B, file string, slots bool) *agent {
	dir := b.TempDir()
	if err := os.Symlink(file, filepath.Join(dir, "check_nothing")); err != nil {
		b.Fatal(err)
	}
	a := &agent{log: slog.New(slog.NewTextHandler(io.Discard, nil)), changed: make(chan struct{}, 1), news: make(chan struct{}, 1)}
	a.view.Store(&view{})
	unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	plugin.WatchOrphans()
	r := plugin.Runner{Dirs: []string{dir}, Known: &plugin.Known{}}
	if slots {
		s, err := plugin.OpenSlots(plugin.Limits{Processes: plugin.DefaultProcesses})
		if err != nil {
			b.Skip(err)
		}
		b.Cleanup(s.Close)
		r.Slots = s
	}
	a.runs.plugins.Store(&r)
	var err error
	if a.buffer, err = buffer.Open(buffer.Options{Dir: filepath.Join(dir, "buffer")}); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { a.buffer.Close() })
	a.plan = schedule.New(schedule.Options{Fingerprint: "x", Runner: &a.runs, Deliver: a.deliver, Begin: a.mark, End: a.note})
	return a
}

// busy lets it make so many runs.
func (a *agent) busy(b *testing.B, ctx context.Context, runs uint64) uint64 {
	before := a.buffer.Stats().Appended
	var checks []check.Check
	for i := range 5000 {
		checks = append(checks, check.Check{Name: fmt.Sprintf("c%d", i), Plugin: "check_nothing", Every: time.Second})
	}
	if err := a.plan.Set(ctx, checks); err != nil {
		b.Fatal(err)
	}
	for a.buffer.Stats().Appended-before < runs {
		time.Sleep(20 * time.Millisecond)
	}
	if err := a.plan.Set(ctx, nil); err != nil {
		b.Fatal(err)
	}
	for {
		if s, err := a.plan.Stats(ctx); err != nil || s.Running == 0 {
			return a.buffer.Stats().Appended - before
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func bareLoop(file string, during time.Duration) (runs uint64) {
	var mu sync.Mutex
	var all sync.WaitGroup
	start := time.Now()
	for range 4 {
		all.Go(func() {
			var n uint64
			for ; time.Since(start) < during; n++ {
				var out, errs bytes.Buffer
				c := exec.Command(file)
				c.Stdout, c.Stderr = &out, &errs
				c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
				c.Run()
			}
			mu.Lock()
			defer mu.Unlock()
			runs += n
		})
	}
	all.Wait()
	return runs
}
