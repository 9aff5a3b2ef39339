package main

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/updater/boot"
	"github.com/limpet-monitoring/limpet/updater/store"
)

// heard takes a line or the end of a core. What comes from a core that is gone already is passed over.
func (s *supervisor) heard(e event) {
	at := slices.IndexFunc(s.processes(), func(p *process) bool { return p.number == e.number })
	if at < 0 {
		return
	}
	p := s.processes()[at]
	switch {
	case e.ended:
		s.ended(p, e.exit)
	case e.flood:
		s.log.failed("core sends lines too long or too many", "pid", strconv.Itoa(p.child.Pid()))
		s.end(p, "flood")
	default:
		s.said(p, e.line)
	}
}

// said takes a line.
func (s *supervisor) said(p *process, text string) {
	word, rest, _ := strings.Cut(text, " ")
	switch word {
	case "ready":
		if !p.watch.ready {
			s.ready(p, rest)
		}
	case "alive":
		p.watch.gotAlive()
	case "checks":
		if holds, judged, ok := parseChecks(rest); ok {
			p.holds, p.judged, p.said = holds, judged, true
			if holds&judged&sessionBit != 0 && p.role == boot.GoodRole {
				s.swap.session = s.machine.sinceBoot()
			}
			if p == s.swap.next {
				s.nextReady()
			}
		}
	case "handover":
		if p == s.core && s.swap.handing {
			s.handedOver(strings.TrimSpace(rest))
		}
	case "drained":
		if p == s.core && s.swap.handing { // it never had the schedule: nothing to hand over
			s.activate("")
		}
	case "look":
		if p == s.core {
			s.lookNow()
		}
	case "hold", "resume", "follow":
		if p == s.core {
			s.hubAsks(word, rest)
		}
	}
}

// ready is the first `ready` of a core.
func (s *supervisor) ready(p *process, rest string) {
	p.watch.gotReady()
	p.version, _, _ = strings.Cut(rest, " ")
	if s.versions[p.core.Counter] == "" { // what was signed counts: pins are of that name
		s.versions[p.core.Counter] = p.version
	}
	s.log.info("core ready", "version", p.version, "role", p.role.String(), "after", time.Since(p.started).Round(time.Millisecond).String())
	if p == s.core {
		s.enter(running)
		s.alarms.clear("restarting")
		if p.role == boot.GoodRole && s.record.Trial.None() && len(s.swap.draining) == 0 {
			s.collect()
		}
	}
	s.nextReady()
}

// collect removes the cores that the record does not name, once good has shown that it runs; but for what is being brought, which may lie
// there before the record names it.
func (s *supervisor) collect() {
	named := map[store.Entry]bool{}
	for _, c := range []boot.Core{s.record.Good, s.record.Previous, s.record.Trial, s.record.Factory, s.looking.bringing} {
		named[store.Entry{Counter: c.Counter, Hash: c.Hash}] = true
	}
	if err := s.store().Collect(func(e store.Entry) bool { return named[e] }); err != nil {
		s.log.warn("cores that nobody needs are not removed", "err", err.Error())
	}
}

// ended is how a core's life closes: everything it left behind is ended, and unless we are stopping
// something takes its place.
func (s *supervisor) ended(p *process, exit platforms.Exit) {
	close(p.done)
	p.stdin.Close()
	wasCore, wasNext := p == s.core, p == s.swap.next
	switch {
	case wasCore:
		s.core = nil
	case wasNext:
		s.swap.next = nil
	}
	s.swap.draining = slices.DeleteFunc(s.swap.draining, func(d *process) bool { return d == p })
	// What a core that drained left behind lives on. As pid 1 all orphans of the box are ours, and not
	// all were a core's.
	s.sweep = os.Getpid() != 1 && (wasCore || wasNext || p.killed != "" || exit != platforms.Exit{})
	s.reap()
	cause := p.how(exit)
	switch {
	case s.stopping:
		s.last = cause
		s.log.info("core stopped", "how", cause)
	case wasNext:
		s.nextEnded(p, exit)
	case wasCore && p.role == boot.TrialRole:
		s.last = cause
		s.trialEnded(p, exit)
	case wasCore:
		s.coreEnded(p, exit)
	default:
		s.log.info("former core ended", "release", counter(p.core), "how", cause, "after", p.drained.String())
	}
	s.tellAll()
}

// coreEnded is the death of good, or of what runs in its place: it starts again after a wait.
func (s *supervisor) coreEnded(p *process, exit platforms.Exit) {
	cause := p.how(exit)
	s.restarts++
	s.blameGood(p, exit)
	s.log.warn("core ended", "how", cause, "pid", strconv.Itoa(p.child.Pid()), "after", time.Since(p.started).Round(time.Millisecond).String())
	if s.swap.handing { // it was about to hand over: its successor takes what it left
		s.last = cause
		s.activate("")
		return
	}
	s.alarms.set("restarting", "the core ended ("+cause+") and is started again; the last lines of "+s.layout.CoreLog()+" may say why")
	s.swap.deaths++
	s.wait(cause, restarting)
	s.nextReady()
}

// end ends a core with everything it started. Its end is then heard of as any other.
func (s *supervisor) end(p *process, cause string) {
	if p.killed == "" {
		p.killed = cause
	}
	p.child.Kill()
}

// endAll ends every core.
func (s *supervisor) endAll(cause string) {
	for _, p := range s.processes() {
		s.end(p, cause)
	}
}

// tick looks at the watch, at the init system's, and at what grows.
func (s *supervisor) tick() {
	now := s.machine.sinceBoot()
	elapsed := now - s.before
	s.before = now
	for _, p := range []*process{s.core, s.swap.next} {
		if p == nil || s.stopping || p.killed != "" {
			continue
		}
		if cause := p.watch.pass(elapsed, s.within); cause != "" {
			s.log.failed("core does not answer and is killed", "cause", cause, "pid", strconv.Itoa(p.child.Pid()))
			s.end(p, cause)
		}
	}
	if s.core != nil && s.core.watch.healthy() {
		s.backoff.reset()
	}
	s.swapTick(elapsed)
	if err := fsys.Rotate(s.layout.CoreLog(), coreLogSize); err != nil && !os.IsNotExist(err) {
		s.log.warn("core log is not rotated", "err", err.Error())
	}
	if s.sweep {
		s.reap()
	}
	s.pat(now)
	if s.machine.now().Sub(s.asked) >= askAgain {
		s.ask()
	}
	s.requests()
	s.keepHubs()
	s.lookIfDue()
	s.rest()
}

// reap takes the orphans that ended, and ends those that a dead core left.
func (s *supervisor) reap() {
	if left := s.machine.sweep(s.sweep); left > 0 && s.sweep {
		return
	}
	s.sweep = false
	if s.stopping && len(s.processes()) == 0 {
		s.enter(stopped)
	}
}

// reload is a signal: somebody left a request, or else the box file changed.
func (s *supervisor) reload() {
	if s.requests() {
		return
	}
	s.log.info("reload")
	s.tell("reload")
	s.ask()
	s.lookNow()
}

// stop asks the core to stop; asked twice it does not wait.
func (s *supervisor) stop() {
	if s.stopping {
		s.endAll("stop")
		return
	}
	s.stopping = true
	s.enter(stopping)
	s.init("STOPPING=1")
	s.tell("stop service " + strconv.Itoa(int(stopTime/time.Second)))
	s.deadline.Reset(stopTime)
	s.reap() // where nothing runs this is the end
}
