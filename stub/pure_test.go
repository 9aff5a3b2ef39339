package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

func TestWatch(t *testing.T) {
	type step struct {
		line string        // or
		pass time.Duration // in ticks
		want string
	}
	pass := func(d time.Duration, want string) step { return step{pass: d, want: want} }
	tests := []struct {
		name  string
		steps []step
	}{
		{"ready never comes", []step{pass(59*time.Second, ""), pass(3*time.Second, "not-ready")}},
		{"ready at the last moment", []step{pass(55*time.Second, ""), {line: "ready"}, pass(12*time.Second, "")}},
		{"three alive missed", []step{{line: "ready"}, pass(12500*time.Millisecond, ""), pass(tick, "hang")}},
		{"alive in time", []step{{line: "ready"}, pass(12500*time.Millisecond, ""), {line: "alive"}, pass(12500*time.Millisecond, ""), {line: "alive"}, pass(10*time.Second, "")}},
		{"alive without ready is not ready", []step{pass(58*time.Second, ""), {line: "alive"}, pass(5*time.Second, "not-ready")}},
		{"ready again is no sign of life", []step{{line: "ready"}, pass(10*time.Second, ""), {line: "ready"}, pass(5*time.Second, "hang")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var w watch
			for i, s := range tt.steps {
				got := ""
				for left := s.pass; left > 0 && got == ""; left -= tick {
					got = w.pass(min(left, tick), tick)
				}
				switch s.line {
				case "ready":
					w.gotReady()
				case "alive":
					w.gotAlive()
				}
				if got != s.want {
					t.Fatalf("step %d: %q, want %q", i, got, s.want)
				}
			}
		})
	}
}

func TestTimeInWhichTheStubDidNotRunDoesNotCount(t *testing.T) {
	w := watch{}
	w.gotReady()
	for _, asleep := range []time.Duration{8 * time.Hour, time.Minute, tick + late + 1} {
		if cause := w.pass(asleep, tick); cause != "" {
			t.Fatalf("after %v: %s", asleep, cause)
		}
	}
	if w.quiet != 3*tick {
		t.Errorf("quiet for %v", w.quiet)
	}
	if w.pass(tick+late, tick); w.quiet != 4*tick+late {
		t.Errorf("a little late counts in full: %v", w.quiet)
	}
}

func TestHealthForgives(t *testing.T) {
	var w watch
	w.gotReady()
	for range healthTime/tick - 1 {
		w.gotAlive()
		w.pass(tick, tick)
	}
	if w.healthy() {
		t.Error("too early")
	}
	if w.pass(tick, tick); !w.healthy() {
		t.Error("never")
	}
}

func TestBackoff(t *testing.T) {
	var b backoff
	var got []time.Duration
	for range 9 {
		got = append(got, b.next(0))
	}
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	want := []time.Duration{ms(250), ms(500), ms(1000), ms(2000), ms(4000), ms(8000), ms(16000), mostWait, mostWait}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
	b.reset()
	if d := b.next(0.999); d < ms(274) || d > ms(275) {
		t.Errorf("%v with chance", d)
	}
	for range 100 {
		if d := b.next(chance()); d > mostWait*11/10 || d <= 0 {
			t.Fatalf("%v", d)
		}
	}
}

func TestReader(t *testing.T) {
	clock := time.Unix(1000, 0)
	read := func(text string) (lines []string, err error) {
		r := newReader(strings.NewReader(text), func() time.Time { return clock })
		for {
			l, err := r.next()
			if err != nil {
				return lines, err
			}
			lines = append(lines, l)
		}
	}
	if got, err := read("ready 1\n\nalive\nhalf"); err != io.EOF || !reflect.DeepEqual(got, []string{"ready 1", "", "alive"}) {
		t.Errorf("%q %v", got, err)
	}
	if _, err := read(strings.Repeat("x", lineSize-1) + "\n"); err != io.EOF {
		t.Errorf("a line of the full size: %v", err)
	}
	if _, err := read(strings.Repeat("x", lineSize) + "\n"); !errors.Is(err, errFlood) {
		t.Errorf("a line too long: %v", err)
	}
	if got, err := read(strings.Repeat("a\n", lineRate)); err != io.EOF || len(got) != lineRate {
		t.Errorf("%d lines: %v", len(got), err)
	}
	if _, err := read(strings.Repeat("a\n", lineRate+1)); !errors.Is(err, errFlood) {
		t.Errorf("one line too many: %v", err)
	}
	r := newReader(strings.NewReader(strings.Repeat("a\n", 10*lineRate)), func() time.Time {
		clock = clock.Add(time.Second / lineRate)
		return clock
	})
	for range 10 * lineRate {
		if _, err := r.next(); err != nil {
			t.Fatal("at the rate that is allowed:", err)
		}
	}
}

