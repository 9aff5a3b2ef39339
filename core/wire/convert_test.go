package wire

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
)

func TestAResultSurvivesTheWire(t *testing.T) {
	start := time.Unix(1_790_000_000, 123_456_789)
	r := check.Result{
		Check: "web", State: check.Critical, Text: "down", Long: "a\nb", Due: start.Add(-time.Millisecond), Start: start, Duration: 3 * time.Second,
		Perfdata: []check.Perfdata{
			{Label: "time", Value: 1.5, Unit: "s", Warn: "~:5", Crit: "@1:2", Min: 0, Max: math.NaN()},
			{Label: "lost", Value: math.NaN(), Min: math.NaN(), Max: 7},
		},
		Exit: -1, Signal: "SIGKILL", TimedOut: true, Truncated: true, Trigger: check.Manual, Problems: []string{"p"},
	}
	b, err := Marshal(FromResult(r))
	if err != nil {
		t.Fatal(err)
	}
	var w Result
	if err := Unmarshal(b, &w); err != nil {
		t.Fatal(err)
	}
	r.Due = time.Unix(1_790_000_000, 122_000_000) // whole milliseconds travel
	if got, want := fmt.Sprintf("%+v", ToResult(&w)), fmt.Sprintf("%+v", r); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if empty := ToResult(&Result{}); !empty.Due.IsZero() || !empty.Start.IsZero() {
		t.Errorf("times out of nothing: %+v", empty)
	}
}

func TestEnded(t *testing.T) {
	small := check.Result{Check: "a", Text: "t", Long: "l"}
	if got := Ended(small); got.Text != "t" || got.Truncated || len(got.Problems) > 0 {
		t.Errorf("%v", got)
	}
	long := strings.Repeat("é", 600<<10)
	var values []check.Perfdata
	for range 100_000 {
		values = append(values, check.Perfdata{Label: "label", Value: 1})
	}
	for _, r := range []check.Result{{Text: long}, {Long: long, Perfdata: values}, {Perfdata: values}, {Perfdata: []check.Perfdata{{Label: long}}, Problems: []string{long}}} {
		got := Ended(r)
		if n := Size(got); n > maxRunEnd || !got.Truncated || len(got.Problems) == 0 {
			t.Errorf("%d bytes, truncated %v, problems %d", n, got.Truncated, len(got.Problems))
		}
		if _, err := Marshal(got); err != nil {
			t.Error(err)
		}
	}
}

func TestNoStringIsRefusedByTheWire(t *testing.T) {
	bad := "a\xff\x00"
	r := check.Result{Check: bad, Text: bad, Long: bad, Signal: bad, Problems: []string{"fine", bad, bad},
		Perfdata: []check.Perfdata{{Label: bad, Unit: bad, Warn: bad, Crit: bad}}, State: 9, Exit: math.MaxInt}
	w := FromResult(r)
	if _, err := Marshal(w); err != nil {
		t.Errorf("result: %v", err)
	}
	if w.Text != `a\xff\x00` || w.Problems[2] != w.Text || w.Problems[0] != "fine" || r.Problems[1] != bad {
		t.Errorf("text %q, problems %q, the caller's %q", w.Text, w.Problems, r.Problems)
	}
	if w.State != State_STATE_UNKNOWN || w.Exit != math.MaxInt32 {
		t.Errorf("state %v exit %d", w.State, w.Exit)
	}
	if _, err := Marshal(FromCheck(check.Check{Name: bad, Args: []string{bad}, Cron: bad})); err != nil {
		t.Errorf("check: %v", err)
	}
}

func TestWhatANewerPeerSendsIsRead(t *testing.T) {
	r := ToResult(&Result{State: 17, Trigger: 17, Perfdata: []*Perfdata{nil}})
	if r.State != check.Unknown || r.Trigger != check.Scheduled || len(r.Perfdata) != 1 {
		t.Errorf("%+v", r)
	}
}

