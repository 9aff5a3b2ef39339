package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

// realOne is a supervisor on the machine that there is; nobody runs its loop.
func realOne(b *box) *supervisor { return newSupervisor(b.Layout, &logger{io.Discard, time.Now}) }

// within is the next answer of an errand.
func within[T any](t *testing.T, answers <-chan T) (answer T) {
	t.Helper()
	select {
	case answer = <-answers:
	case <-time.After(patience):
		t.Fatal("no answer comes")
	}
	return answer
}

// On the real machine each errand is answered once, over its channel, and a core's words and end become events.
func TestTheRealMachine(t *testing.T) {
	b := emptyBox(t)
	b.must(os.WriteFile(b.Fetch(), []byte("#!/bin/sh\nexit 7\n"), 0o755))
	s := realOne(b)
	m := s.machine
	m.verify()
	if v := within(t, s.verdicts); !strings.HasPrefix(v.refused, "missing ") {
		t.Errorf("the verifier of an empty box says %+v", v)
	}
	e := s.errand()
	m.look(e)
	if found := within(t, s.looking.found); found.word != "unreachable" {
		t.Errorf("a look finds %+v", found)
	}
	core := b.place(1, coreBytes(t, ""))
	m.bring(e, choice{core: signed{Core: core, version: "1"}}, boot.Core{})
	if got := within(t, s.looking.got); got.err != nil || !strings.Contains(got.came, "came_as=here") {
		t.Errorf("what is here: %+v", got)
	}
	b.mode("speaks-and-dies")
	image, err := m.open(core)
	b.must(err)
	defer image.Close()
	p := &process{number: 5, core: core}
	b.must(m.launch(image, p))
	defer p.stdin.Close()
	defer close(p.done)
	for _, want := range []event{{number: 5, line: "first"}, {number: 5, line: "last"}, {number: 5, ended: true, exit: platforms.Exit{Code: 3}}} {
		if got := within(t, s.events); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	if err := m.launch(image, &process{core: core, nonce: "\x00"}); err == nil {
		t.Error("what cannot be started is")
	}
}

// The memory that the last bit of work needed is given back, that of the program's own text too.
func TestTheRealMachineShrinks(t *testing.T) {
	m := realOne(emptyBox(t)).machine
	work := make([]byte, 64<<20)
	for i := 0; i < len(work); i += os.Getpagesize() {
		work[i] = 1
	}
	var before, after runtime.MemStats
	readCode(t)
	text := residentOf(t, "self", "RssFile")
	runtime.ReadMemStats(&before)
	runtime.KeepAlive(work)
	m.shrink()
	now := residentOf(t, "self", "RssFile")
	runtime.ReadMemStats(&after)
	if back := int64(after.HeapReleased) - int64(before.HeapReleased); back < 48<<20 {
		t.Errorf("%d bytes of memory are given back", back)
	}
	t.Logf("of its files %d kB were resident, and are %d", text, now)
	if now > text-1024 {
		t.Errorf("of its files %d kB are resident, before it were %d", now, text)
	}
}

// readCode has all of this program's code in memory, which a machine short of that may have taken away.
func readCode(t *testing.T) {
	t.Helper()
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	memory, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	for l := range strings.Lines(string(maps)) {
		var from, to int64
		var rights string
		if _, err := fmt.Sscanf(l, "%x-%x %s", &from, &to, &rights); err != nil || rights != "r-xp" || !strings.HasSuffix(l, " "+self+"\n") {
			continue
		}
		if _, err := io.Copy(io.Discard, io.NewSectionReader(memory, from, to-from)); err != nil {
			t.Fatal(err)
		}
	}
}

// sweeps in the environment makes this test the process whose orphans are swept: all of a process's are.
const sweeps = "SWEEPS_IN"

// What a dead core left behind is counted, and ended where told to; collectors are spared, unless the service stops.
func TestTheRealMachineSweeps(t *testing.T) {
	if root := os.Getenv(sweeps); root != "" {
		sweepIn(t, root)
		return
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestTheRealMachineSweeps$")
	cmd.Env = append(os.Environ(), sweeps+"="+emptyBox(t).Root)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func sweepIn(t *testing.T, root string) {
	l, err := platforms.At(root)
	if err != nil {
		t.Fatal(err)
	}
	b := &box{t: t, Layout: l}
	b.must(platforms.AdoptOrphans())
	s := realOne(b)
	orphans := [2]int{orphaned(b), orphaned(b)}
	collector, other := orphans[0], orphans[1]
	b.until("both are ours", func() bool { return s.machine.sweep(false) == 2 })
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(collector) + "/stat")
	b.must(err)
	note := filepath.Join(b.Collector(), "collectd", "process")
	b.must(os.MkdirAll(filepath.Dir(note), 0o755))
	b.must(os.WriteFile(note, []byte(strconv.Itoa(collector)+" "+strings.Fields(string(stat))[21]), 0o644))
	if n := s.machine.sweep(false); n != 2 || !alive(collector) || !alive(other) {
		t.Errorf("a look counts %d of 2", n)
	}
	if n := s.machine.sweep(true); n != 1 {
		t.Errorf("%d are ended", n)
	}
	b.until("the other one has ended", func() bool { return s.machine.sweep(true) == 0 })
	if !alive(collector) || alive(other) {
		t.Errorf("the collector lives %v, the other %v", alive(collector), alive(other))
	}
	s.stopping = true
	if n := s.machine.sweep(true); n != 1 {
		t.Errorf("when the service stops %d are ended", n)
	}
	b.until("the collector has ended", func() bool { return s.machine.sweep(true) == 0 && !alive(collector) })
}

// orphaned is a process, leader of a session, whose parent has gone.
func orphaned(b *box) int {
	b.t.Helper()
	out, err := exec.Command("/bin/sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & echo $!").Output()
	b.must(err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
	b.must(err)
	b.t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	b.until("it leads a session", func() bool {
		stat, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		f := strings.Fields(string(stat))
		return len(f) > 5 && f[5] == strconv.Itoa(pid)
	})
	return pid
}
