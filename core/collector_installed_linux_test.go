//go:build installed

package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
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

// installed is a collector that no registry which the tests reach has: it is run where somebody has it (make test-collector). Each writes what it reads to files
// `out*` in its own folder.
type installed struct {
	config func(where string) string          // where: its port, or the folder of its collectors
	line   string                             // how one writes a numbered line to its port; "" = it has none, and reads the box each second
	number func(line string) (n int, ok bool) // of a line that it wrote
	refuse map[string]string                  // what stands behind a good configuration, and what is said then
	bad    map[string]string                  // the same, where it is only seen that it does not live
	hog    string                             // what has it start a program, %s, each second
	limit  uint64                             // bytes that are enough for it without that
}

// jsonNumber is of a record in a line: fluentd writes nothing else, Fluent Bit `TAG: [TIME, RECORD]`.
func jsonNumber(line string) (int, bool) {
	var record struct{ N int }
	err := json.Unmarshal([]byte(strings.TrimSuffix(line[max(0, strings.IndexByte(line, '{')):], "]\n")), &record)
	return record.N, err == nil
}

// lastWord is a reading's time, which diamond writes at the end of a line.
func lastWord(line string) (int, bool) {
	words := strings.Fields(line)
	if len(words) == 0 {
		return 0, false
	}
	n, err := strconv.Atoi(words[len(words)-1])
	return n, err == nil
}

var known = map[string]installed{
	"fluentd": {
		config: func(port string) string {
			return `<system>
  process_name it
</system>
<source>
  @type tcp
  tag lines
  bind 127.0.0.1
  port ` + port + `
  <parse>
    @type json
  </parse>
</source>
<match lines>
  @type file
  path "{{.Dir}}/out"
  append true
  <format>
    @type json
  </format>
  <buffer>
    @type memory
    flush_mode interval
    flush_interval 1s
  </buffer>
</match>
`
		},
		line: "{\"n\":%d}\n", number: jsonNumber,
		refuse: map[string]string{
			"<match nothing>\n  @type nonsense\n</match>\n": "Unknown output plugin 'nonsense'",
			"<match":                             "expected '>' at fluent.conf line 26",
			"<source>\n  @type tcp\n</source>\n": "<parse> section is required",
			"</source>\n":                        "unmatched end tag at fluent.conf line 26",
		},
		hog: "<source>\n  @type exec\n  command %s\n  tag hog\n  run_interval 1s\n  <parse>\n    @type none\n  </parse>\n</source>\n", limit: 170 << 20,
	},
	"fluent-bit": {
		config: func(port string) string {
			return `[SERVICE]
    Flush 1
    Grace 3
[INPUT]
    Name tcp
    Listen 127.0.0.1
    Port ` + port + `
    Format json
[OUTPUT]
    Name file
    Match tcp.*
    Path {{.Dir}}
    File out
`
		},
		line: "{\"n\":%d}\n", number: jsonNumber,
		refuse: map[string]string{
			"[INPUT]\n    Name nonsense\n":            "nonsense",
			"[OUTPUT\n    Name null\n":                "fluent-bit.conf",
			"[INPUT]\n    Name cpu\n    Nonsense 1\n": "cpu: unknown configuration property 'nonsense'",
		},
		bad: map[string]string{"[SERVICE]\n    Daemon On\n": "stays in the foreground"},
		hog: "[INPUT]\n    Name exec\n    Command %s\n    Interval_Sec 1\n", limit: 90 << 20,
	},
	"diamond": {
		config: func(folder string) string {
			return `[server]
handlers = diamond.handler.archive.ArchiveHandler
user =
group =
collectors_path = ` + folder + `
collectors_config_path = {{.Dir}}
handlers_config_path = {{.Dir}}
handlers_path = {{.Dir}}
collectors_load_delay = 0.1
[handlers]
keys = stream
[[default]]
[[ArchiveHandler]]
log_file = {{.Dir}}/out
[loggers]
keys = root
[formatters]
keys =
[logger_root]
level = INFO
handlers = stream
[handler_stream]
class = StreamHandler
args = (sys.stderr,)
[collectors]
[[default]]
interval = 1
[[OwnCollector]]
enabled = True
`
		},
		number: lastWord,
		bad:    map[string]string{"[[[[\n": "ended 3 times"},
		limit:  120 << 20,
	},
}

// own is a collector of diamond's: a reading of the box. It makes a hog of itself where there is a file "hog" in its folder.
const own = `import os
import diamond.collector
class OwnCollector(diamond.collector.Collector):
    def collect(self):
        if os.path.exists(os.path.join(os.path.dirname(os.path.abspath(__file__)), "hog")):
            self.kept = "x" * int("300000000") # no constant: those are made when the file is read
        self.publish("load", os.getloadavg()[0])
`

// installation is the collector that is tested, in a box of its own.
type installation struct {
	*box
	installed
	kind, program, where string
	revision             uint64
}