func TestParse(t *testing.T) {
	tests := []struct {
		args string
		want call
		bad  bool
	}{
		{"", call{root: "/env"}, false},
		{"run", call{name: "run", root: "/env"}, false},
		{"run --root /x", call{name: "run", root: "/x"}, false},
		{"--root /x run", call{name: "run", root: "/x"}, false},
		{"--root=/x status --json", call{name: "status", root: "/x", args: []string{"--json"}}, false},
		{"status --json --root /x", call{name: "status", root: "/x", args: []string{"--json"}}, false},
		{"import nrpe /a.cfg --root /y --dry-run", call{name: "import", root: "/y", args: []string{"nrpe", "/a.cfg", "--dry-run"}}, false},
		{"pin 1.2.3 --root=/y", call{name: "pin", root: "/y", args: []string{"1.2.3"}}, false},
		{"try --root /x ./a --root /y", call{name: "try", root: "/x", args: []string{"./a", "--root", "/y"}}, false},
		{"run --root", call{}, true},
		{"run --root=", call{}, true},
	}
	for _, tt := range tests {
		got, err := parse(strings.Fields(tt.args), "/env")
		if (err != nil) != tt.bad {
			t.Errorf("%s: %v", tt.args, err)
			continue
		}
		if len(got.args) == 0 {
			got.args = nil
		}
		if err == nil && !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v", tt.args, got)
		}
	}
}

func TestRunWithoutABox(t *testing.T) {
	tests := []struct {
		args   string
		code   int
		stdout string
		stderr string
	}{
		{"help", 0, "limpet run", ""},
		{"", 0, "limpet run", ""},
		{"version", 0, "limpet dev (contract 1, ", ""},
		{"pin --help", 0, "  limpet pin VERSION ", ""},
		{"resume --root /nowhere -h", 0, "  limpet hold | resume ", ""},
		{"run --help", 0, "  limpet run ", ""},
		{"history --root /nowhere", exitNotRunning, "", "error: there is no Limpet in /nowhere/state\nhint: "},
		{"history all", exitUsage, "", "error: history takes no argument but --root DIR, not all\nhint: "},
		{"run --root", exitUsage, "", "error: --root names no folder\nhint: "},
		{"run quickly", exitUsage, "", "error: run takes no argument but --root DIR, not quickly\nhint: "},
		{"verify", exitUsage, "", "error: verify is internal"},
		{"verify --dir . --time soon --platform x", exitUsage, "", "error: --time is not a number"},
		{"verify --dir /nowhere --time 1 --platform x", exitUntrusted, "refused missing ", ""},
	}
	for _, tt := range tests {
		var stdout, stderr bytes.Buffer
		code := run(strings.Fields(tt.args), &stdout, &stderr)
		if code != tt.code || !strings.HasPrefix(stdout.String(), tt.stdout[:min(len(tt.stdout), 6)]) ||
			!strings.Contains(stdout.String(), tt.stdout) || !strings.HasPrefix(stderr.String(), tt.stderr) {
			t.Errorf("%s: %d\n%s\n%s", tt.args, code, &stdout, &stderr)
		}
	}
}

func TestVerdict(t *testing.T) {
	hash := strings.Repeat("ab", 32)
	v := parseVerdict("target " + hash + " 100 7 1.2.3 stable more\ntarget " + hash + " 0 7 1.2.3 stable\ntarget short 1 1 v c\n" +
		"floor 5\nissued 1000\nnews from the future\nwarning expired root expired\ndevelopment\nverdict 1\n")
	if v.refused != "" || len(v.cores) != 1 || v.cores[0].Counter != 7 || v.cores[0].Length != 100 || v.cores[0].version != "1.2.3" ||
		v.floor != 5 || v.issued != 1000 || !v.development || len(v.warnings) != 1 || v.warnings[0] != (warning{"expired", "root expired"}) {
		t.Errorf("%+v", v)
	}
	for _, text := range []string{"", "floor 5\n", "floor 5\nverdict 2\n", "refused rollback x\nverdict 1\n"} {
		if v := parseVerdict(text); v.refused == "" || v.floor != 0 || v.cores != nil {
			t.Errorf("%q: %+v", text, v)
		}
	}
}

