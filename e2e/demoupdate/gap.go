package main

import (
	"fmt"
	"slices"
	"time"
)

// runs are scheduled runs, each once, by what makes a result one of its kind.
type runs map[runKey]start

type runKey struct {
	epoch string
	seq   uint64
}

type start struct {
	check string
	at    time.Time
}

func (r runs) add(list []resultView) {
	for _, v := range list {
		if v.Trigger == "scheduled" {
			r[runKey{v.Epoch, v.Seq}] = start{v.Check, v.Start}
		}
	}
}

// gap is how the schedule of the measuring checks went in a stretch of time.
type gap struct {
	runs    int
	late    []time.Duration // how late each run was, sorted
	missed  int             // slots without a run
	doubled int             // runs less than half an interval after one of the same check that was in time
}

// between measures the runs that started in a stretch of time. A run is due one interval after the one before it: a slot that was left out
// counts as missed, and as the lateness of the run that came at last.
func (r runs) between(from, to time.Time, every time.Duration) gap {
	starts := map[string][]time.Time{}
	for _, v := range r {
		starts[v.check] = append(starts[v.check], v.at)
	}
	var g gap
	for _, list := range starts {
		slices.SortFunc(list, time.Time.Compare)
		for i := 1; i < len(list); i++ {
			if list[i].Before(from) || list[i].After(to) {
				continue
			}
			g.runs++
			since := list[i].Sub(list[i-1])
			switch {
			case since < every/2 && (i < 2 || list[i-1].Sub(list[i-2]) < every*3/2): // after a slot made up for late, the next one is near
				g.doubled++
			case since > every*3/2:
				g.missed += int((since+every/2)/every) - 1
			}
			g.late = append(g.late, max(0, since-every))
		}
	}
	slices.Sort(g.late)
	return g
}

// at is a quantile of the lateness, 0 without runs.
func (g gap) at(q float64) time.Duration {
	if len(g.late) == 0 {
		return 0
	}
	return g.late[min(len(g.late)-1, int(q*float64(len(g.late))))]
}

func (g gap) String() string {
	return fmt.Sprintf("%d runs, latest %d ms, p99 %d ms, missed %d, doubled %d",
		g.runs, g.at(1).Milliseconds(), g.at(0.99).Milliseconds(), g.missed, g.doubled)
}
