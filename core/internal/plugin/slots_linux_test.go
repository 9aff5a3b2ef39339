package plugin

import (
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
)

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
	for range 8 {
		wg.Go(func() {
			if r := run(t, Spec{Path: script(t, "#!/bin/sh\nsleep 0.2; echo OK"), Slots: s}, nil); r.State != check.OK {
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
		if r := run(t, Spec{Path: script(t, "#!/bin/sh\necho OK; sleep 600 &"), Slots: s}, nil); r.State != check.OK || len(r.Problems) != 1 {
			t.Errorf("got %+v", r)
		}
	}
	if entries, _ := os.ReadDir(s.dir); len(s.idle) > 1 || len(s.lost) > 0 {
		t.Errorf("%d idle, %d lost, %v", len(s.idle), len(s.lost), entries)
	}
}

// What forks faster than it can be looked at, in sessions of its own, with a clean environment: nothing of it is left.
func TestAForkBombEndsInItsSlot(t *testing.T) {
	s := openSlots(t, Limits{Processes: 60})
	body := `#!/bin/sh
trap "" TERM
bomb() { while :; do setsid env -i /bin/sh "$0" child & sleep 0.01; done; }
bomb
`
	r := run(t, Spec{Path: script(t, body), Timeout: 10 * time.Second, Slots: s}, nil)
	if r.State != check.Unknown || !strings.Contains(r.Text+strings.Join(r.Problems, " "), "limit.processes") {
		t.Errorf("got %+v", r)
	}
	if len(s.lost) > 0 {
		t.Errorf("%d lost", len(s.lost))
	}
}

func TestWithoutTheKernelsHelpARunGoesWithoutASlot(t *testing.T) {
	s := openSlots(t, Limits{})
	s.giveUp()
	if r := run(t, Spec{Path: script(t, "#!/bin/sh\necho OK"), Slots: s}, nil); r.State != check.OK {
		t.Errorf("got %+v", r)
	}
	if s.take() != nil {
		t.Error("still gives slots")
	}
}

// A core that was killed leaves its slots; the next one ends what is in them, whatever it calls itself.
func TestSlotsOfADeadCoreAreEmptied(t *testing.T) {
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
	p, err := start(Spec{Path: "/bin/sleep", Args: []string{"600"}}, "X=1", x, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	ended := EndOrphans()
	if _, gone := p.reap(5 * time.Second); !gone {
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
