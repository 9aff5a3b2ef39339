package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/agent"
	"github.com/limpet-monitoring/limpet/core/wire"
)

// supervisor is what fluentd does, seen from outside: one that starts workers in its own session and starts them again, and ends them when it is asked to. Its workers
// hold a port (here a folder that can be made once), outlive it when it is killed, and need a moment to write what they hold. They bear no mark: with `process_name`
// fluentd writes its title over their environment. tests it notes, with all arguments.
const supervisor = `#!/bin/sh
dir=%[1]s
case "$*" in
*--dry-run*) echo "$*" >>$dir/tests; exit 0;;
*--under-supervisor*)
	mkdir $dir/port || { echo "Address already in use - bind(2)"; exit 1; }
	trap 'echo flushed >>$dir/written; rmdir $dir/port; exit 0' TERM
	echo $$ >$dir/worker
	while :; do sleep 0.1; done;;
esac
trap 'kill -TERM $child; wait $child; exit 0' TERM
while :; do
	env -i PATH=/usr/bin:/bin /bin/sh $0 --under-supervisor &
	child=$!
	wait $child
	sleep 0.2
done
`

// supervised has an agent whose collector is a supervisor with a worker, in a box with no cgroups.
func supervised(t *testing.T, args ...string) (b *box, dir string) {
	b = newBox(t, "1")
	dir = filepath.Join(b.layout.Root, "fluentd")
	program := filepath.Join(dir, "fluentd")
	box, err := os.OpenFile(b.layout.BoxFile(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(box, "cgroups = no")
	box.Close()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, fmt.Appendf(nil, supervisor, dir), 0o755); err != nil {
		t.Fatal(err)
	}
	b.hub.push(&wire.Desired{Revision: 1, NoDefaults: true, Collectors: []*wire.Collector{{Name: "own", Kind: "fluentd", Program: program, Config: "<source>", Args: args}}})
	return b, dir
}

// worker is the process number of the worker that runs.
func (b *box) worker(dir string) (pid int) {
	b.t.Helper()
	b.eventually("a worker runs", func() bool {
		data, _ := os.ReadFile(filepath.Join(dir, "worker"))
		pid, _ = strconv.Atoi(strings.TrimSpace(string(data)))
		return pid > 0 && lives(pid)
	})
	return pid
}

func read(path string) string {
	data, _ := os.ReadFile(path)
	return string(data)
}

// A worker that its supervisor's death leaves behind is asked to end, writes what it holds, and the next one has its port. One that is killed is the
// supervisor's to start again.
func TestWorkersOfASupervisorThatIsKilledWriteWhatTheyHold(t *testing.T) {
	b, dir := supervised(t)
	cur := b.start()
	cur.heard("ready")
	first := b.until("it runs", running)
	worker := b.worker(dir)
	syscall.Kill(worker, syscall.SIGKILL)
	os.Remove(filepath.Join(dir, "port"))
	b.eventually("its supervisor starts another", func() bool { return b.worker(dir) != worker })
	worker = b.worker(dir)

	syscall.Kill(first.PID, syscall.SIGKILL)
	next := b.until("it runs again", func(c agent.CollectorStatus) bool { return running(c) && c.PID != first.PID })
	if next.Restarts != 1 {
		t.Errorf("%+v", next)
	}
	b.eventually("another worker has the port", func() bool { w := b.worker(dir); return w != worker })
	b.eventually("the former one has ended", func() bool { return !lives(worker) })
	if wrote := read(filepath.Join(dir, "written")); wrote != "flushed\n" {
		t.Errorf("it wrote %q", wrote)
	}

	// Over a swap, and killed after it.
	worker = b.worker(dir)
	old := cur
	cur = b.swap(old)
	old.heard("drained")
	old.exited()
	if c := b.until("the next core has it", running); c.PID != next.PID || b.worker(dir) != worker {
		t.Errorf("was %+v with worker %d, is %+v with %d", next, worker, c, b.worker(dir))
	}
	syscall.Kill(next.PID, syscall.SIGKILL)
	b.until("it runs again", func(c agent.CollectorStatus) bool { return running(c) && c.PID != next.PID && c.Restarts == 2 })
	b.eventually("another worker has the port", func() bool { return b.worker(dir) != worker })
	last := b.worker(dir)
	b.eventually("the former one has ended", func() bool { return !lives(worker) })
	if wrote := read(filepath.Join(dir, "written")); strings.Count(wrote, "flushed") != 2 {
		t.Errorf("it wrote %q", wrote)
	}
	b.stop(cur)
	b.eventually("the last worker has ended", func() bool { return !lives(last) })
	if wrote := read(filepath.Join(dir, "written")); strings.Count(wrote, "flushed") != 3 {
		t.Errorf("it wrote %q", wrote)
	}
}

// What does not end when it is asked to does not hold up the next start for long, and ends.
func TestWhatAProcessLeftBehindIsEndedByForce(t *testing.T) {
	b := newBox(t, "1")
	pid := filepath.Join(b.layout.Root, "pid")
	b.hub.push(command(1, "(trap '' TERM; echo $$ >/dev/null; exec sleep 1000) & echo $! >"+pid+"; sleep 1000", nil))
	cur := b.start()
	cur.heard("ready")
	first := b.until("it runs", running)
	b.eventually("it has started another", func() bool { return read(pid) != "" })
	stubborn, err := strconv.Atoi(strings.TrimSpace(read(pid)))
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	syscall.Kill(first.PID, syscall.SIGKILL)
	b.until("it runs again", func(c agent.CollectorStatus) bool { return running(c) && c.PID != first.PID })
	b.eventually("what the former one started has ended", func() bool { return !lives(stubborn) })
	if took := time.Since(began); took < 3*time.Second {
		t.Errorf("it was given %s to end in", took)
	}
	b.stop(cur)
}

// A program that goes into the background (Fluent Bit with `Daemon On`) does not live, as far as can be seen: it is told why, and nothing of it stays.
func TestWhatGoesIntoTheBackgroundIsTold(t *testing.T) {
	b := newBox(t, "1")
	pids := filepath.Join(b.layout.Root, "pids")
	b.hub.push(command(1, "setsid sleep 1000 & echo $! >>"+pids, nil))
	cur := b.start()
	cur.heard("ready")
	c := b.until("it is told", func(c agent.CollectorStatus) bool { return c.State == "waiting" && c.Restarts > 1 })
	if !strings.Contains(c.Text, "exit status 0 and left other processes") || !strings.Contains(c.Text, "stays in the foreground") {
		t.Errorf("%+v", c)
	}
	b.stop(cur)
	for word := range strings.FieldsSeq(read(pids)) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		b.eventually("process "+word+" has ended", func() bool { return !lives(pid) })
	}
}

