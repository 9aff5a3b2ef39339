package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/agent"
	"github.com/limpet-monitoring/limpet/core/wire"
)

// collectd is the real one, which scripts/deps.sh brings.
func collectd(t *testing.T) string {
	t.Helper()
	path := os.Getenv("LIMPET_TEST_COLLECTD")
	if path == "" {
		t.Fatal("LIMPET_TEST_COLLECTD is not set: run the tests with make test, or read .cache/env first")
	}
	return path
}

// collectdConf has it write its load every second, in its own folder. more stands in the csv plugin's block.
func collectdConf(t *testing.T, more string) string {
	root := strings.TrimSuffix(collectd(t), "/usr/sbin/collectd")
	return `Hostname "{{.Name}}"
FQDNLookup false
Interval 1
BaseDir "{{.Dir}}"
PluginDir "` + root + `/usr/lib/collectd"
TypesDB "` + root + `/usr/share/collectd/types.db"
LoadPlugin csv
LoadPlugin load
<Plugin csv>
  DataDir "{{.Dir}}/csv"
` + more + `
</Plugin>
`
}

func realCollectd(t *testing.T, revision uint64, more string) *wire.Desired {
	return &wire.Desired{Revision: revision, NoDefaults: true, Collectors: []*wire.Collector{
		{Name: "metrics", Kind: "collectd", Program: collectd(t), Config: collectdConf(t, more)},
	}}
}

func command(revision uint64, script string, change func(*wire.Collector)) *wire.Desired {
	c := &wire.Collector{Name: "own", Kind: "command", Program: "/bin/sh", Args: []string{"-c", script}}
	if change != nil {
		change(c)
	}
	return &wire.Desired{Revision: revision, NoDefaults: true, Collectors: []*wire.Collector{c}}
}

// collectors are those that `limpet status` shows, nil while no core answers.
func (b *box) collectors() []agent.CollectorStatus {
	out, err := exec.Command(coreFile, "status", "--json", "--root", b.layout.Root).Output()
	if err != nil {
		return nil
	}
	var s agent.Status
	if err := json.Unmarshal(out, &s); err != nil {
		b.t.Fatal(err)
	}
	return s.Collectors
}

// until waits for the one collector there is to be as is says, and returns it.
func (b *box) until(what string, is func(agent.CollectorStatus) bool) (c agent.CollectorStatus) {
	b.t.Helper()
	b.eventually(what, func() bool {
		all := b.collectors()
		if len(all) != 1 {
			return false
		}
		c = all[0]
		return is(c)
	})
	return c
}

func running(c agent.CollectorStatus) bool { return c.State == "running" && c.Text == "" && c.PID > 0 }

func (h *scriptedHub) collector() *wire.CollectorState {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.collectors) != 1 {
		return nil
	}
	return h.collectors[0]
}

func (h *scriptedHub) heardEvent(kind, text string) bool {
	_, _, events, _ := h.items()
	return slices.ContainsFunc(events, func(e *wire.Event) bool { return e.GetKind() == kind && strings.Contains(e.GetText(), text) })
}

func lives(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

// gone waits for the end of what was killed: a busy machine takes a moment to let it die.
func (b *box) gone(pid int) {
	b.t.Helper()
	b.eventually(fmt.Sprintf("process %d ends", pid), func() bool { return !lives(pid) })
}

func (b *box) stop(c *core) {
	b.t.Helper()
	c.say("stop service 60")
	if code := c.exited(); code != 0 {
		c.fatal("the core did not end with 0")
	}
}

// samples are the times at which collectd wrote a row, in order.
func (b *box) samples() (at []float64) {
	files, _ := filepath.Glob(filepath.Join(b.layout.Collector(), "metrics", "data", "csv", "*", "load", "*"))
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			b.t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			first, _, _ := strings.Cut(line, ",")
			if n, err := strconv.ParseFloat(first, 64); err == nil && strings.HasSuffix(line, "\n") {
				at = append(at, n)
			}
		}
	}
	slices.Sort(at)
	return at
}

