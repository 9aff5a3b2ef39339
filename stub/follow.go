package main

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/plain"
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
	if e.ended {
		s.ended(p, e.exit)
		return
	}
	if e.flood {
		s.log.failed("core sends lines too long or too many", "pid", strconv.Itoa(p.child.Pid()))
		s.end(p, "flood")
		return
	}
	word, rest, _ := strings.Cut(e.line, " ")
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
	case "look", "hold", "resume", "follow":
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
	if p == s.swap.next {
		s.nextReady()
		return
	}
	if p != s.core {
		return
	}
	s.enter(running)
	s.alarms.clear("restarting")
	if p.role == boot.GoodRole && s.record.Trial.None() && len(s.swap.draining) == 0 {
		s.collect()
	}
	s.nextReady()
}

// collect removes the cores that the record does not name, once good has shown that it runs.
func (s *supervisor) collect() {
	named := map[store.Entry]bool{}
	for _, c := range []boot.Core{s.record.Good, s.record.Previous, s.record.Trial, s.record.Factory} {
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
	if wasCore {
		s.core = nil
	}
	s.swap.draining = slices.DeleteFunc(s.swap.draining, func(d *process) bool { return d == p })
	// What a core that drained left behind lives on. As pid 1 all orphans of the box are ours, and not
	// all were a core's.
	s.sweep = os.Getpid() != 1 && (wasCore || wasNext || p.killed != "" || exit != platforms.Exit{})
	s.reap()
	cause := p.how(exit)
	switch {
	case s.stopping:
		if wasNext {
			s.swap.next = nil
		}
		s.last = cause
		s.log.info("core stopped", "how", cause)
		s.reap()
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
		if cause := p.watch.pass(elapsed); cause != "" {
			s.log.failed("core does not answer and is killed", "cause", cause, "pid", strconv.Itoa(p.child.Pid()))
			s.end(p, cause)
		}
	}
	if s.core != nil && s.core.watch.healthy() {
		s.backoff.reset()
	}
	s.swapTick(elapsed)
	if err := rotate(s.layout.CoreLog(), coreLogSize); err != nil && !os.IsNotExist(err) {
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
	s.retry.Stop()
	if len(s.processes()) == 0 {
		s.reap()
		return
	}
	s.tell("stop service " + strconv.Itoa(int(stopTime/time.Second)))
	s.deadline.Reset(stopTime)
}

// tell sends a line to every core.
func (s *supervisor) tell(text string) {
	for _, p := range s.processes() {
		s.tellTo(p, text)
	}
}

func (s *supervisor) tellTo(p *process, text string) {
	if p == nil || p.killed != "" {
		return
	}
	if err := send(p.stdin, text); err != nil {
		s.log.warn("core does not take a line", "pid", strconv.Itoa(p.child.Pid()), "err", err.Error())
	}
}

// tellAll tells the cores what they may want to know, and report to the hub, where that changed.
func (s *supervisor) tellAll() {
	for _, p := range []*process{s.core, s.swap.next} {
		if p == nil {
			continue
		}
		if text := s.statusLine(p); text != p.told {
			p.told = text
			s.tellTo(p, text)
		}
	}
}

// statusLine is what a core may want to know, and report to the hub.
func (s *supervisor) statusLine(p *process) string {
	var b strings.Builder
	put := func(key, value string) { putPair(&b, key, value) }
	b.WriteString("status counter=" + counter(p.core) + " hash=" + plain.Hex(p.core.Hash[:]) + " role=" + p.role.String())
	put("previous", hexOf(s.record.Previous.Hash))
	b.WriteString(" restarts=" + strconv.Itoa(s.restarts) + " last=" + s.last + " floor=" + strconv.FormatUint(s.record.Floor, 10))
	if s.record.TimeFloor > 0 {
		put("time_floor", strconv.FormatInt(s.record.TimeFloor, 10))
	}
	l := &s.looking
	put("channel", l.wish.Channel)
	put("pin", l.wish.Pin)
	if l.wish.Hold {
		put("hold", "yes")
	}
	if !l.newest.None() {
		put("offered", hexOf(l.newest.Hash))
		put("offered_version", l.newest.version)
	}
	if t := s.record.Trial; !t.None() {
		put("trial", hexOf(t.Hash))
		put("tries", strconv.Itoa(int(s.record.Tries)))
		put("starts", strconv.Itoa(int(s.record.Starts)))
	}
	if l.came != "" {
		b.WriteString(" " + l.came)
	}
	put("phase", s.phase())
	put("why", l.word)
	put("why_text", l.text)
	for _, bar := range s.record.Barred {
		if bar != (boot.Bar{}) {
			put("barred", hexOf(bar.Hash)+":"+bar.Reason.String())
		}
	}
	for _, w := range s.alarms.list {
		put("warning", w.word)
	}
	return b.String()
}

//go:noinline
func putPair(b *strings.Builder, key, value string) {
	if value != "" && b.Len()+len(key)+len(value) < lineSize-100 {
		b.WriteString(" " + key + "=" + word(value))
	}
}

// phase is what the updater is at, as one word.
func (s *supervisor) phase() string {
	switch {
	case s.activated() && s.swap.next == nil:
		return "soak"
	case s.swap.handing:
		return "handover"
	case s.swap.next != nil && s.swap.next.role == boot.TrialRole:
		return "standby"
	case s.swap.next != nil, s.swap.judge != nil:
		return "back"
	case s.looking.phase != "":
		return s.looking.phase
	case !s.record.Trial.None():
		return "staged"
	}
	return "idle"
}

// askAgain is how often stored metadata is looked at though nobody said that it changed: what expires
// is to be warned of in time.
const askAgain = 6 * time.Hour

// ask starts the verifier, unless it is at work.
func (s *supervisor) ask() {
	if s.asking || s.stopping {
		return
	}
	s.asking, s.asked = true, s.machine.now()
	s.machine.verify()
}

// now is a clock that is never behind what is proved to have passed.
func (s *supervisor) now() time.Time {
	now := s.machine.now()
	if floor := s.record.Time(); floor.After(now) {
		return floor
	}
	return now
}

// verified takes the verdict on the stored metadata: it raises the floors, warns, and where there is
// no record finds the core to adopt.
func (s *supervisor) verified(v verdict) {
	s.asking = false
	for _, w := range s.alarms.replace(metadataWords, v.alarms(s.record.TimeFloor)) {
		s.log.warn("metadata: "+w.word, "text", w.text)
	}
	s.sayUnconfined(v.unconfined)
	switch {
	case !s.found:
		s.adopt(v)
	case v.refused == "":
		s.decide(boot.Look{Floor: v.floor, Issued: v.issued})
	}
	for _, c := range v.cores {
		if c.Core == s.record.Good || c.Core == s.record.Previous || c.Core == s.record.Factory || c.Core == s.record.Trial {
			s.versions[c.Counter], s.soaks[c.Counter] = c.version, c.soak
		}
	}
	if v.refused == "" && v.development && !s.looking.dev {
		s.looking.dev = true
		s.lookSoon(lookFirstDev)
	}
	s.tellAll()
}

// sayUnconfined logs, once, what this system cannot take away from limpet-fetch and the others. It is no
// warning of the status: nobody can do anything about it but with another kernel.
func (s *supervisor) sayUnconfined(what string) {
	if what != s.looking.unconfined {
		s.looking.unconfined = what
		s.log.warn("what reads metadata and downloads is not wholly confined", "missing", what)
	}
}

// adopt makes the first record of a box, or a fresh one where it was lost.
func (s *supervisor) adopt(v verdict) {
	blank := boot.Blank(s.machine.disk(), records(s.layout))
	a := s.decide(boot.Adopt{Cores: s.sound(v.cores), Floor: v.floor, Issued: v.issued})
	if s.found {
		s.log.info("fresh record written", "release", counter(s.record.Good))
	}
	if s.found && !blank {
		s.log.warn("the former record was damaged: pins and bars are lost")
		s.alarms.set("pins-lost", "the record was damaged and made anew: pins and bars are lost")
	}
	s.act(a)
}

// sound keeps those of the signed cores that lie in ver/ and hash to what was signed.
func (s *supervisor) sound(cores []signed) []boot.Core {
	there, err := s.store().List()
	if err != nil {
		return nil
	}
	placed := map[store.Entry]bool{}
	for _, e := range there {
		placed[e] = true
	}
	var list []boot.Core
	for _, c := range cores {
		if !placed[store.Entry{Counter: c.Counter, Hash: c.Hash}] {
			continue
		}
		if f, err := s.machine.open(c.Core); err == nil {
			f.Close()
			list = append(list, c.Core)
		}
	}
	return list
}
