package plugin

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
)

// regained waits until no slot is lost: one in which something takes its time to die is, for as long.
func regained(t *testing.T, s *Slots) {
	t.Helper()
	eventually(t, "no slot is lost", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.lookAgain()
		return len(s.lost) == 0
	})
}

func TestASlotServesOneRunAfterTheOther(t *testing.T) {
	s := openSlots(t, Limits{Processes: 50})
	path := script(t, "#!/bin/sh\ngrep ^0:: /proc/self/cgroup\n")
	for range 3 {
		r := run(t, Spec{Path: path, Slots: s}, nil)
		if !strings.HasSuffix(r.Text, "/0") || !strings.Contains(r.Text, runsPrefix) || len(r.Problems) > 0 {
			t.Errorf("ran in %q, problems %q", r.Text, r.Problems)
		}
	}
	var wg sync.WaitGroup
	there := t.TempDir()
	two := script(t, "#!/bin/sh\n: >\"$1/$$\"\nwhile [ $(ls \"$1\" | wc -l) -lt 2 ]; do sleep 0.05; done\necho OK\n") // waits until another is there, too
	for range 8 {
		wg.Go(func() {
			if r := run(t, Spec{Path: two, Args: []string{there}, Slots: s}, nil); r.State != check.OK {
				t.Errorf("got %+v", r)
			}
		})
	}
	wg.Wait()
	if s.made < 2 || s.made > 8 || len(s.idle) != s.made {
		t.Errorf("%d slots made, %d idle", s.made, len(s.idle))
	}
}

func TestARunAfterOneThatWasKilled(t *testing.T) {
	s := openSlots(t, Limits{})
	for range 3 {
		if r := run(t, Spec{Path: script(t, "#!/bin/sh\necho OK; sleep 600 &"), Slots: s}, nil); r.State != check.OK || len(problems(r)) != 1 {
			t.Errorf("got %+v", r)
		}
	}
	regained(t, s)
	if entries, _ := os.ReadDir(s.dir); len(s.idle) > 1 {
		t.Errorf("%d idle, %v", len(s.idle), entries)
	}
}

// A run of root's may change its own cgroup. One that froze it must not stop the next, nor whoever starts that.
func TestARunAfterOneThatFrozeItsSlot(t *testing.T) {
	s := openSlots(t, Limits{})
	freeze := script(t, "#!/bin/sh\necho OK\necho 1 >\"$1/$(sed -n s/^0:://p /proc/self/cgroup)/cgroup.freeze\"\nsleep 600\n")
	mount, err := mountOfCgroups()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if r := run(t, Spec{Path: freeze, Args: []string{mount}, Timeout: time.Second, Slots: s}, nil); !r.TimedOut {
			t.Errorf("got %+v", r)
		}
		if r := run(t, Spec{Path: script(t, "#!/bin/sh\necho OK\n"), Slots: s}, nil); r.State != check.OK || len(r.Problems) > 0 {
			t.Errorf("the run after it: %+v", r)
		}
	}
}

// One that made its cgroup another kind, into which nothing can be started, costs that slot alone.
func TestARunAfterOneThatMadeItsSlotUnfit(t *testing.T) {
	s := openSlots(t, Limits{})
	mount, err := mountOfCgroups()
	if err != nil {
		t.Fatal(err)
	}
	unfit := script(t, "#!/bin/sh\nslot=$1/$(sed -n s/^0:://p /proc/self/cgroup)\necho $$ >\"$1/cgroup.procs\"; echo threaded >\"$slot/cgroup.type\" && echo OK\n") // what is in it could not do that
	for range 2 {
		if r := run(t, Spec{Path: unfit, Args: []string{mount}, Slots: s}, nil); r.State != check.OK {
			t.Fatalf("got %+v", r)
		}
		where := run(t, Spec{Path: script(t, "#!/bin/sh\ngrep ^0:: /proc/self/cgroup\n"), Slots: s}, nil)
		if where.State != check.OK || !strings.Contains(where.Text, filepath.Base(s.dir)) || len(where.Problems) > 0 {
			t.Errorf("the run after it: %+v", where)
		}
	}
}