// The one that most boxes have, through swaps: it is not started again, and goes on writing.
func TestCollectdLivesThroughSwaps(t *testing.T) {
	b := newBox(t, "1")
	b.hub.push(realCollectd(t, 1, ""))
	cur := b.start()
	cur.heard("ready")
	first := b.until("collectd runs", running)
	b.eventually("the hub knows", func() bool { c := b.hub.collector(); return c.GetState() == "running" && int(c.GetPid()) == first.PID })
	b.eventually("samples", func() bool { return len(b.samples()) >= 2 })
	for range 3 {
		old := cur
		cur = b.swap(old)
		old.heard("drained")
		old.exited()
		n := len(b.samples())
		b.eventually("more samples", func() bool { return len(b.samples()) >= n+2 })
	}
	last := b.until("the last core has it", running)
	if last.PID != first.PID || last.Restarts != 0 {
		t.Errorf("was process %d, is %d, started again %d times", first.PID, last.PID, last.Restarts)
	}
	at := b.samples()
	worst := 0.0
	for i := range at[1:] {
		worst = max(worst, at[i+1]-at[i])
	}
	// Where the machine held everything up, collectd left rows out by itself.
	if rows, held := at[len(at)-1]-at[0]+1, b.pulse.sum().Seconds(); worst > 5+held || math.Abs(rows-float64(len(at))) > 4+held {
		t.Errorf("%d rows in %.0f s, at most %.1f s apart; the machine held all up for %.1f s", len(at), rows, worst, held)
	}
	t.Logf("%d rows, at most %.2f s apart", len(at), worst)
	b.stop(cur)
	b.gone(first.PID)
}

func TestABrokenConfigurationIsRefusedAndTheFormerOneRunsOn(t *testing.T) {
	b := newBox(t, "1")
	b.hub.push(realCollectd(t, 1, ""))
	cur := b.start()
	cur.heard("ready")
	first := b.until("collectd runs", running)
	b.hub.push(realCollectd(t, 2, "  StoreRates"))
	c := b.until("it is refused", func(c agent.CollectorStatus) bool { return c.Refused != "" })
	if !strings.Contains(c.Refused, "collectd.conf', line 12 near") || c.PID != first.PID || !running(c) {
		t.Errorf("%+v", c)
	}
	b.eventually("the hub hears of it", func() bool {
		return b.hub.heardEvent("collector-refused", "line 12") && b.hub.collector().GetRefused() != ""
	})
	b.hub.push(realCollectd(t, 3, "</Plugin>\n<Plugin csv>\n<Inner>"))
	b.until("an open block is refused", func(c agent.CollectorStatus) bool {
		return c.Refused != "" && !strings.Contains(c.Refused, "line 12 near")
	})

	// Another start of the core: the broken one is wanted, the former one runs.
	cur.kill()
	syscall.Kill(first.PID, syscall.SIGKILL)
	cur = b.start()
	cur.heard("ready")
	c = b.until("the former configuration runs", func(c agent.CollectorStatus) bool { return running(c) && c.Refused != "" })
	b.hub.push(realCollectd(t, 4, "  StoreRates true"))
	next := b.until("a good one is taken", func(n agent.CollectorStatus) bool { return running(n) && n.PID != c.PID && n.Refused == "" })
	b.gone(c.PID)
	b.hub.push(&wire.Desired{Revision: 5, NoDefaults: true})
	b.eventually("it ends when it is wanted no longer", func() bool { return !lives(next.PID) && len(b.collectors()) == 0 })
	b.eventually("nothing is left", func() bool {
		_, err := os.Stat(filepath.Join(b.layout.Collector(), "metrics"))
		return os.IsNotExist(err)
	})
	b.stop(cur)
}

func TestACollectorThatIsKilledIsStartedAgain(t *testing.T) {
	b := newBox(t, "1")
	b.hub.push(realCollectd(t, 1, ""))
	cur := b.start()
	cur.heard("ready")
	first := b.until("collectd runs", running)
	syscall.Kill(first.PID, syscall.SIGKILL)
	next := b.until("it runs again", func(c agent.CollectorStatus) bool { return running(c) && c.PID != first.PID })
	if next.Restarts != 1 {
		t.Errorf("%+v", next)
	}
	b.eventually("the hub hears of it", func() bool { return b.hub.heardEvent("collector-ended", "killed") })

	// A core that is killed leaves it running; the next one takes it over, and hears of its end.
	cur.kill()
	cur = b.start()
	cur.heard("ready")
	if c := b.until("it is taken over", running); c.PID != next.PID || c.Restarts != 1 {
		t.Errorf("taken over %+v, was %+v", c, next)
	}
	syscall.Kill(next.PID, syscall.SIGKILL)
	b.until("it runs again", func(c agent.CollectorStatus) bool { return running(c) && c.PID != next.PID && c.Restarts == 2 })
	b.stop(cur)
}

