package main

import (
	"bytes"
	"fmt"
	"io"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/updater/boot"
	"github.com/limpet-monitoring/limpet/updater/store"
)

func storeEntry(c boot.Core) store.Entry { return store.Entry{Counter: c.Counter, Hash: c.Hash} }

func readerOf(b []byte) io.Reader { return bytes.NewReader(b) }

// starting holds a start against the rules: only whole bytes, nothing rejected, nothing more often than
// it may, and as good only what passed its trial.
func (w *world) starting(n int, p *process) {
	want, _ := coreOfWorld(n)
	if data, err := fsys.Read(w.power, worldLayout.CoreFile(p.core.Counter, hexOf(p.core.Hash)), 1<<10); err != nil || !bytes.Equal(data, want) {
		w.violated("what starts is not release %d", n)
	}
	if p.role != boot.TrialRole {
		if !w.nature(p.core).may() {
			w.violated("release %d, %v, starts as %v", n, w.nature(p.core), p.role)
		}
		return
	}
	if w.barred[n-1] {
		w.violated("release %d was rejected and starts again", n)
	}
	if w.starts[n-1]++; w.starts[n-1] > boot.MaxStarts {
		w.violated("release %d starts for the %dth time", n, w.starts[n-1])
	}
	// A verdict that the power cut off before it was written may fall again.
	if may := boot.MaxTries + w.story.cuts; int(w.own[n-1]) > may {
		w.violated("release %d ended %d times by its own doing and starts again", n, w.own[n-1])
	}
}

// ending holds against the rules that the supervisor ends a core: never good, while it schedules and nobody has told it to drain.
func (w *world) ending(f *fake) {
	if f.p.role != boot.TrialRole && f.active && f.ready && !f.quiet && !f.gone && !f.drains {
		w.violated("release %d, which runs as %v, is ended (%s): %s", f.core.Counter, f.p.role, f.p.killed, w.standing())
	}
}

// observe takes note of what the durable record says, and holds it against the rules.
func (w *world) observe() {
	r := w.s.record
	if good := int(r.Good.Counter); good > 0 {
		w.settled[good-1] = true
	}
	// Set aside for a day, or dropped since the box's owner or the publisher said so: it begins anew.
	if t := int(r.Trial.Counter); t != w.trial {
		if w.trial > 0 {
			w.starts[w.trial-1], w.own[w.trial-1] = 0, 0
		}
		w.trial = t
	}
	if t := r.Trial; !t.None() && w.nature(t).good() && r.Tries < boot.MaxTries && w.story.happening != dark {
		w.violated("a verdict is held against release %d, which is %v", t.Counter, w.nature(t))
	}
	for _, b := range r.Barred {
		if b == (boot.Bar{}) {
			continue
		}
		n := int(b.Counter)
		w.barred[n-1] = true
		if w.story.releases[n-1].good() {
			w.violated("release %d is %v and barred (%v)", n, w.story.releases[n-1], b.Reason)
		}
	}
}

// ended is the end of a story: the newest good release that is listed runs, and nothing is tried.
func (w *world) ended() {
	if w.asks && w.hold {
		w.violated("the hub said hold, and the record does not know: %s", w.standing())
	}
	want := w.published
	for !w.story.releases[want-1].good() || want == w.gone && !w.settled[want-1] {
		want--
	}
	if w.s.record.Good.Counter != uint64(want) || w.s.core.role != boot.GoodRole {
		w.violated("it ends on release %d, not on %d: %s", w.s.record.Good.Counter, want, w.standing())
	}
}

func (w *world) standing() string {
	r := w.s.record
	return fmt.Sprintf("good %d previous %d trial %d tries %d starts %d, state %s phase %s why %s", r.Good.Counter, r.Previous.Counter,
		r.Trial.Counter, r.Tries, r.Starts, w.s.state, w.s.phase(), w.s.looking.word)
}