func FuzzVerdict(f *testing.F) {
	f.Add("target " + strings.Repeat("ab", 32) + " 100 7 1.2.3 stable\nfloor 5\nverdict 1\n")
	f.Add("refused x\n")
	f.Fuzz(func(t *testing.T, text string) {
		v := parseVerdict(text)
		for _, c := range v.cores {
			if c.Counter == 0 || c.Length <= 0 {
				t.Fatalf("%+v", c)
			}
		}
		if v.issued < 0 || len(v.warnings) > maxWarnings {
			t.Fatalf("%+v", v)
		}
		a := alarms{}
		a.replace(metadataWords, v.alarms(0))
	})
}

func TestViewComesBack(t *testing.T) {
	v := view{
		pid: 12, version: "1.2.3", bootID: "b", state: restarting, since: 1000, restarts: 3, last: "signal-9",
		core:     coreView{pid: 13, version: "2 with blank", counter: 7, hash: [32]byte{1, 2}, role: "good"},
		warnings: []warning{{"expired", "root expired\nforged yes"}, {"stale", "old"}},
	}
	want := v
	want.warnings = []warning{{"expired", "root expired forged yes"}, {"stale", "old"}}
	if got := parseView(v.String()); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\n%s", got, v)
	}
	path := filepath.Join(t.TempDir(), "stub")
	if got := readView(path); !reflect.DeepEqual(got, view{}) {
		t.Errorf("%+v", got)
	}
	for range 2 {
		if err := v.save(path); err != nil {
			t.Fatal(err)
		}
	}
	if got := readView(path); got.pid != 12 {
		t.Errorf("%+v", got)
	}
}

func FuzzView(f *testing.F) {
	f.Add(view{pid: 1, state: running, core: coreView{counter: 1}}.String())
	f.Add("pid x\nwarning\ncore_hash zz\n")
	f.Fuzz(func(t *testing.T, s string) {
		v := parseView(s)
		if again := parseView(v.String()); len(again.warnings) > len(v.warnings) {
			t.Fatalf("%+v became %+v", v, again)
		}
		var any any
		if err := json.Unmarshal([]byte(report{view: v, running: true}.json()), &any); err != nil {
			t.Fatal(err)
		}
	})
}

func TestJSONText(t *testing.T) {
	for _, s := range []string{"", `a"b\c`, "\x00\n\t\x7f", "grün \u2028 𝄞", "bad \xff byte"} {
		var got string
		if err := json.Unmarshal([]byte(text(s)), &got); err != nil || got != strings.ToValidUTF8(s, "\ufffd") {
			t.Errorf("%q: %s became %q (%v)", s, text(s), got, err)
		}
	}
}

func TestAlarms(t *testing.T) {
	var a alarms
	if !a.set("repair", "one") || !a.set("repair", "two") || a.set("repair", "two") {
		t.Error("news is not told from what is known")
	}
	a.set("stale", "x")
	a.set("expired", "old")
	if news := a.replace(metadataWords, []warning{{"stale", "x"}, {"stale", "y"}}); len(news) != 1 || news[0].text != "y" {
		t.Errorf("news %v", news)
	}
	if want := []warning{{"repair", "two"}, {"stale", "x"}, {"stale", "y"}}; !reflect.DeepEqual(a.list, want) {
		t.Errorf("%v", a.list)
	}
	if a.clear("repair", "stale"); len(a.list) != 0 {
		t.Errorf("%v", a.list)
	}
}

func TestLogIsCapped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	f := &logFile{path: path, size: 1000}
	l := &logger{tee{f}, func() time.Time { return time.Unix(0, 0) }}
	for i := range 100 {
		l.info("something happened", "number", fmt.Sprint(i), "text", "two words")
	}
	f.Close()
	for _, p := range []string{path, path + ".1"} {
		info, err := os.Stat(p)
		if err != nil || info.Size() > 1000 || info.Size() < 100 {
			t.Errorf("%s: %v %v", p, info, err)
		}
	}
	last, _ := os.ReadFile(path)
	want := `time=1970-01-01T00:00:00.000Z level=INFO msg="something happened" number=99 text="two words"` + "\n"
	if !strings.HasSuffix(string(last), want) {
		t.Errorf("%s", last)
	}
}