func TestWhatACollectorMayUse(t *testing.T) {
	b := newBox(t, "1")
	b.hub.push(command(1, "x=$(head -c 80000000 /dev/zero | tr '\\0' x); sleep 1000", func(c *wire.Collector) { c.MemoryBytes = 32 << 20 }))
	cur := b.start()
	cur.heard("ready")
	c := b.until("the hog is ended", func(c agent.CollectorStatus) bool { return c.State == "waiting" && c.Restarts > 0 })
	if !strings.Contains(c.Text, "the limit is 32 MiB") {
		t.Errorf("%+v", c)
	}
	b.eventually("the hub hears of it", func() bool { return b.hub.heardEvent("collector-memory", "the limit is 32 MiB") })
	b.stop(cur)
}

func TestACollectorThatIsUnwellIsStartedAgain(t *testing.T) {
	b := newBox(t, "1")
	sick := filepath.Join(b.layout.Root, "sick")
	b.hub.push(command(1, "sleep 1000", func(c *wire.Collector) {
		c.Health, c.HealthEveryMs = []string{"/bin/sh", "-c", "test ! -e " + sick + " || { echo it coughs; exit 1; }"}, 5000
	}))
	cur := b.start()
	cur.heard("ready")
	first := b.until("it runs", running)
	if err := os.WriteFile(sick, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	b.until("it is shown", func(c agent.CollectorStatus) bool { return strings.Contains(c.Text, "it coughs") })
	b.eventually("the hub hears of it", func() bool { return b.hub.heardEvent("collector-unwell", "it coughs") })
	os.Remove(sick)
	b.until("it is started again", func(c agent.CollectorStatus) bool { return running(c) && c.PID != first.PID })
	b.stop(cur)
}

// A command has no test of its own: one that does not live is left for the one that did.
func TestAConfigurationThatDoesNotLiveGoesBack(t *testing.T) {
	b := newBox(t, "1")
	b.hub.push(command(1, "exec sleep 1000", nil))
	cur := b.start()
	cur.heard("ready")
	first := b.until("it runs", running)
	good := filepath.Join(b.layout.Collector(), "own", "good")
	b.eventually("it has run well", func() bool { _, err := os.Stat(good); return err == nil })
	b.hub.push(command(2, "echo no such metric; exit 3", nil))
	c := b.until("the former one runs again", func(c agent.CollectorStatus) bool { return running(c) && c.Refused != "" && c.PID != first.PID })
	if !strings.Contains(c.Refused, "ended 3 times within 10s: exit status 3; its log ends with: no such metric") {
		t.Errorf("%+v", c)
	}
	b.stop(cur)
}

func TestWhatACoreCouldNotNoteIsEnded(t *testing.T) {
	b := newBox(t, "1")
	stray := exec.Command("sleep", "1000")
	stray.Env = []string{"LIMPET_COLLECTOR=" + filepath.Join(b.layout.Collector(), "own")}
	stray.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := stray.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- stray.Wait() }()
	b.hub.push(command(1, "exec sleep 1000", nil))
	cur := b.start()
	cur.heard("ready")
	b.until("it runs", running)
	select {
	case <-ended:
	case <-time.After(settle):
		t.Error("a process of the collector that nobody knows lives on")
	}
	b.stop(cur)
}

func TestAnOwnersCollectorRunsWithoutTheHub(t *testing.T) {
	b := newBox(t, "1")
	script := filepath.Join(b.layout.Root, "own collector")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho told \"$1\"\nexec sleep 1000\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	box, err := os.OpenFile(b.layout.BoxFile(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(box, "collector.mine = command \"%s\" \"two words\"\n", script)
	box.Close()
	cur := b.start()
	cur.heard("ready")
	c := b.until("it runs", running)
	b.eventually("it was told", func() bool { log, _ := os.ReadFile(c.Log); return string(log) == "told two words\n" })
	if !c.Local || c.Name != "mine" {
		t.Errorf("%+v", c)
	}
	b.stop(cur)
}
