package builtin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
)

// with gives a registry of one more check, "x", that runs f.
func with(f Func) *Registry {
	r := New(Env{})
	r.families["x"] = family{valid: func([]string) error { return nil }, start: func() Func { return f }}
	return r
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestDefaultsAreValidAndComplete(t *testing.T) {
	r := New(Env{})
	var names []string
	for _, c := range Defaults() {
		if err := r.Check(c.Builtin, c.Args); err != nil {
			t.Error(err)
		}
		if c.Name != c.Builtin || !c.Default || c.Every != 10*time.Second || c.Timeout != 10*time.Second || c.Plugin != "" {
			t.Errorf("%+v", c)
		}
		names = append(names, c.Name)
	}
	want := slices.DeleteFunc(slices.Clone(defaultNames), func(name string) bool { return name == "load" && runtime.GOOS == "windows" })
	if !slices.Equal(names, want) {
		t.Errorf("defaults are %v", names)
	}
}

// What checks there are, and what they take, is read in the docs before it is typed.
func TestEveryBuiltinStandsInTheDocs(t *testing.T) {
	page, err := os.ReadFile("../../../docs/builtin-checks.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range New(Env{}).Names() {
		if !strings.Contains(string(page), "\n| `"+name+"` |") {
			t.Errorf("%s has no line in docs/builtin-checks.md", name)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	r := New(Env{})
	for _, c := range []struct {
		name, args, err string
	}{
		{"disc", "", `unknown builtin "disc" (there are: agent, cert, clock, closed`},
		{"cpu", "-w x", "builtin cpu: option -w: "},
		{"cpu", "--over 99h", "builtin cpu: option --over: "},
		{"load", "-w 1,2,3,4", "more than three"},
		{"load", "-w 5,4,3 -c 1,1,1", "warning load of 1 minutes is above"},
		{"load", "-w -1", "is not of the form"},
		{"memory", "90", `argument "90" is no option`},
		{"swap", "-w 5% -c 10%", "warning must be more free space"},
		{"swap", "-n maybe", "none of ok, warning"},
		{"disk", "-p srv", "no absolute path"},
		{"disk", "-r [", "error parsing regexp"},
		{"disk", "-u XB", "none of bytes"},
		{"disk", "-W 500", "no percentage"},
		{"disk", "-w 101%", "neither a size nor a percentage"},
		{"net", "-i [", "no pattern"},
		{"procs", "-s Q", "state letters"},
		{"procs", "-p -5", "no process id"},
		{"uptime", "-u weeks", "none of seconds"},
		{"clock", "-c 5:1", "range"},
		{"procs", "--ereg-argument-array=[", "error parsing regexp"},
		{"tcp", "-H x", "-p PORT is missing"}, {"tcp", "-p 1", "-H HOST is missing"}, {"tcp", "-H x -p 70000", "no port"}, {"tcp", "-H 1.2.3.4 -6 -p 1", "no address of IPv6"},
		{"tcp", "-H x -p 1 -M maybe", "none of ok"}, {"tcp", "-H x -p 1 -D 5,10", "not of the form"}, {"tcp", "-H x -p 1 -t 0", "no number of seconds"},
		{"http", "", "is missing"}, {"http", "-H a_b/c", "is no host"}, {"http", "-H x -f nowhere", "none of ok"}, {"http", "-H x -r [", "error parsing regexp"},
		{"http", "-H x -k nonsense", "not of the form"}, {"http", "-H x -M soon", "no age"}, {"http", "-H x -m big", "not of the form"}, {"http", "-H x -j get", "no method"},
		{"cert", "-f relative", "no absolute path"}, {"cert", "-H x -f /y", "exclude each other"}, {"cert", "", "is missing"},
		{"closed", "", "-p PORTS is missing"}, {"closed", "-p 5-1", "neither a port"}, {"closed", "-p 1-65535", "more than 1024"},
		{"dns", "-H x -q NAPTR", "none of A"}, {"dns", "-H x -A", "needs a server"}, {"dns", "--ladder -s 1.2.3.4", "has no use"},
		{"ntp", "", "is missing"}, {"ping", "-H x -w 5", "not of the form"}, {"ping", "-H x -p 0", "no number"},
		{"file", "", "is missing"}, {"file", "-f x", "no absolute path"}, {"file", "-f /x --count 1,2", "are for a folder"}, {"file", "-d /x --pattern [", "syntax error"},
		{"log", "-F /x", "are needed"}, {"log", "-F x -q y", "no absolute path"}, {"log", "-F /x -q [", "error parsing regexp"}, {"log", "-F /x -q y --sticky 999h", "not between"},
		{"diskio", "-d [", "no pattern"}, {"systemd", "-u [", "no unit"}, {"systemd", "-s running", "no state"}, {"systemd", "-i", "about units named"},
		{"service", "-s up", "none of stopped"}, {"containers", "-s x", "no absolute path"}, {"containers", "-e lxc", "it is docker"},
		{"agent", "--rss 5", "WARNING,CRITICAL"},
		{"agent", "--rssi 5", "unknown option --rssi (there are: --rss"},
	} {
		if runtime.GOOS == "windows" {
			c.args = strings.ReplaceAll(c.args, " /", " C:/")
		}
		err := r.Check(c.name, strings.Fields(c.args))
		if err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s %s: %v, want %q", c.name, c.args, err, c.err)
		}
		got := r.Run(t.Context(), c.name, strings.Fields(c.args))
		if err != nil && (got.State != check.Unknown || !strings.Contains(got.Text, err.Error())) {
			t.Errorf("%s %s ran: %+v", c.name, c.args, got)
		}
	}
}

func TestHangIsLeftBehindAndNotStartedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung, starts := make(chan struct{}), new(atomic.Int32)
		r := with(func(context.Context, []string) check.Result {
			starts.Add(1)
			<-hung
			return check.Result{Text: "at last"}
		})
		begun := time.Now()
		got := r.Run(within(t, 10*time.Second), "x", nil)
		if took := time.Since(begun); took != 10*time.Second || !got.TimedOut || got.State != check.Unknown ||
			got.Text != "X UNKNOWN - no answer within 10s" || r.Stuck() != 1 {
			t.Fatalf("after %v: %+v, %d stuck", took, got, r.Stuck())
		}
		for range 3 {
			got = r.Run(within(t, 10*time.Second), "x", nil)
			if got.State != check.Unknown || !strings.Contains(got.Text, "has not returned") {
				t.Fatalf("again: %+v", got)
			}
		}
		if took := time.Since(begun); starts.Load() != 1 || r.Stuck() != 1 || took != 10*time.Second {
			t.Fatalf("%d starts, %d stuck, after %v", starts.Load(), r.Stuck(), took)
		}
		close(hung)
		synctest.Wait()
		if got = r.Run(within(t, time.Second), "x", nil); got.Text != "at last" || starts.Load() != 2 || r.Stuck() != 0 {
			t.Fatalf("when it returned: %+v, %d starts, %d stuck", got, starts.Load(), r.Stuck())
		}
	})
}

func TestOtherArgumentsAreAnotherCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung := make(chan struct{})
		r := with(func(_ context.Context, args []string) check.Result {
			if len(args) == 0 {
				<-hung
			}
			return check.Result{Text: "fine"}
		})
		r.Run(within(t, time.Second), "x", nil)
		if got := r.Run(within(t, time.Second), "x", []string{"-a"}); got.Text != "fine" {
			t.Errorf("%+v", got)
		}
		close(hung)
	})
}

func TestCancelledIsNotTimedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung := make(chan struct{})
		r := with(func(context.Context, []string) check.Result { <-hung; return check.Result{} })
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("the agent stops"))
		if got := r.Run(ctx, "x", nil); got.TimedOut || got.Text != "X UNKNOWN - the agent stops" {
			t.Errorf("%+v", got)
		}
		close(hung)
	})
}

func TestSameAtTheSameTimeIsOneRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		starts := new(atomic.Int32)
		r := with(func(context.Context, []string) check.Result {
			starts.Add(1)
			time.Sleep(time.Second)
			return check.Result{Text: "one", Perfdata: []check.Perfdata{{Label: "a"}}, Problems: []string{"p"}}
		})
		results := make(chan check.Result, 5)
		for range 5 {
			go func() { results <- r.Run(within(t, 2*time.Second), "x", nil) }()
		}
		for range 5 {
			got := <-results
			if got.Text != "one" || got.Perfdata[0].Label != "a" || got.Problems[0] != "p" {
				t.Errorf("%+v", got)
			}
			got.Perfdata[0].Label, got.Problems[0] = "mine", "mine" // a caller may do with its own as it likes
		}
		if starts.Load() != 1 {
			t.Errorf("%d starts", starts.Load())
		}
	})
}

