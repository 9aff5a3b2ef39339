package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

// The status file, line by line: format 1 of the contract.
func TestStatusFile(t *testing.T) {
	full := everything
	full.core.counter, full.since, full.looked = 1234, 1790000000, 1790000001
	for _, tt := range []struct {
		v    view
		text string
	}{
		{view{state: starting}, "format 1\npid 0\nstate starting\nsince 0\nrestarts 0\nlooks 0\n"},
		{full, `format 1
pid 12
version 1.2.3
boot b
state running
since 1790000000
core_pid 13
core_version 2.0
core_counter 1234
core_hash ` + hexOf(full.core.hash) + `
core_role good
restarts 3
last signal-9
channel beta
pin 2.0
hold yes
newest 2.1
trial 2.1
phase soak
why held updates are held
looked 1790000001
looks 9
warning stale old
`},
	} {
		if got := tt.v.String(); got != tt.text {
			t.Errorf("%s\nwant\n%s", got, tt.text)
		}
		if got := parseView(tt.text).String(); got != tt.text {
			t.Errorf("it comes back as\n%s", got)
		}
	}
	for text, want := range map[string]int64{"since 9223372036854775807": 1<<63 - 1, "since 0x10": 0} {
		if got := parseView(text).since; got != want {
			t.Errorf("%s: %d", text, got)
		}
	}
	if got := parseView("core_counter 18446744073709551615").core.counter; got != 1<<64-1 {
		t.Errorf("%d", got)
	}
}

// It is replaced as a whole, for all to read; one larger than any stub writes is none.
func TestStatusFileOnDisk(t *testing.T) {
	name := filepath.Join(t.TempDir(), "stub")
	mustWorld(everything.save(name))
	if info, err := os.Stat(name); err != nil || info.Mode() != 0o644 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	for size, pid := range map[int]int{64 << 10: 7, 64<<10 + 1: 0} {
		mustWorld(os.WriteFile(name, []byte("pid 7\n"+strings.Repeat("x", size-6)), 0o644))
		if got := readView(name).pid; got != pid {
			t.Errorf("of %d bytes: %d", size, got)
		}
	}
	folder := filepath.Join(t.TempDir(), "taken")
	mustWorld(os.MkdirAll(filepath.Join(folder, "x"), 0o755))
	if everything.save(folder) == nil {
		t.Error("a folder is replaced")
	}
}

// What JSON must escape is, and what would break the line of a reader; everything else stays as it is.
func TestJSONTextIsOneLine(t *testing.T) {
	for s, want := range map[string]string{
		"":                         `""`,
		`a"b\c`:                    `"a\"b\\c"`,
		"\x00\x1f ":                `"\u0000\u001f "`,
		"~\x7f\u0080":              "\"~\\u007f\u0080\"",
		"\u2027\u2028\u2029\u202a": "\"\u2027\\u2028\\u2029\u202a\"",
		"\xff":                     "\"\ufffd\"",
	} {
		if got := text(s); got != want {
			t.Errorf("%q: %s, want %s", s, got, want)
		}
	}
	if got := object(field{"a", "1"}, field{"b", "[]"}); got != `{"a":1,"b":[]}` {
		t.Error(got)
	}
}