func TestRotateKeepsTheWriterGoing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "core.log")
	if err := fsys.Rotate(path, 100); !os.IsNotExist(err) {
		t.Errorf("%v", err)
	}
	f, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	write := func(s string) {
		if _, err := f.WriteString(s); err != nil {
			t.Fatal(err)
		}
	}
	write(strings.Repeat("a", 100))
	if err := fsys.Rotate(path, 100); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + ".1"); err == nil {
		t.Error("rotated within its size")
	}
	write(strings.Repeat("b", 50))
	if err := fsys.Rotate(path, 100); err != nil {
		t.Fatal(err)
	}
	write("c")
	old, _ := os.ReadFile(path + ".1")
	now, _ := os.ReadFile(path)
	if string(old) != strings.Repeat("a", 50)+strings.Repeat("b", 50) || string(now) != "c" {
		t.Errorf("%q then %q", old, now)
	}
}

func TestWatchdogInterval(t *testing.T) {
	tests := []struct {
		usec, pid string
		want      time.Duration
	}{
		{"30000000", "", 15 * time.Second},
		{"30000000", fmt.Sprint(os.Getpid()), 15 * time.Second},
		{"30000000", "1", 0},
		{"1099511627775", "", 549755813887500},
		{"1099511627776", "", 0},
		{"", "", 0},
		{"often", "", 0},
	}
	for _, tt := range tests {
		t.Setenv("WATCHDOG_USEC", tt.usec)
		t.Setenv("WATCHDOG_PID", tt.pid)
		if got := watchdogInterval(); got != tt.want {
			t.Errorf("%s %s: %v", tt.usec, tt.pid, got)
		}
	}
}

func TestSendDoesNotWaitForADeafCore(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	for range 2000 {
		if err = send(w, strings.Repeat("x", 100)); err != nil {
			break
		}
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestStatusForAPerson(t *testing.T) {
	r := report{running: true, view: view{
		version: "1.2.3", state: restarting, since: 1000, restarts: 2, last: "hang",
		core: coreView{counter: 7, role: "previous"}, warnings: []warning{{"repair", "good is damaged"}},
	}, came: "came=1.3 came_as=delta came_codec=go1 came_bytes=52000 came_of=11260030"}
	got := r.text(time.Unix(1090, 0))
	for _, want := range []string{
		"limpet 1.2.3: the core ended and is started again since ", "(1m30s)\n",
		"core (version unknown) (release 7, previous), started again 2 times, the last one ended with hang\n",
		"update 1.3 cost 52000 bytes on the wire (delta go1), the core has 11260030\n",
		"warning: good is damaged [repair]\n", "the core does not answer\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	none := report{record: boot.Record{}}
	if got := none.text(time.Now()); !strings.HasPrefix(got, "limpet (version unknown): not running (hint: ") {
		t.Errorf("%s", got)
	}
}

func TestLastCame(t *testing.T) {
	l, err := platforms.Locate(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if got := lastCame(l); got != "" {
		t.Errorf("without a history an update came as %q", got)
	}
	if err := os.MkdirAll(l.State, 0o755); err != nil {
		t.Fatal(err)
	}
	text := "2026-01-02T03:04:05Z stage release=2 version=1.2 hash=aa came=1.2 came_as=full came_bytes=9 came_of=9\n" +
		"2026-01-02T03:05:05Z stage release=3 version=1.3 hash=bb " + came(signed{Core: boot.Core{Length: 900}, version: "1.3"}, []string{"delta", "50", "go1"}, 70) + "\n" +
		"2026-01-02T03:06:05Z commit release=3 version=1.3 hash=bb\n"
	if err := appendHistory(l.History(), text); err != nil {
		t.Fatal(err)
	}
	if got, want := lastCame(l), "came=1.3 came_as=delta came_codec=go1 came_bytes=70 came_of=900"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := valueOf(lastCame(l), "came_of"); got != "900" {
		t.Errorf("of is %q", got)
	}
}

func TestLine(t *testing.T) {
	if got := word("a b\x00\nc\xff"); got != "a_b__c?" {
		t.Errorf("%q", got)
	}
	if got := line(strings.Repeat("ü", 200)); len(got) > 310 || !strings.HasSuffix(got, "ü…") {
		t.Errorf("%d %q", len(got), got)
	}
}

// codeOf is the exit code that an error makes, and what a person reads.
func codeOf(err error) (int, string) {
	var b bytes.Buffer
	return explain(&b, err), b.String()
}