// The test reads what runs: arguments of its own may name plugins that the configuration uses. Those with which it would start to work stay away.
func TestTheTestCommandHasTheArguments(t *testing.T) {
	b, dir := supervised(t, "-p", "{{.Dir}}/plugins", "--no-supervisor")
	cur := b.start()
	cur.heard("ready")
	b.until("it runs", running)
	folder := filepath.Join(b.layout.Collector(), "own")
	got := strings.TrimSpace(read(filepath.Join(dir, "tests")))
	if !strings.HasPrefix(got, "--dry-run -c "+folder) || !strings.HasSuffix(got, "/fluent.conf -p "+filepath.Join(folder, "data", "plugins")) {
		t.Errorf("tested with %q", got)
	}
	b.stop(cur)
}

// A log that grows by 40 MB a second is never seen with what it grows by in three, also in the five seconds in which its process is asked to end.
func TestALogThatGrowsFastIsKeptSmall(t *testing.T) {
	b := newBox(t, "1")
	b.hub.push(command(1, "sleep 1; x=$(head -c 4000000 /dev/zero | tr '\\0' x); trap '' TERM; while :; do echo $x; sleep 0.1; done", nil))
	cur := b.start()
	cur.heard("ready")
	c := b.until("it runs", running)
	stopped := make(chan int64)
	quit := make(chan struct{})
	go func() {
		var most int64
		for {
			if info, err := os.Stat(c.Log); err == nil {
				most = max(most, info.Size())
			}
			select {
			case <-quit:
				stopped <- most
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	b.eventually("its log is begun anew", func() bool { return exists(c.Log + ".1") })
	b.stop(cur)
	close(quit)
	if most := <-stopped; most > 100<<20 {
		t.Errorf("its log had %d MB", most/1e6)
	} else {
		t.Logf("its log had %d MB at most", most/1e6)
	}
	if info, err := os.Stat(c.Log + ".1"); err != nil || info.Size() > 8<<20 {
		t.Errorf("the former log: %v, %v", info, err)
	}
}