func TestStatusSentences(t *testing.T) {
	now := time.Unix(1090, 500_000_000)
	for _, tt := range []struct {
		v    view
		want string
	}{
		{view{state: starting}, "the core is starting"},
		{view{state: stopping}, "stopping"},
		{view{state: running, since: 1000}, "running since " + time.Unix(1000, 0).Format(time.DateTime) + " (1m31s)"},
		{view{state: running, since: 1}, "running since " + time.Unix(1, 0).Format(time.DateTime) + " (18m10s)"},
	} {
		if got := (report{running: true, view: tt.v}).sentence(now); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
	first := report{running: true, view: view{version: "1", state: running, core: coreView{counter: 1, version: "2", role: "good"}}, part: "x"}
	if got, want := first.text(now), "limpet 1: running\ncore 2 (release 1, good)\nx\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A status that cannot be printed failed.
func TestStatusWithoutAReader(t *testing.T) {
	b := emptyBox(t)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	b.must(err)
	defer full.Close()
	if code, _ := codeOf(status(b.Layout, nil, full)); code != exitFailed {
		t.Errorf("code %d", code)
	}
}

// The core's part of a status is taken whole, up to 256 KiB, or not at all.
func TestPartOfTheCore(t *testing.T) {
	b := emptyBox(t)
	good := b.place(7, coreBytes(t, ""))
	b.saved(boot.Record{Good: good, Factory: good})
	got := ""
	answers := func(mode string, json bool) (took time.Duration) { // in its three seconds, of which a busy machine may take all
		b.mode(mode)
		b.until("the core answers", func() bool {
			began := time.Now()
			got = corePart(b.Layout, json)
			took = time.Since(began)
			return got != ""
		})
		return took
	}
	usual := answers("status-long "+fmt.Sprint(256<<10), false)
	if len(got) != 256<<10 {
		t.Errorf("%d bytes", len(got))
	}
	for _, mode := range []string{"status-long " + fmt.Sprint(256<<10+1), "status-endless", "status-fails", "status-dies"} {
		b.mode(mode)
		soonest(t, mode, usual+partTime/2, func() time.Duration { // it is not the time that ends it
			began := time.Now()
			if got := corePart(b.Layout, false); got != "" {
				t.Errorf("%s: %d bytes", mode, len(got))
			}
			return time.Since(began)
		})
	}
	if answers("", true); got != "{\"session\":\"connected\"}\n" {
		t.Errorf("%q", got)
	}
}

// A status leaves no descriptor behind, and no child.
func TestStatusLeavesNothingOpen(t *testing.T) {
	b := emptyBox(t)
	good := b.place(7, coreBytes(t, ""))
	b.saved(boot.Record{Good: good, Factory: good})
	open := descriptors(t)
	before := open()
	if code, _ := codeOf(status(b.Layout, nil, io.Discard)); code != exitNotRunning {
		t.Fatal(code)
	}
	if left := more(before, open); len(left) > 0 {
		t.Errorf("it leaves open %q", left)
	}
}

// What is gathered is the box's as it was last, of the record where nobody said anything, and how the last update came.
func TestGather(t *testing.T) {
	b := emptyBox(t)
	one := boot.Core{Counter: 1, Length: 1, Hash: [32]byte{1}}
	if r := gather(b.Layout); r.found || r.running || r.view.core != (coreView{}) || r.view.state != stopped {
		t.Errorf("%+v", r)
	}
	b.saved(boot.Record{Good: one, Factory: one})
	b.must(appendHistory(b.History(), "t stage came=1.2\n"))
	if r := gather(b.Layout); !r.found || r.view.core != (coreView{counter: 1, hash: one.Hash, role: "good"}) || r.came != "came=1.2" || r.record.Good != one {
		t.Errorf("%+v", r)
	}
	said := coreView{pid: 9, version: "1", counter: 1, hash: [32]byte{2}, role: "previous"}
	b.must(view{state: running, core: said}.save(b.RunStub()))
	lock, err := platforms.Take(b.StubLock())
	b.must(err)
	if r := gather(b.Layout); !r.running || r.view.state != running || r.view.core != said {
		t.Errorf("%+v", r)
	}
	lock.Release()
	said.pid = 0
	if r := gather(b.Layout); r.running || r.view.state != stopped || r.view.core != said {
		t.Errorf("%+v", r)
	}
	var out bytes.Buffer
	if code, text := codeOf(status(b.Layout, []string{"--json"}, &out)); code != exitNotRunning || text != "" || !strings.HasPrefix(out.String(), `{"format":1,"stub":{"running":false,`) {
		t.Errorf("%d %q %q", code, text, out.String())
	}
}

// A trial waits longer from start to start, from the soak or ten seconds up to ten minutes.
func TestWaitsBetweenStarts(t *testing.T) {
	const s = time.Second
	for soak, want := range map[time.Duration][]time.Duration{
		3 * s:   {3 * s, 3 * s, 6 * s, 12 * s, 24 * s, 48 * s, 96 * s, 192 * s, 384 * s},
		300 * s: {10 * s, 10 * s, 20 * s, 40 * s, 80 * s, 160 * s, 320 * s, 600 * s, 600 * s},
	} {
		for n := range want {
			if got := tryWait(uint8(n), soak); got != want[n] {
				t.Errorf("soak of %v, start %d: %v, want %v", soak, n, got, want[n])
			}
		}
	}
}

// --root stands before or behind the command, and where it names nothing the line is refused.
func TestRootWhereItMayStand(t *testing.T) {
	for line, want := range map[string]string{
		"--root A":                         "A  []",
		"--root A --root=B":                "B  []",
		"--root A status --root B":         "B status []",
		"status x --root=A y --root B z":   "B status [x y z]",
		"try --root A p --root B":          "A try [p --root B]",
		"status --json --root=A --root=B":  "B status [--json]",
		"status --root A --root=B --json ": "B status [--json]",
	} {
		got, err := parse(strings.Fields(line), "E")
		if text := got.root + " " + got.name + " " + fmt.Sprint(got.args); err != nil || text != want {
			t.Errorf("%q: %q, %v", line, text, err)
		}
	}
}