func TestPanicIsAResult(t *testing.T) {
	r := with(func(context.Context, []string) check.Result { panic("boom") })
	for range 2 {
		if got := r.Run(t.Context(), "x", nil); got.State != check.Unknown || got.Text != "X UNKNOWN - this is a bug of the agent: boom" {
			t.Errorf("%+v", got)
		}
	}
}

func TestInstancesAreBounded(t *testing.T) {
	r := with(func(context.Context, []string) check.Result { return check.Result{Text: "fine"} })
	for i := range 3 * maxInstances {
		if got := r.Run(t.Context(), "x", []string{fmt.Sprint(i)}); got.Text != "fine" {
			t.Fatalf("%+v", got)
		}
	}
	if n := len(r.instances); n > maxInstances {
		t.Errorf("%d instances", n)
	}
}

func TestInstancesInFlightAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung := make(chan struct{})
		r := with(func(context.Context, []string) check.Result { <-hung; return check.Result{Text: "fine"} })
		for i := range maxInstances {
			r.Run(within(t, time.Second), "x", []string{fmt.Sprint(i)})
		}
		if got := r.Run(within(t, time.Second), "x", []string{"more"}); !strings.Contains(got.Text, "in flight") {
			t.Errorf("%+v", got)
		}
		close(hung)
		synctest.Wait()
		if got := r.Run(within(t, time.Second), "x", []string{"more"}); got.Text != "fine" || r.Stuck() != 0 {
			t.Errorf("%+v, %d stuck", got, r.Stuck())
		}
	})
}

// TestRealBox runs every default check twice on the box the test runs on.
func TestRealBox(t *testing.T) {
	r := New(Env{
		HubOffset: func() (time.Duration, time.Duration, bool) { return -time.Millisecond, 3 * time.Millisecond, true },
		Agent: func() AgentStats {
			return AgentStats{BufferBytes: 1 << 20, BufferLimit: 1 << 30, Pending: 3, Oldest: time.Minute, Lag: time.Millisecond}
		},
	})
	for range 2 {
		for _, c := range Defaults() {
			got := r.Run(within(t, 2*time.Minute), c.Builtin, c.Args)
			if got.State == check.Unknown || !strings.HasPrefix(got.Text, strings.ToUpper(c.Name)+" ") {
				t.Errorf("%s: %+v", c.Name, got)
			}
			labels := make(map[string]bool)
			for _, p := range got.Perfdata {
				if p.Label == "" || labels[p.Label] || p.Value < p.Min || p.Value > p.Max {
					t.Errorf("%s: %+v", c.Name, p)
				}
				labels[p.Label] = true
				for _, limit := range []string{p.Warn, p.Crit} {
					if _, err := check.ParseRange(limit); limit != "" && err != nil {
						t.Errorf("%s: %+v: %v", c.Name, p, err)
					}
				}
			}
		}
	}
}