// newInstallation is in a box that says what is given, besides where its hub is.
func newInstallation(t *testing.T, box string) *installation {
	kind, program := os.Getenv("LIMPET_TEST_KIND"), os.Getenv("LIMPET_TEST_PROGRAM")
	k, ok := known[kind]
	if !ok || program == "" {
		t.Fatal("which one? make test-collector KIND=fluentd|fluent-bit|diamond PROGRAM=/where/it/is")
	}
	b := newBox(t, "1")
	if err := os.WriteFile(b.layout.BoxFile(), []byte(read(b.layout.BoxFile())+box), 0o644); err != nil {
		t.Fatal(err)
	}
	if k.line != "" {
		return &installation{box: b, installed: k, kind: kind, program: program, where: freePort(t)}
	}
	folder := filepath.Join(b.layout.Root, "readings")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "own.py"), []byte(own), 0o644); err != nil {
		t.Fatal(err)
	}
	return &installation{box: b, installed: k, kind: kind, program: program, where: folder}
}

// want wants it, with more behind its good configuration.
func (i *installation) want(more string, limit uint64, args ...string) {
	i.revision++
	i.hub.push(&wire.Desired{Revision: i.revision, NoDefaults: true, Collectors: []*wire.Collector{
		{Name: "it", Kind: i.kind, Program: i.program, Config: i.config(i.where) + more, MemoryBytes: limit, Args: args}}})
}

// written is how often it wrote each number.
func (i *installation) written() map[int]int {
	counts := map[int]int{}
	files, _ := filepath.Glob(filepath.Join(i.layout.Collector(), "it", "data", "out*"))
	for _, file := range files {
		for line := range strings.Lines(read(file)) {
			if n, ok := i.number(line); ok && strings.HasSuffix(line, "\n") {
				counts[n]++
			}
		}
	}
	return counts
}

// goesOn waits until it has read and written something new.
func (i *installation) goesOn() {
	i.t.Helper()
	before := len(i.written())
	i.eventually(i.kind+" writes on", func() bool { return len(i.written()) > before })
}

// send sends it numbered lines, fifty a second, until the function that it gives is called, which says how many it took.
func (i *installation) send() (stop func() int) {
	if i.line == "" {
		return func() int { return 0 }
	}
	conn := i.dial()
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
			if _, err := fmt.Fprintf(conn, i.line, n); err != nil {
				i.t.Errorf("line %d was not taken: %v", n, err)
			}
		}
	}()
	return func() int { close(ended); return <-sent }
}

func (i *installation) dial() (conn net.Conn) {
	i.t.Helper()
	i.eventually(i.kind+" listens", func() (ok bool) {
		var err error
		conn, err = net.Dial("tcp", "127.0.0.1:"+i.where)
		return err == nil
	})
	return conn
}

// each says that every line up to the last is written once; of readings, that none is missing for long.
func (i *installation) each(sent int) {
	i.t.Helper()
	i.eventually("the last line is written", func() bool { return i.line == "" || i.written()[sent] > 0 })
	counts := i.written()
	if i.line != "" {
		for n := 1; n <= sent; n++ {
			if counts[n] != 1 {
				i.t.Errorf("line %d of %d is written %d times", n, sent, counts[n])
			}
		}
		i.t.Logf("%d lines, each once", sent)
		return
	}
	var times []int
	for at := range counts {
		times = append(times, at)
	}
	slices.Sort(times)
	worst := 0
	for n := 1; n < len(times); n++ {
		worst = max(worst, times[n]-times[n-1])
	}
	if worst > 5 {
		i.t.Errorf("readings at most %d s apart", worst)
	}
	i.t.Logf("%d readings, at most %d s apart", len(times), worst)
}

// leavesNothing stops the agent: nothing that names its root, in its words or its environment, lives on.
func (i *installation) leavesNothing(cur *core) {
	i.t.Helper()
	began := time.Now()
	i.stop(cur)
	i.t.Logf("stopped in %s", time.Since(began).Round(100*time.Millisecond))
	i.eventually("nothing of it lives", func() bool {
		entries, err := os.ReadDir("/proc")
		return err == nil && !slices.ContainsFunc(entries, func(e os.DirEntry) bool {
			return strings.Contains(read("/proc/"+e.Name()+"/cmdline")+read("/proc/"+e.Name()+"/environ"), i.layout.Collector())
		})
	})
}

// It is never started again, and nothing that it takes is lost, by three swaps and a core that is killed.
func TestInstalledThroughSwapsAndADeadCore(t *testing.T) {
	i := newInstallation(t, "")
	i.want("", 0)
	cur := i.start()
	cur.heard("ready")
	first := i.until("it runs", running)
	stop := i.send()
	for range 3 {
		old := cur
		cur = i.swap(old)
		old.heard("drained")
		old.exited()
		i.goesOn()
	}
	cur.kill()
	i.goesOn()
	cur = i.start()
	cur.heard("ready")
	if c := i.until("the last core has it", running); c.PID != first.PID || c.Restarts != 0 {
		t.Errorf("was process %d, is %+v", first.PID, c)
	}
	i.goesOn()
	i.each(stop())
	i.leavesNothing(cur)
}