// What it hides in cgroups below its own is found, named and ended, and they are taken away.
func TestWhatIsInACgroupBelowTheSlot(t *testing.T) {
	s := openSlots(t, Limits{})
	mount, err := mountOfCgroups()
	if err != nil {
		t.Fatal(err)
	}
	body := `#!/bin/sh
below=$1/$(sed -n s/^0:://p /proc/self/cgroup)/below
mkdir "$below" "$below/deeper" && { env -i sleep 600 >&- 2>&- & echo $! >"$below/deeper/cgroup.procs"; echo OK; }
`
	for range 2 {
		r := run(t, Spec{Path: script(t, body), Args: []string{mount}, Slots: s}, nil)
		if r.State != check.OK || len(problems(r)) != 1 || !strings.Contains(r.Problems[0], "left behind") {
			t.Errorf("got %+v", r)
		}
	}
	regained(t, s)
	if entries, _ := os.ReadDir(s.dir); len(s.idle) > 0 {
		t.Errorf("%d idle, %v", len(s.idle), entries)
	}
}

// A run of root's may put what it starts elsewhere. Where it leaves some in its slot as well, all of it is ended.
func TestWhatIsLeftInTheSlotAndOutsideOfIt(t *testing.T) {
	adoptOrphans(t)
	s := openSlots(t, Limits{})
	mount, err := mountOfCgroups()
	if err != nil {
		t.Fatal(err)
	}
	body := `#!/bin/sh
setsid sleep 86401 >&- 2>&- &
one=$!
setsid sleep 86402 >&- 2>&- &
two=$!
echo $two >"$1/cgroup.procs" && echo OK
for p in $one $two; do until [ "$(cat /proc/$p/comm)" = sleep ]; do sleep 0.02; done; done
`
	r := run(t, Spec{Path: script(t, body), Args: []string{mount}, Slots: s}, nil)
	if all := strings.Join(problems(r), "\n"); r.State != check.OK || strings.Count(all, "sleep (pid ") != 2 {
		t.Errorf("got %+v", r)
	}
}

// What forks faster than it can be looked at, in sessions of its own, with a clean environment: nothing of it is left. It forks without end, but
// never has more than a thousand processes, and reaps them itself: where no kernel holds it and we are held up, it would have the machine.
func TestAForkBombEndsInItsSlot(t *testing.T) {
	s := openSlots(t, Limits{Processes: 60})
	body := `#!/bin/sh
trap "" TERM
depth=${1:-0}
while [ $depth = 8 ]; do setsid env -i /bin/sleep 0.1; done
for i in 1 2; do setsid env -i /bin/sh "$0" $((depth+1)) & sleep 0.01; done
while :; do sleep 1; done
`
	var r check.Result
	for _, timeout := range []time.Duration{10 * time.Second, time.Minute} { // a busy machine may not let it come so far
		if r = run(t, Spec{Path: script(t, body), Timeout: timeout, Slots: s}, nil); strings.Contains(r.Text+strings.Join(r.Problems, " "), "limit.run_processes") {
			break
		}
	}
	if r.State == check.OK || !strings.Contains(r.Text+strings.Join(r.Problems, " "), "limit.run_processes") {
		t.Errorf("got %+v", r)
	}
	// Where the kernel refuses the forks, the shell may end by itself for it, and its exit code says what it says.
	if s.Held().Processes == 0 && r.State != check.Unknown || r.State != check.Unknown && (r.Exit != int(r.State) || !strings.Contains(r.Text, "fork")) {
		t.Errorf("got %+v", r)
	}
	regained(t, s)
}

// needs says that the kernel has to hold a limit. Where it cannot, that is said aloud; make test-limits boots one that can, and there it is a failure.
func needs(t *testing.T, held bool, what string) {
	t.Helper()
	switch {
	case held:
	case os.Getenv("LIMPET_MUST_LIMIT") != "":
		t.Fatalf("this kernel does not limit %s", what)
	default:
		t.Skipf("NOT TESTED HERE: no controller for %s in cgroups of version 2 (make test-limits boots a kernel that has it)", what)
	}
}

func TestTheKernelHoldsTheMemoryOfARun(t *testing.T) {
	s := openSlots(t, Limits{Memory: 64 << 20})
	needs(t, s.Held().Memory > 0, "memory")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, Spec{Path: self, Env: []string{"ACT=eat"}, Slots: s}, nil)
	if r.State != check.Unknown || r.Signal != "SIGKILL" || r.Text != "ended by the kernel: it took more than 64 MiB of memory (limit.run_memory)" || r.TimedOut {
		t.Errorf("got %+v", r)
	}
	// A child that does it takes the run along: half of one says nothing.
	body := "#!/bin/sh\necho OK - so far\nACT=eat \"$1\"\necho unharmed\n"
	r = run(t, Spec{Path: script(t, body), Args: []string{self}, Slots: s}, nil)
	if r.State != check.Unknown || !strings.Contains(r.Text, "limit.run_memory") || strings.Contains(r.Long, "unharmed") {
		t.Errorf("got %+v", r)
	}
	if r := run(t, Spec{Path: script(t, "#!/bin/sh\necho OK\n"), Slots: s}, nil); r.State != check.OK || len(r.Problems) > 0 {
		t.Errorf("the run after it: %+v", r)
	}
}

