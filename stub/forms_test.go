package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

// everything is a view in which nothing is empty.
var everything = view{
	pid: 12, version: "1.2.3", bootID: "b", state: running, since: 1000, restarts: 3, last: "signal-9",
	core:     coreView{pid: 13, version: "2.0", counter: 7, hash: [32]byte{1, 2}, role: "good"},
	warnings: []warning{{"stale", "old"}},
	channel:  "beta", pin: "2.0", hold: true, newest: "2.1", trial: "2.1", phase: "soak", word: "held", text: "updates are held", looked: 2000, looks: 9,
}

// Every member of the view comes back from the file, each alone, too.
func TestEveryMemberOfTheViewComesBack(t *testing.T) {
	if got := parseView(everything.String()); !reflect.DeepEqual(got, everything) {
		t.Errorf("%+v\nbecame\n%+v", everything, got)
	}
	for _, line := range strings.Split(strings.TrimSpace(everything.String()), "\n") {
		key, _, _ := strings.Cut(line, " ")
		if key == "format" {
			continue
		}
		if alone := parseView(line); reflect.DeepEqual(alone, view{}) {
			t.Errorf("%q says nothing", line)
		}
	}
	v := view{state: running}
	for i := range 3 * maxWarnings {
		v.warnings = append(v.warnings, warning{fmt.Sprint("w", i), "x"})
	}
	if got := parseView(v.String()); len(got.warnings) != 2*maxWarnings {
		t.Errorf("%d warnings are read", len(got.warnings))
	}
	if err := v.save(t.TempDir() + "/nothing/stub"); err == nil {
		t.Error("a view is saved where there is no folder")
	}
}

