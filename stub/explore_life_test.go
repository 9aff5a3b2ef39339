package main

import (
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

// live is one life of a stub, until nothing has happened for more than a day.
func (w *world) live() {
	w.power.Ask(w.fate)
	w.power.Each(w.cut)
	w.layer = w.broken.over(w.power)
	s := newSupervisor(worldLayout, &logger{io.Discard, w.now})
	s.on(w)
	s.looking.due = w.up + lookFirst
	s.swap.owned = true // no core outlives its stub here
	w.s = s
	defer w.over.Store(true)
	w.do(s.begin)
	if w.broken.atStart != nil {
		w.do(func() { w.broken.atStart(s) })
	}
	for quiet := 0; quiet < 3 && !w.dead(); {
		w.befall()
		w.tick()
		if !w.idle() {
			quiet = 0
		} else if quiet++; w.onceIdle() {
			quiet = 0
		}
		if w.ticks++; w.ticks > 20_000 {
			w.violated("it does not settle: %s", w.standing())
		}
	}
	if !w.dead() {
		w.ended()
	}
}

// How many ticks no core may schedule: good is there at once wherever it was taken away; a release that hangs while it has
// the schedule is noticed after 15 s, one that does not hand over after 5.
const (
	mostUnmet     = 1
	mostUnmetHung = 12
)

func (w *world) mostUnmet() int {
	for _, n := range w.story.releases {
		if n == hangs || n == rots || n == stubborn {
			return mostUnmetHung
		}
	}
	return mostUnmet
}

// fate asks what becomes of a call to the disk.
func (w *world) fate() crashdisk.Fate {
	if !w.fails {
		return crashdisk.Happens
	}
	fate := []crashdisk.Fate{crashdisk.Happens, crashdisk.CallFails, crashdisk.DiskIsFull}[w.choose.Choose(3)]
	if fate != crashdisk.Happens {
		w.fails = false
	}
	return fate
}

func (w *world) dead() bool { return w.bad != "" }

// do lets the supervisor do something, and then looks at what it made of it.
func (w *world) do(f func()) {
	if w.dead() {
		return
	}
	f()
	w.observe()
}

// tick lets a tick's time pass.
func (w *world) tick() {
	w.up += tick
	w.wall += int64(tick / time.Second)
	for _, f := range w.cores {
		f.speak()
	}
	w.settle()
	w.do(w.s.tick)
	w.settle()
	w.timers()
	w.settle()
}

// settle brings the supervisor everything that it is waiting for.
func (w *world) settle() {
	for !w.dead() {
		// In a fixed order: the same choices must lead to the same life.
		switch s := w.s; {
		case len(s.verdicts) > 0:
			v := <-s.verdicts
			w.do(func() { s.verified(v) })
			continue
		case len(s.looking.found) > 0:
			f := <-s.looking.found
			w.do(func() { s.lookEnded(f) })
			continue
		case len(s.looking.got) > 0:
			b := <-s.looking.got
			w.do(func() { s.fetched(b) })
			continue
		}
		if len(w.heard) == 0 {
			return
		}
		e := w.heard[0]
		w.heard = w.heard[1:]
		w.do(func() { w.s.heard(e) })
		if w.broken.after != nil {
			w.do(func() { w.broken.after(w.s) })
		}
	}
}

// timers fires those that a tick's time is enough for.
func (w *world) timers() {
	s := w.s
	if s.core == nil && (s.state == restarting || s.state == noCore) {
		w.do(s.again)
	}
	w.asked++
	if !s.swap.handing {
		w.asked = 0
	}
	if w.asked > int(handTime/tick) {
		w.do(s.overdue)
	}
	w.unmet++
	for _, f := range w.cores {
		if f.active && f.ready && !f.quiet && !f.gone {
			w.unmet = 0
		}
	}
	if w.unmet > w.mostUnmet() {
		w.violated("nothing has scheduled for %d ticks: %s", w.unmet, w.standing())
	}
	if w.ends > 0 {
		if w.ends--; w.ends == 0 {
			w.out = false
		}
	}
}

// idle reports whether nothing is under way.
func (w *world) idle() bool {
	s := w.s
	return s.record.Trial.None() && s.swap.next == nil && s.swap.judge == nil && len(s.swap.draining) == 0 && !s.looking.busy &&
		s.core != nil && s.core.watch.ready && len(w.heard) == 0
}

// onceIdle goes on with the story, or lets a day pass. It reports whether something happened.
func (w *world) onceIdle() bool {
	happened := true
	switch {
	case w.out:
		w.out, w.ends = false, 0
	case w.published < len(w.story.releases):
		w.published++
	case w.hold && w.s.record.Owner.Hold:
		w.hold = false
		w.ask("resume")
	case w.s.record.Hub.Hold: // said once more where the power failed in between
		w.hold = false
		w.scheduling().say("resume")
	default:
		happened = false
		w.pass(25 * time.Hour) // what was set aside is free again
	}
	w.s.looking.due = w.up
	return happened
}

// scheduling is the core that has the schedule, by the supervisor's lights; nil for none, or one that says nothing.
func (w *world) scheduling() *fake {
	for _, f := range w.cores {
		if f.p == w.s.core && f.ready && !f.quiet && !f.gone {
			return f
		}
	}
	return nil
}

// pass lets the machine sleep.
func (w *world) pass(t time.Duration) {
	w.up += t
	w.wall += int64(t / time.Second)
}

// befall lets the story's happening come now, or later.
func (w *world) befall() {
	if !w.pending || w.dead() || w.published < 2 || w.idle() {
		return
	}
	phase := w.s.phase()
	if phase == "staged" && w.phase == phase {
		return // the trial waits for its time: whatever begins now begins as well when it starts
	}
	w.phase = phase
	if w.choose.Choose(2) == 0 {
		return
	}
	w.pending = false
	switch w.story.happening {
	case outage, dark:
		w.out = true
		w.ends = [...]int{0, 24}[w.choose.Choose(2)] // until nothing happens any more, or a minute
	case news:
		w.published = min(w.published+1, len(w.story.releases))
		w.s.looking.due = w.up
	case killed:
		if c := w.s.core; c != nil {
			for _, f := range w.cores {
				if f.number == c.number {
					f.end(platforms.Exit{Code: -1, Signal: 9})
				}
			}
		}
	case hubHeld:
		if f := w.scheduling(); f != nil {
			w.hold, w.asks = true, true
			f.say("hold")
		}
	case held:
		w.hold = true
		w.ask("hold")
	case withdrew:
		w.gone = w.published
		w.s.looking.due = w.up
	}
}

// ask leaves a request as the owner's command does; it is another process, whose disk does not fail.
func (w *world) ask(words string) {
	w.power.Ask(nil)
	w.power.Each(nil)
	name := filepath.Join(worldLayout.Request(), fmt.Sprintf("%d-%05d.request", w.wall, w.ticks))
	if err := fsys.WriteNew(w.power, name, []byte(words+"\n"), 0o600); err != nil {
		w.violated("ask: %v", err)
	}
	w.power.Ask(w.fate)
	w.power.Each(w.cut)
}

// begins is the disk before the first life of a story.
func begins(s story) *crashdisk.Disk {
	d := crashdisk.New()
	l := worldLayout
	for _, dir := range []string{l.State, l.Ver, l.TrustCore(), l.Request()} {
		mustWorld(d.MkdirAll(dir, 0o755))
	}
	w := world{layer: d}
	data, core := coreOfWorld(1)
	w.s = &supervisor{layout: l, machine: &w}
	mustWorld(w.s.store().Place(storeEntry(core), core.Length, readerOf(data)))
	mustWorld(fsys.WriteNew(d, l.TrustCore()+"/world.json", []byte("{1 0}"), 0o644))
	mustWorld(boot.Prepare(d, records(l)))
	if s.asked {
		mustWorld(fsys.WriteNew(d, l.Request()+"/1.request", []byte("hold\n"), 0o600))
		mustWorld(fsys.WriteNew(d, l.Request()+"/2.request", []byte("resume\n"), 0o600))
	}
	if !s.fresh {
		sectors, _, _ := boot.Load(d, records(l))
		_, err := sectors.Save(boot.Record{Good: core, Factory: core})
		mustWorld(err)
	}
	return d.Restart(crashdisk.Kept{})
}

func mustWorld(err error) {
	if err != nil {
		panic(err)
	}
}
