package agent

import (
	"cmp"
	"hash/fnv"
	"slices"
	"strings"
	"sync"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/config"
	"github.com/limpet-monitoring/limpet/core/internal/schedule"
	"github.com/limpet-monitoring/limpet/core/wire"
)

// board holds the last result of each check for whoever asks: the status and the control lines. Runs write to it from their own
// goroutines.
type board struct {
	mu      sync.Mutex // guards what follows
	last    map[string]outcome
	touched uint64 // slots of checks that a newer revision touched
}

// outcome is a check's last result. One that was handed over by the core before says nothing of this core.
type outcome struct {
	check.Result
	handed bool
}

// shownText is what a status shows of a result's text, in bytes.
const shownText = 4 << 10

// put keeps what a status shows of a result; its long output and values stay on their way to the hub.
func (b *board) put(r check.Result) {
	r.Long, r.Perfdata = "", nil
	r.Text = strings.Clone(strings.ToValidUTF8(r.Text[:min(len(r.Text), shownText)], "")) // of an output that may be a thousand times as long
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.last == nil {
		b.last = map[string]outcome{}
	}
	b.last[r.Check] = outcome{Result: r}
}

// is says whether a check's last result had this state.
func (b *board) is(name string, s check.State) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, ok := b.last[name]
	return ok && r.State == s
}

// result is a check's last one; the zero value where there is none.
func (b *board) result(name string) check.Result {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last[name].Result
}

// stand is where a check stands with one more result, and whether that is elsewhere than before.
func (b *board) stand(c check.Check, r check.Result) (now check.Standing, moved bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.last[c.Name].Standing
	now = before.After(c, r.State, r.Start)
	return now, now != before
}

// inherit takes over what another core knew of these checks, where nothing newer is known.
func (b *board) inherit(states []check.Result, checks []check.Check) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.last == nil {
		b.last = map[string]outcome{}
	}
	run := map[string]bool{}
	for _, c := range checks {
		run[c.Name] = true
	}
	for _, r := range states {
		if _, newer := b.last[r.Check]; run[r.Check] && !newer {
			b.last[r.Check] = outcome{r, true}
		}
	}
}

// results are the last ones of all checks, in the order of their names.
func (b *board) results() []check.Result {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]check.Result, 0, len(b.last))
	for _, o := range b.last {
		all = append(all, o.Result)
	}
	slices.SortFunc(all, func(x, y check.Result) int { return cmp.Compare(x.Check, y.Check) })
	return all
}

// touch notes checks that a newer revision added, changed or removed: what becomes of their slots says nothing of the core.
func (b *board) touch(d config.Changes) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range slices.Concat(d.Added, d.Changed, d.Removed) {
		b.touched |= 1 << slot(name)
	}
}

// untouch begins anew: from now on all that runs is judged.
func (b *board) untouch() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.touched = 0
}

// keep drops the results of checks that are gone.
func (b *board) keep(checks []check.Check) {
	names := make(map[string]bool, len(checks))
	for _, c := range checks {
		names[c.Name] = true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for name := range b.last {
		if !names[name] {
			delete(b.last, name)
		}
	}
}

// statuses joins the schedule's entries with their last results, worst first, then by name.
func (b *board) statuses(entries []schedule.Entry) []CheckStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]CheckStatus, 0, len(entries))
	for _, e := range entries {
		s := CheckStatus{Name: e.Check.Name, Runs: wire.Name(e.Check), Running: e.Running, Skipped: e.Skipped, Shed: e.Shed}
		if !e.Next.IsZero() {
			s.Next = &e.Next
		}
		if r, ok := b.last[e.Check.Name]; ok {
			s.State, s.Text, s.Last = r.State.String(), r.Text, &r.Start
			s.stand(r.Standing)
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(x, y CheckStatus) int {
		return cmp.Or(cmp.Compare(rank(x.State), rank(y.State)), cmp.Compare(x.Name, y.Name))
	})
	return out
}

// rank orders states for people: what hurts first, what is fine last, what has not run between.
func rank(state string) int {
	return slices.Index([]string{"CRITICAL", "UNKNOWN", "WARNING", "", "OK"}, state)
}

// slots are the upper 56 bits of the control line `checks`: slot(name) holds when no check in it is UNKNOWN; a slot in which a
// check has not run yet, or that a newer revision touched, is not judged.
const firstSlot = 8

func slot(name string) int {
	h := fnv.New64a()
	h.Write([]byte(name))
	return firstSlot + int(h.Sum64()%56)
}

// bits gives the slots' part of BITMAP and MASK.
func (b *board) bits(checks []check.Check) (bitmap, mask uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var broken, unseen uint64
	for _, c := range checks {
		bit := uint64(1) << slot(c.Name)
		mask |= bit
		switch r, ran := b.last[c.Name]; {
		case !ran || r.handed:
			unseen |= bit
		case r.State == check.Unknown:
			broken |= bit
		}
	}
	mask &^= unseen | b.touched
	return mask &^ broken, mask
}