func TestReportAsJSON(t *testing.T) {
	var got map[string]any
	r := report{running: true, view: everything, found: true, came: "came=2.0 came_as=delta came_codec=go1 came_bytes=50 came_of=900", part: "{\"session\":\"connected\"}\n",
		record: boot.Record{Sequence: 4, Floor: 2, Good: boot.Core{Counter: 7, Length: 1, Hash: [32]byte{1, 2}}, Previous: boot.Core{Counter: 6, Length: 1, Hash: [32]byte{6}}}}
	if err := json.Unmarshal([]byte(r.json()), &got); err != nil {
		t.Fatal(err)
	}
	hash := func(b ...byte) string { return (fmt.Sprintf("%x", b) + strings.Repeat("0", 64))[:64] }
	want := map[string]any{
		"format":  1.0,
		"stub":    map[string]any{"running": true, "pid": 12.0, "version": "1.2.3", "state": "running", "since": "1970-01-01T00:16:40Z"},
		"release": map[string]any{"version": "2.0", "counter": 7.0, "hash": hash(1, 2), "role": "good"},
		"process": map[string]any{"pid": 13.0, "restarts": 3.0, "last": "signal-9"},
		"update": map[string]any{"channel": "beta", "pin": "2.0", "hold": true, "newest": "2.1", "trial": "2.1", "phase": "soak", "why": "held", "text": "updates are held", "looked": 2000.0,
			"came": map[string]any{"version": "2.0", "as": "delta", "codec": "go1", "bytes": 50.0, "of": 900.0}},
		"record": map[string]any{"sequence": 4.0, "floor": 2.0, "factory": nil,
			"good": map[string]any{"counter": 7.0, "hash": hash(1, 2)}, "previous": map[string]any{"counter": 6.0, "hash": hash(6)}},
		"warnings": []any{map[string]any{"word": "stale", "text": "old"}},
		"core":     map[string]any{"session": "connected"},
	}
	for name := range want {
		if !reflect.DeepEqual(got[name], want[name]) {
			t.Errorf("%s is %v, want %v", name, got[name], want[name])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d members, want %d", len(got), len(want))
	}
	got = nil
	if err := json.Unmarshal([]byte(report{view: view{warnings: everything.warnings}}.json()), &got); err != nil {
		t.Fatal(err)
	}
	if got["record"] != nil || got["core"] != nil || len(got["warnings"].([]any)) != 0 || got["update"].(map[string]any)["phase"] != "idle" || got["update"].(map[string]any)["came"] != nil {
		t.Errorf("of nothing: %v", got)
	}
	for n, want := range map[int64]string{-1: "-1", 0: "0", 1 << 62: "4611686018427387904"} {
		if number(n) != want {
			t.Errorf("%d is %s", n, number(n))
		}
	}
	if number(uint64(1<<64-1)) != "18446744073709551615" {
		t.Error(number(uint64(1<<64 - 1)))
	}
}

func TestReportForAPersonLineByLine(t *testing.T) {
	v := everything
	v.warnings, v.since = nil, 0
	for _, tt := range []struct {
		r    report
		want string
	}{
		{report{running: true, view: v, part: "session: connected\n\n"},
			"limpet 1.2.3: running\ncore 2.0 (release 7, good): process 13, started again 3 times, the last one ended with signal-9\n" +
				"channel beta, pinned to 2.0, held: 2.1 runs on trial; it is taken over for good when its soak is over. updates are held\nsession: connected\n"},
		{report{running: true, view: view{version: "1", state: noCore, channel: "stable", looked: 1}},
			"limpet 1: no core here may run\nchannel stable: this box runs the newest release of channel stable\nthe core does not answer\n"},
		{report{view: view{version: "1", core: coreView{counter: 2, version: "2", role: "good"}, restarts: 1, warnings: everything.warnings}, came: "came=2 came_as=full came_bytes=9 came_of=9"},
			"limpet 1: not running (hint: limpet run, or start its service)\ncore 2 (release 2, good)\nupdate 2 cost 9 bytes on the wire (full), the core has 9\n"},
		{report{running: true, view: view{version: "1", state: "odd", restarts: 1, last: "hang", core: coreView{counter: 2, role: "good"}}, part: "x"},
			"limpet 1: odd\ncore (version unknown) (release 2, good), started again once, the last one ended with hang\nx\n"},
	} {
		if got := tt.r.text(time.Unix(2000, 0)); got != tt.want {
			t.Errorf("%s\nwant\n%s", got, tt.want)
		}
	}
}

func TestLogLines(t *testing.T) {
	var b bytes.Buffer
	l := &logger{&b, func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.FixedZone("", 3600)) }}
	l.info("core started", "release", "7", "role", "good one")
	l.warn("x", "empty", "", "odd")
	l.failed("line\nbreak", "a", "b=c", "q", `"`)
	want := "time=2026-01-02T02:04:05.006Z level=INFO msg=\"core started\" release=7 role=\"good one\"\n" +
		"time=2026-01-02T02:04:05.006Z level=WARN msg=x empty=\"\"\n" +
		"time=2026-01-02T02:04:05.006Z level=ERROR msg=\"line\\nbreak\" a=\"b=c\" q=\"\\\"\"\n"
	if b.String() != want {
		t.Errorf("%s\nwant\n%s", b.String(), want)
	}
}