// What its own test says of broken configurations, and what is seen of those that pass it and do not live.
func TestInstalledIsRefused(t *testing.T) {
	i := newInstallation(t, "")
	i.want("", 0)
	cur := i.start()
	cur.heard("ready")
	pid := i.until("it runs", running).PID
	for more, words := range i.refuse {
		i.want(more, 0)
		c := i.until(more+" is refused", func(c agent.CollectorStatus) bool { return c.Refused != "" })
		if !strings.Contains(c.Refused, words) || c.PID != pid || !running(c) {
			t.Errorf("%q: %+v", more, c)
		}
		t.Logf("%q: %s", more, c.Refused)
		i.want("", 0)
		i.until("the former one is wanted again", func(c agent.CollectorStatus) bool { return c.Refused == "" && c.PID == pid })
	}
	good := filepath.Join(i.layout.Collector(), "it", "good")
	i.eventually("it has run well", func() bool { return exists(good) })
	for more, words := range i.bad {
		i.want(more, 0)
		c := i.until(more+" does not live", func(c agent.CollectorStatus) bool { return c.Refused != "" && running(c) })
		if !strings.Contains(c.Refused, words) {
			t.Errorf("%q: %+v", more, c)
		}
		t.Logf("%q: %s", more, c.Refused)
		i.want("", 0)
		i.until("the former one is wanted again", func(c agent.CollectorStatus) bool { return c.Refused == "" && running(c) })
	}
	i.goesOnAfter()
	i.leavesNothing(cur)
}

// Killed, it is started again; what its own workers hold is written first. What passes its limit is ended as a whole. Without cgroups, where that is harder.
func TestInstalledIsKilledAndHeld(t *testing.T) {
	i := newInstallation(t, "cgroups = no\n")
	i.want("", i.limit)
	cur := i.start()
	cur.heard("ready")
	first := i.until("it runs", running)
	sent := i.someLines(1)
	syscall.Kill(first.PID, syscall.SIGKILL)
	next := i.until("it runs again", func(c agent.CollectorStatus) bool { return running(c) && c.PID != first.PID && c.Restarts == 1 })
	i.goesOnAfter()
	counts, lost := i.written(), 0
	for n := 1; n <= sent; n++ {
		if counts[n] == 0 {
			lost++
		}
	}
	t.Logf("of %d lines that it had taken %d are lost", sent, lost)
	if i.kind == "fluentd" && lost > 0 { // the others are one process, which had no time
		t.Errorf("its workers lost %d of %d lines", lost, sent)
	}

	i.beGreedy(true)
	i.eventually("the hog is ended", func() bool {
		return i.hub.heardEvent("collector-memory", fmt.Sprintf("limit is %d MiB", i.limit>>20)) ||
			i.hub.heardEvent("collector-memory", fmt.Sprintf("limit is, which is %d MiB", i.limit>>20))
	})
	i.beGreedy(false)
	i.until("it runs without the hog", func(c agent.CollectorStatus) bool { return running(c) && c.PID != next.PID })
	i.goesOnAfter()
	i.leavesNothing(cur)
}

// someLines sends lines from a number on, which it takes before they are written; it says the last one's number.
func (i *installation) someLines(from int) (last int) {
	if i.line == "" {
		i.goesOn()
		return 0
	}
	conn := i.dial()
	defer conn.Close()
	for n := from; n < from+200; n++ {
		if _, err := fmt.Fprintf(conn, i.line, n); err != nil {
			i.t.Fatal(err)
		}
	}
	i.eventually("it has taken some", func() bool { return len(i.written()) > 0 })
	for n := from + 200; n < from+400; n++ {
		if _, err := fmt.Fprintf(conn, i.line, n); err != nil {
			i.t.Fatal(err)
		}
	}
	time.Sleep(300 * time.Millisecond) // for it to read them: nothing says when it has
	return from + 399
}

// goesOnAfter sees it write something, also where it reads nothing by itself.
func (i *installation) goesOnAfter() {
	i.t.Helper()
	if i.line == "" {
		i.goesOn()
		return
	}
	n := 1_000_000 + len(i.written())
	i.eventually(i.kind+" writes on", func() bool {
		if conn, err := net.Dial("tcp", "127.0.0.1:"+i.where); err == nil { // perhaps to one that is about to end
			fmt.Fprintf(conn, i.line, n)
			conn.Close()
		}
		return i.written()[n] > 0
	})
}

// beGreedy has it, or what it starts, want more memory than its limit is, or no longer.
func (i *installation) beGreedy(greedy bool) {
	if i.installed.hog == "" {
		file := filepath.Join(i.where, "hog")
		os.Remove(file)
		if greedy {
			os.WriteFile(file, nil, 0o644)
		}
		return
	}
	more := ""
	if greedy {
		hog := filepath.Join(i.layout.Root, "hog")
		if err := os.WriteFile(hog, []byte("#!/bin/sh\nx=$(head -c 200000000 /dev/zero | tr '\\0' x)\nsleep 10\n"), 0o755); err != nil {
			i.t.Fatal(err)
		}
		more = fmt.Sprintf(i.installed.hog, hog)
	}
	i.want(more, i.limit)
}
