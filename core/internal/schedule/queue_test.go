package schedule

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
)

// due is a state in which so many checks are due, so many of which may run.
func due(t *testing.T, n, may int) *state {
	t.Helper()
	st := newState(Options{Concurrency: may, Wall: time.Now})
	st.launch = func(*flight, check.Check) {}
	checks := make([]check.Check, n)
	for i := range checks {
		checks[i] = check.Check{Name: fmt.Sprint(i), Plugin: "p", Every: time.Minute}
	}
	wanted, err := read(checks)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	st.set(wanted, now)
	st.advance(now.Add(time.Minute))
	if got := st.queued(); got != n-may {
		t.Fatalf("%d wait, want %d", got, n-may)
	}
	return st
}

// Where each that leaves a queue looks through all the others, those that wait take a hundred times as long as those that run.
func TestManyThatWaitLeaveAtOnce(t *testing.T) {
	const n = 20_000
	for what, leave := range map[string]func(*state){
		"removed": func(st *state) { st.set(nil, time.Now()) },
		"drained": func(st *state) { st.drain() },
	} {
		took := func(st *state) time.Duration {
			start := time.Now()
			leave(st)
			return time.Since(start)
		}
		var running, waiting time.Duration
		for range 5 { // a busy machine may hold one of them up
			if running, waiting = took(due(t, n, n)), took(due(t, n, 1)); waiting <= 20*running+500*time.Millisecond {
				break
			}
		}
		if waiting > 20*running+500*time.Millisecond {
			t.Errorf("%s: %s where all wait, %s where all run", what, waiting, running)
		}
	}
}

// What a queue gives is what the same moves in a slice give.
func TestAQueueKeepsItsOrder(t *testing.T) {
	var q queue
	var due, urgent []*flight
	move := func(list *[]*flight, f *flight) {
		if i := slices.Index(*list, f); i >= 0 {
			*list = slices.Delete(*list, i, i+1)
		}
	}
	for i := range 12 {
		f := &flight{name: fmt.Sprint(i), trigger: check.Scheduled}
		if i%4 == 3 {
			f.trigger = check.Manual
			urgent = append(urgent, f)
		} else {
			due = append(due, f)
		}
		q.add(f)
	}
	first, middle, last := due[0], due[4], due[len(due)-1]
	for _, f := range []*flight{middle, first, last, urgent[1]} {
		f.place.row.remove(f)
		move(&due, f)
		move(&urgent, f)
	}
	hurried := due[3]
	q.urge(hurried)
	q.urge(hurried) // it stands there already
	move(&due, hurried)
	urgent = append(urgent, hurried)
	q.add(last)
	due = append(due, last)
	if q.len() != len(due)+len(urgent) {
		t.Fatalf("%d wait, want %d", q.len(), len(due)+len(urgent))
	}
	want := slices.Concat(urgent[:3], due)
	for i, w := range want {
		if got := q.take(); got != w || got.place.row != nil {
			t.Fatalf("take %d gives %v, want %v", i, got, w)
		}
	}
	if q.take() != nil || q.len() != 0 {
		t.Error("something is left")
	}
}