func TestTargetsOfAVerdict(t *testing.T) {
	hash := strings.Repeat("ab", 32)
	full := signed{Core: boot.Core{Counter: 7, Length: 100}, version: "1.2", channel: "beta", soak: 60, open: 10, most: 50, held: true}
	for i := range full.Hash {
		full.Hash[i] = 0xab
	}
	short := full
	short.soak, short.open, short.most, short.held = defaultSoak, 100, 100, false
	before := full
	before.most = 100
	for text, want := range map[string]signed{
		hash + " 100 7 1.2 beta":                 short,
		hash + " 100 7 1.2 beta 60":              short, // of a stub that said less than all
		hash + " 100 7 1.2 beta 60 10 1":         before,
		hash + " 100 7 1.2 beta 60 10 1 50":      full,
		hash + " 100 7 1.2 beta 60 10 1 50 more": full,
	} {
		if got, ok := parseTarget(strings.Fields(text)); !ok || got != want {
			t.Errorf("%q: %+v %v", text, got, ok)
		}
	}
	for _, text := range []string{
		"", hash + " 100 7 1.2", "ab 100 7 1.2 beta", hash + " 0 7 1.2 beta", hash + " 100 0 1.2 beta", hash + " x 7 1.2 beta", hash + " 100 x 1.2 beta",
		hash + " 9223372036854775808 7 1.2 beta", hash + " 100 9223372036854775808 1.2 beta", hash + " 100 7 1.2 beta 65536 10 1", hash + " 100 7 1.2 beta 60 128 1",
		hash + " 100 7 1.2 beta 60 x 1", hash + " 100 7 1.2 beta 60 10 1 128",
	} {
		if got, ok := parseTarget(strings.Fields(text)); ok {
			t.Errorf("%q is %+v", text, got)
		}
	}
	v := parseVerdict("floor 5\nissued 9\ndevelopment\nunconfined no landlock\nwarning stale it is old\ntarget x\nlater thing\nverdict 1\n")
	if v.floor != 5 || v.issued != 9 || !v.development || v.unconfined != "no landlock" || !reflect.DeepEqual(v.warnings, []warning{{"stale", "it is old"}}) || v.refused != "" || v.cores != nil {
		t.Errorf("%+v", v)
	}
	if v := parseVerdict(strings.Repeat("warning a b\n", 2*maxWarnings) + strings.Repeat("drop a.json\n", 2*maxChanges) + "verdict 1"); len(v.warnings) != maxWarnings || len(v.changes) != maxChanges {
		t.Errorf("%d warnings, %d changes", len(v.warnings), len(v.changes))
	}
	if v := parseVerdict("unconfined x\ndrop a.json\nfloor 5\nrefused rollback timestamp\nfloor 6\n"); v.refused != "rollback timestamp" || v.unconfined != "x" || len(v.changes) != 1 || v.floor != 0 {
		t.Errorf("%+v", v)
	}
}

func TestChecksLines(t *testing.T) {
	for text, want := range map[string][2]uint64{"1f 1ff": {0x1f, 0x1ff}, "ffffffffffffffff 0": {1<<64 - 1, 0}, " 1  2 later": {1, 2}} {
		if holds, judged, ok := parseChecks(text); !ok || holds != want[0] || judged != want[1] {
			t.Errorf("%q: %x %x %v", text, holds, judged, ok)
		}
	}
	for _, text := range []string{"", "1f", "1f x", "x 1f", "10000000000000000 1", "-1 1"} {
		if holds, judged, ok := parseChecks(text); ok {
			t.Errorf("%q: %x %x", text, holds, judged)
		}
	}
}

// Of signals those are held against a core that only it can have caused.
func TestSignalsThatAreAVerdict(t *testing.T) {
	own := map[int]bool{4: true, 5: true, 6: true, 7: true, 8: true, 10: true, 11: true, 12: true, 31: true}
	for signal := 1; signal < 65; signal++ {
		if reason := verdictOf("", platforms.Exit{Code: -1, Signal: signal}); (reason == boot.Exited) != own[signal] || (reason == 0) == own[signal] {
			t.Errorf("signal %d: %v", signal, reason)
		}
	}
	for _, killed := range []string{"flood", "hang", "not-ready"} {
		if reason := verdictOf(killed, platforms.Exit{}); reason != boot.Hung {
			t.Errorf("%s: %v", killed, reason)
		}
	}
	if got := []time.Duration{tryWait(0, time.Minute), tryWait(1, time.Minute), tryWait(2, time.Minute), tryWait(3, time.Second), tryWait(40, time.Hour)}; !reflect.DeepEqual(got,
		[]time.Duration{10 * time.Second, 10 * time.Second, 20 * time.Second, 4 * time.Second, 10 * time.Minute}) {
		t.Errorf("waits of %v", got)
	}
}

