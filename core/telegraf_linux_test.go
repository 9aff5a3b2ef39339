//go:build telegraf

package main

import (
	"fmt"
	"net"
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

// telegrafConf takes lines over TCP and reads the box's memory each second, and writes both to its own folder. more stands behind it.
func telegrafConf(port, more string) string {
	return `[global_tags]
  {{if has .Tags "web"}}role = "web"{{else}}role = "none"{{end}}
[agent]
  interval = "1s"
  flush_interval = "1s"
  hostname = "{{.Name}}"
[[inputs.mem]]
[[inputs.socket_listener]]
  service_address = "tcp://127.0.0.1:` + port + `"
  data_format = "influx"
[[outputs.file]]
  files = ["{{.Dir}}/out"]
  data_format = "influx"
` + more
}

func telegraf(t *testing.T, revision uint64, config string, memory uint64) *wire.Desired {
	t.Helper()
	program := os.Getenv("LIMPET_TEST_TELEGRAF")
	if program == "" {
		t.Fatal("LIMPET_TEST_TELEGRAF is not set: run make test-telegraf")
	}
	return &wire.Desired{Revision: revision, NoDefaults: true, Collectors: []*wire.Collector{
		{Name: "tele", Kind: "telegraf", Program: program, Config: config, MemoryBytes: memory}}}
}

// TestTelegrafThroughSwapsAndADeadCore: telegraf is never started again, every line that it took is in its file once, and its own readings go on each second.
func TestTelegrafThroughSwapsAndADeadCore(t *testing.T) {
	port := freePort(t)
	b := newBox(t, "1")
	b.hub.push(telegraf(t, 1, telegrafConf(port, ""), 0))
	cur := b.start()
	cur.heard("ready")
	first := b.until("telegraf runs", running)
	stop := b.sendLines(port)
	for range 3 {
		old := cur
		cur = b.swap(old)
		old.heard("drained")
		old.exited()
		b.goesOn()
	}
	cur.kill()
	b.goesOn()
	cur = b.start()
	cur.heard("ready")
	if c := b.until("the last core has it", running); c.PID != first.PID || c.Restarts != 0 {
		t.Errorf("was process %d, is %+v", first.PID, c)
	}
	b.goesOn()
	sent := stop()
	b.eventually("the last line is written", func() bool { points, _, _ := b.telegrafs(); return points[sent] > 0 })
	points, worst, role := b.telegrafs()
	for n := 1; n <= sent; n++ {
		if points[n] != 1 {
			t.Errorf("line %d of %d is written %d times", n, sent, points[n])
		}
	}
	if worst > 5*time.Second || role != "none" {
		t.Errorf("readings at most %s apart; role %q", worst, role)
	}
	t.Logf("%d lines, each once; readings at most %s apart", sent, worst)
	b.stop(cur)
	if lives(first.PID) {
		t.Error("telegraf outlived the stop")
	}
}

// TestTelegrafIsRefusedKilledAndHeld: what its own test command says of broken configurations, an end by SIGKILL, and a hog among what it starts.
func TestTelegrafIsRefusedKilledAndHeld(t *testing.T) {
	port := freePort(t)
	good := telegrafConf(port, "")
	b := newBox(t, "1")
	b.hub.push(telegraf(t, 1, good, 0))
	cur := b.start()
	cur.heard("ready")
	first := b.until("telegraf runs", running)
	revision := uint64(1)
	for more, want := range map[string]string{
		"[[outputs.nonsense]]\n":               "undefined but requested output: nonsense",
		"[[inputs.cpu":                         "line 14: invalid TOML syntax",
		"[[inputs.cpu]]\n  percpuu = true\n":   `the fields ["percpuu"]`,
		"[[inputs.cpu]]\n  interval = \"x\"\n": `invalid duration "x"`,
	} {
		revision++
		b.hub.push(telegraf(t, revision, good+more, 0))
		c := b.until(more+" is refused", func(c agent.CollectorStatus) bool { return c.Refused != "" })
		if !strings.Contains(c.Refused, want) || c.PID != first.PID || !running(c) {
			t.Errorf("%q: %+v", more, c)
		}
		revision++
		b.hub.push(telegraf(t, revision, good, 0))
		b.until("the former one is wanted again", func(c agent.CollectorStatus) bool { return c.Refused == "" && c.PID == first.PID })
	}
	syscall.Kill(first.PID, syscall.SIGKILL)
	b.until("it runs again", func(c agent.CollectorStatus) bool { return running(c) && c.PID != first.PID && c.Restarts == 1 })
	b.goesOn()

	hog := filepath.Join(b.layout.Root, "hog")
	if err := os.WriteFile(hog, []byte("#!/bin/sh\nx=$(head -c 120000000 /dev/zero | tr '\\0' x)\nsleep 10\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	greedy := good + "[[inputs.exec]]\n  commands = [\"" + hog + "\"]\n  timeout = \"20s\"\n  data_format = \"influx\"\n"
	b.hub.push(telegraf(t, revision+1, greedy, 90<<20))
	b.eventually("the hog is ended", func() bool { return b.hub.heardEvent("collector-memory", "the limit is 90 MiB") })
	b.hub.push(telegraf(t, revision+2, good, 90<<20))
	b.until("it runs without the hog", running)
	b.goesOn()
	b.stop(cur)
}

// sendLines sends telegraf numbered lines, fifty a second, until the function that it gives is called, which says how many it took.
func (b *box) sendLines(port string) (stop func() int) {
	b.t.Helper()
	var conn net.Conn
	b.eventually("telegraf listens", func() (ok bool) {
		var err error
		conn, err = net.Dial("tcp", "127.0.0.1:"+port)
		return err == nil
	})
	ended, sent := make(chan struct{}), make(chan int, 1)
	go func() {
		defer conn.Close()
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for n := 1; ; n++ {
			select {
			case <-tick.C:
			case <-ended:
				sent <- n - 1
				return
			}
			if _, err := fmt.Fprintf(conn, "point n=%di\n", n); err != nil {
				b.t.Errorf("line %d was not taken: %v", n, err)
			}
		}
	}()
	return func() int { close(ended); return <-sent }
}

// goesOn waits for readings that telegraf has not written yet.
func (b *box) goesOn() {
	b.t.Helper()
	size := func() int64 {
		info, err := os.Stat(filepath.Join(b.layout.Collector(), "tele", "data", "out"))
		if err != nil {
			return 0
		}
		return info.Size()
	}
	before := size()
	b.eventually("telegraf writes on", func() bool { return size() > before })
}

// telegrafs are the lines that telegraf took, by how often it wrote them, the longest time between two of its own readings, and its tag.
func (b *box) telegrafs() (points map[int]int, worst time.Duration, role string) {
	data, err := os.ReadFile(filepath.Join(b.layout.Collector(), "tele", "data", "out"))
	if err != nil {
		b.t.Fatal(err)
	}
	points = map[int]int{}
	var before int64
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line) // measurement and tags, fields, time
		if len(f) != 3 || !strings.HasSuffix(line, "\n") {
			continue
		}
		if number, ok := strings.CutPrefix(f[1], "n="); ok {
			n, _ := strconv.Atoi(strings.TrimSuffix(number, "i"))
			points[n]++
			continue
		}
		_, tag, _ := strings.Cut(f[0], "role=")
		role, _, _ = strings.Cut(tag, ",")
		at, _ := strconv.ParseInt(f[2], 10, 64)
		if before > 0 {
			worst = max(worst, time.Duration(at-before))
		}
		before = at
	}
	return points, worst, role
}