func TestTheKernelHoldsTheProcessesOfARun(t *testing.T) {
	s := openSlots(t, Limits{Processes: 20})
	needs(t, s.Held().Processes > 0, "processes")
	body := `#!/bin/sh
i=0
while [ $i -lt 40 ]; do sleep 600 & i=$((i+1)); done
echo "OK - $i"
`
	r := run(t, Spec{Path: script(t, body), Slots: s}, nil)
	if all := strings.Join(r.Problems, "\n"); !strings.Contains(all, "more than 20 processes (limit.run_processes)") || !strings.Contains(all, "left behind") {
		t.Errorf("got %+v", r)
	}
	if r := run(t, Spec{Path: script(t, "#!/bin/sh\necho OK\n"), Slots: s}, nil); r.State != check.OK || len(r.Problems) > 0 {
		t.Errorf("the run after it: %+v", r)
	}
}

// TestWhatRunsUseIsReadWhileAnyGoesOn, and once more after the last: what has ended uses no more.
func TestWhatRunsUseIsReadWhileAnyGoesOn(t *testing.T) {
	s := openSlots(t, Limits{})
	before := s.Used()
	for range 2 {
		r := run(t, Spec{Path: script(t, "#!/bin/bash\nfor ((i = 0; i < 20000; i++)); do :; done\necho OK\n"), Slots: s}, nil)
		now := s.Used()
		if r.State != check.OK || now <= before {
			t.Fatalf("%v used, %v before, by %+v", now, before, r)
		}
		before = now
	}
	dir := s.dir
	defer func() { s.dir = dir }()
	s.dir = t.TempDir() // where there is nothing to read
	if now := s.Used(); now != before {
		t.Errorf("read again: %v, %v before", now, before)
	}
	x := s.take() // the one that both had
	for range 2 {
		if s.Used() != 0 {
			t.Error("not read while a run is under way")
		}
	}
	s.give(x)
}

func TestWithoutTheKernelsHelpARunGoesWithoutASlot(t *testing.T) {
	s := openSlots(t, Limits{})
	s.rest()
	if r := run(t, Spec{Path: script(t, "#!/bin/sh\necho OK"), Slots: s}, nil); r.State != check.OK {
		t.Errorf("got %+v", r)
	}
	if s.take() != nil {
		t.Error("still gives slots")
	}
	s.rested = time.Now()
	if r := run(t, Spec{Path: script(t, "#!/bin/sh\necho OK"), Slots: s}, nil); r.State != check.OK || len(s.idle) != 1 {
		t.Errorf("after a while: %+v, %d slots", r, len(s.idle))
	}
}

// A core that was killed leaves its slots; the next one ends what is in them, whatever it calls itself.
func TestSlotsOfADeadCoreAreEmptied(t *testing.T) {
	if !apart(t) {
		return
	}
	s := openSlots(t, Limits{})
	dead := strings.TrimSuffix(s.dir, startTime(os.Getpid())) + "1" // the same pid, of another life
	if err := os.Mkdir(dead, 0o755); err != nil {
		t.Fatal(err)
	}
	alien := &Slots{dir: dead}
	x, err := alien.make()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := newPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	defer w.close()
	p, err := start(Spec{Path: "/bin/sleep", Args: []string{"600"}}, "X=1", x, w, w)
	if err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); commandName(p.pid) != "sleep"; { // on a busy machine it is this program for a while
		if p.endsSoon(time.Millisecond) || time.Since(began) > patience {
			t.Fatalf("it is %s", commandName(p.pid))
		}
	}
	ended := EndOrphans()
	if _, gone := p.reap(patience); !gone {
		t.Error("it lives")
	}
	x.close()
	if !strings.Contains(strings.Join(ended, " "), "sleep") {
		t.Errorf("ended %q", ended)
	}
	if _, err := os.Stat(dead); err == nil {
		os.Remove(x.path)
		if err := os.Remove(dead); err != nil {
			t.Error(err)
		}
	}
}