// A soak at its bounds: the time in which a check may be broken, and the session alone.
func TestSoakAtItsBounds(t *testing.T) {
	const all, noCheck, noSession = uint64(0x1ff), uint64(0xff), uint64(0x1f7)
	s := &soak{need: time.Hour, begun: true}
	if out, _ := s.pass(breakTime-1, 0, all, noCheck, all); out != soaking {
		t.Errorf("a moment before it counts: %d", out)
	}
	if out, broken := s.pass(1, 0, all, noCheck, all); out != broke || broken != 0x100 {
		t.Errorf("when it counts: %d, %x", out, broken)
	}
	s = &soak{need: time.Minute, begun: true}
	if out, _ := s.pass(time.Minute, 0, all, noSession, all); out != soaking {
		t.Errorf("only the session is missing: %d", out)
	}
	if out, _ := s.pass(sessionTime-time.Minute-1, 0, all, noSession, all); out != soaking {
		t.Errorf("a moment before it is too long: %d", out)
	}
	if out, broken := s.pass(1, 0, all, noSession, all); out != broke || broken != sessionBit {
		t.Errorf("too long: %d, %x", out, broken)
	}
	s = &soak{need: time.Hour, begun: true}
	if out, _ := s.pass(time.Hour-1, 0, all, noSession, all); out != soaking {
		t.Errorf("without a session until just before the end: %d", out)
	}
	if out, _ := s.pass(sessionTime-1, 0, all, noSession, all); out != soaking {
		t.Errorf("that time is not counted: %d", out)
	}
	s = &soak{need: time.Minute, begun: true}
	for range 3 { // both missing before it is over: the check alone counts
		if out, _ := s.pass(time.Second, 0, all, noCheck&noSession, all); out != soaking {
			t.Errorf("early: %d", out)
		}
	}
	if out, _ := s.pass(time.Minute, time.Minute+3*time.Second, all, all, all); out != soaking {
		t.Errorf("its last word is from before the end: %d", out)
	}
	if out, _ := s.pass(0, 3*time.Second, all, all, all); out != soaked {
		t.Errorf("its last word is from the end: %d", out)
	}
}

func TestCommandLines(t *testing.T) {
	for line, want := range map[string]call{
		"":                             {root: "E"},
		"--root A":                     {root: "A"},
		"--root=A status":              {root: "A", name: "status", args: []string{}},
		"--root A --root=B try ./x":    {root: "B", name: "try", args: []string{"./x"}},
		"status --json --root A":       {root: "A", name: "status", args: []string{"--json"}},
		"run --root A":                 {root: "A", name: "run", args: []string{}},
		"uninstall --purge --root=A":   {root: "A", name: "uninstall", args: []string{"--purge"}},
		"try --root A ./x --root=B":    {root: "A", name: "try", args: []string{"./x", "--root=B"}},
		"status --json":                {root: "E", name: "status", args: []string{"--json"}},
		"status --root A --json --all": {root: "A", name: "status", args: []string{"--json", "--all"}},
	} {
		got, err := parse(strings.Fields(line), "E")
		if err != nil || got.root != want.root || got.name != want.name || strings.Join(got.args, " ") != strings.Join(want.args, " ") {
			t.Errorf("%q: %+v, %v", line, got, err)
		}
	}
	for _, line := range []string{"--root", "--root=", "status --root", "status --json --root", "try --root", "--root= status", "run --root="} {
		if got, err := parse(strings.Fields(line), "E"); err == nil {
			t.Errorf("%q: %+v", line, got)
		}
	}
}