func TestACheckSurvivesTheWire(t *testing.T) {
	for _, c := range []check.Check{
		{Name: "web", Plugin: "check_http", Args: []string{"-H", ""}, Every: 1500 * time.Millisecond, Timeout: time.Minute},
		{Name: "d", Builtin: "disk", Cron: "* * * * *"},
		{Name: "r", Plugin: "x", Every: time.Minute, Attempts: 3, Retry: 10 * time.Second, Importance: check.High},
	} {
		got, err := ToCheck(FromCheck(c))
		if err != nil || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", c) {
			t.Errorf("got %+v, %v; want %+v", got, err, c)
		}
	}
	for want, w := range map[string]*Check{
		"empty":                 nil,
		"check web: neither":    {Name: "web", EveryMs: 1000},
		"check (unnamed): name": {Name: "\x1b[2J", Plugin: "x", EveryMs: 1000},
		"check web: retry":      {Name: "web", Plugin: "x", EveryMs: 1000, RetryMs: 1000},
		"check web: every":      {Name: "web", Plugin: "x", EveryMs: math.MaxUint32},
	} {
		if _, err := ToCheck(w); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want %s...", err, want)
		}
	}
}

// The largest result that a plugin can cause fits into one record: 1 MiB of output, every byte of it escaped or a value.
func TestTheLargestResultFitsIntoARecord(t *testing.T) {
	const output = 1 << 20
	for name, out := range map[string]string{
		"escaped": strings.Repeat("\x00", output),
		"values":  "|" + strings.Repeat("a=1 ", output/4),
		"limits":  "|" + strings.Repeat("\x00=1;1;1;1;1 ", output/12),
		"ranges":  "|" + strings.Repeat("a=1;\x00 ", output/6),
		"junk":    "|" + strings.Repeat("\x00 =", output/3),
	} {
		o := check.ParseOutput([]byte(out), true)
		w := FromResult(check.Result{Check: strings.Repeat("n", check.MaxName), Text: o.Text, Long: o.Long, Perfdata: o.Perfdata, Problems: o.Problems})
		if n := Size(&Item{Seq: math.MaxUint64, Kind: &Item_Result{Result: w}}); n > MaxRecord {
			t.Errorf("%s: %d bytes, the limit is %d", name, n, MaxRecord)
		}
	}
}

func TestMillis(t *testing.T) {
	for d, want := range map[time.Duration]uint32{-1: 0, 0: 0, 1: 1, time.Second: 1000, time.Duration(math.MaxInt64): math.MaxUint32} {
		if got := millis(d); got != want {
			t.Errorf("millis(%d) = %d, want %d", d, got, want)
		}
	}
}

// Values are told as marshalling tells them, whatever is in them.
func TestAppendPerfdata(t *testing.T) {
	nan := math.NaN()
	values := []check.Perfdata{
		{Label: "a", Value: 1.5, Unit: "ms", Warn: "10:20", Crit: "@1:2", Min: 0, Max: 100},
		{Label: "zero", Min: nan, Max: nan}, {Label: "less than zero", Value: math.Copysign(0, -1), Min: -1, Max: nan}, {Value: nan, Min: nan, Max: math.Inf(1)},
		{Label: "no \xff text\x00", Unit: "\xc3", Warn: strings.Repeat("é", 200), Min: nan, Max: 0},
	}
	want := FromResult(check.Result{Check: "c", Text: "t", Perfdata: values})
	bare := FromResult(check.Result{Check: "c", Text: "t"})
	b, err := Marshal(bare)
	if err != nil {
		t.Fatal(err)
	}
	from := len(b)
	b = AppendPerfdata(b, values)
	if size := SizePerfdata(values); size != len(b)-from {
		t.Errorf("%d bytes, said to be %d", len(b)-from, size)
	}
	all, err := Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != len(b) {
		t.Errorf("%d bytes, marshalled %d", len(b), len(all))
	}
	var got Result
	if err := Unmarshal(b, &got); err != nil || !Equal(&got, want) {
		t.Errorf("%v:\n%v, want\n%v", err, &got, want)
	}
}