// What stands against a release is said in words, and which trial is outdated depends on all of them.
func TestAgainst(t *testing.T) {
	l := listed(3, "3")
	s := situation{record: boot.Record{Barred: [len(boot.Record{}.Barred)]boot.Bar{{Hash: [32]byte{9}, Counter: 9, Reason: boot.Exited}, {Hash: l.Hash, Counter: 3, Reason: boot.Hung}}}}
	for why, want := range map[boot.Why]string{
		boot.WhyBarred:     "barred 3 failed on this box (" + boot.Hung.String() + ") and is barred; `limpet unbar " + hexOf(l.Hash) + "` lets it try again",
		boot.WhyAside:      "set-aside 3 was tried often without a verdict, and is tried again within a day",
		boot.WhyFloor:      "below-floor the publisher withdrew 3",
		boot.WhyTooOften:   "too-soon the hub had this box go back within the last day",
		boot.WhyIncomplete: string(boot.WhyIncomplete) + " 3: " + string(boot.WhyIncomplete),
	} {
		c := choice{}
		c.against(s, &l, why)
		if got := c.word + " " + c.text; got != want {
			t.Errorf("%s: %q, want %q", why, got, want)
		}
	}
	finger := strings.Repeat("ab", 32)
	for want, waves := range map[string]int{"paused": 0, "no wave that it is in": 1, "its wave comes later": 100} {
		l.most = waves
		if got := l.closed(finger); !strings.Contains(got, want) {
			t.Errorf("opened to %d: %q", waves, got)
		}
	}
	if releaseName("", 7) != "release 7" || releaseName("1.2", 7) != "1.2" {
		t.Error(releaseName("", 7), releaseName("1.2", 7))
	}
}

func TestOutdatedAtItsBounds(t *testing.T) {
	two, three := listed(2, "2"), listed(3, "3")
	held := two
	held.held = true
	stable, pin2 := boot.Wish{Channel: "stable"}, boot.Wish{Channel: "stable", PinSet: true, Pin: "2"}
	r := boot.Record{Good: listed(1, "1").Core, Trial: two.Core}
	floor := func(n uint64) boot.Record { f := r; f.Floor = n; return f }
	back := boot.Record{Good: three.Core, Previous: two.Core, Trial: two.Core}
	for name, tt := range map[string]struct {
		sit  situation
		want string
	}{
		"no trial":                            {situation{record: boot.Record{Good: two.Core}, wish: boot.Wish{Channel: "stable", Hold: true}}, ""},
		"at the floor":                        {situation{record: floor(2), wish: stable, cores: []signed{two}}, ""},
		"below the floor":                     {situation{record: floor(3), wish: stable, cores: []signed{two}}, "below-floor"},
		"of another channel":                  {situation{record: r, wish: boot.Wish{Channel: "beta"}, cores: []signed{two}}, "withdrawn"},
		"held by the mirror":                  {situation{record: r, wish: stable, cores: []signed{held}}, "held-by-mirror"},
		"held by the mirror, but pinned":      {situation{record: r, found: true, wish: pin2, cores: []signed{held}}, ""},
		"the first of the list":               {situation{record: r, found: true, wish: stable, cores: []signed{two, listed(1, "1")}}, ""},
		"went back to what nobody lists":      {situation{record: back, found: true, wish: pin2}, ""},
		"went back, and the pin is gone":      {situation{record: back, found: true, wish: stable}, "withdrawn"},
		"another than before, and nobody's":   {situation{record: r, found: true, wish: pin2}, "withdrawn"},
		"went back, and is pinned elsewhere":  {situation{record: back, found: true, wish: boot.Wish{Channel: "stable", PinSet: true, Pin: "9"}, cores: []signed{two}}, "pinned"},
		"pinned to what it is":                {situation{record: r, found: true, wish: pin2, cores: []signed{three, two}}, ""},
		"as new as good":                      {situation{record: boot.Record{Good: boot.Core{Counter: 2, Length: 1, Hash: [32]byte{8}}, Trial: two.Core}, found: true, wish: stable, cores: []signed{two}}, ""},
		"pinned, and older than what is good": {situation{record: back, found: true, wish: pin2, cores: []signed{three, two}}, ""},
	} {
		if got := outdated(tt.sit, choose(tt.sit)); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
