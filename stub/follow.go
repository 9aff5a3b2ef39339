package main

import (
	"encoding/hex"
	"os"
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
	p := s.core
	if p == nil || p.number != e.number {
		return
	}
	if e.ended {
		s.ended(p, e.exit)
		return
	}
	if e.flood {
		s.log.failed("core sends lines too long or too many", "pid", strconv.Itoa(p.child.Pid()))
		s.kill("flood")
		return
	}
	word, rest, _ := strings.Cut(e.line, " ")
	switch word {
	case "ready":
		p.watch.gotReady()
		p.version, _, _ = strings.Cut(rest, " ")
		s.versions[p.core.Counter] = p.version
		s.enter(running)
		s.alarms.clear("restarting")
		s.log.info("core ready", "version", p.version, "after", time.Since(p.started).Round(time.Millisecond).String())
		if p.role == boot.GoodRole {
			s.collect()
		}
		freeMemory()
	case "alive":
		p.watch.gotAlive()
	}
}

// collect removes the cores that the record does not name, once good has shown that it runs.
func (s *supervisor) collect() {
	named := map[store.Entry]bool{}
	for _, c := range []boot.Core{s.record.Good, s.record.Previous, s.record.Trial, s.record.Factory} {
		named[store.Entry{Counter: c.Counter, Hash: c.Hash}] = true
	}
	if err := store.In(s.layout).Collect(func(e store.Entry) bool { return named[e] }); err != nil {
		s.log.warn("cores that nobody needs are not removed", "err", err.Error())
	}
}

// ended is how a core's life closes: everything it left behind is ended, and unless we are stopping
// it starts again after a wait.
func (s *supervisor) ended(p *process, exit platforms.Exit) {
	close(p.done)
	p.stdin.Close()
	s.core = nil
	s.sweep = os.Getpid() != 1 // as pid 1 all orphans of the box are ours, and not all were a core's
	s.reap()
	cause := p.killed
	if cause == "" {
		cause = exit.String()
	}
	if s.stopping {
		s.last = cause
		s.log.info("core stopped", "how", cause)
		return
	}
	s.restarts++
	s.log.warn("core ended", "how", cause, "pid", strconv.Itoa(p.child.Pid()), "after", time.Since(p.started).Round(time.Millisecond).String())
	s.alarms.set("restarting", "the core ended ("+cause+") and is started again; the last lines of "+s.layout.CoreLog()+" may say why")
	s.wait(cause, restarting)
}

// kill ends the core with everything it started. Its end is then heard of as any other.
func (s *supervisor) kill(cause string) {
	if s.core == nil {
		return
	}
	if s.core.killed == "" {
		s.core.killed = cause
	}
	s.core.child.Kill()
}

// tick looks at the watch, at the init system's, and at what grows.
func (s *supervisor) tick() {
	now := platforms.SinceBoot()
	elapsed := now - s.before
	s.before = now
	if p := s.core; p != nil && !s.stopping && p.killed == "" {
		if cause := p.watch.pass(elapsed); cause != "" {
			s.log.failed("core does not answer and is killed", "cause", cause, "pid", strconv.Itoa(p.child.Pid()))
			s.kill(cause)
		}
		if p.watch.healthy() {
			s.backoff.reset()
		}
	}
	if err := rotate(s.layout.CoreLog(), coreLogSize); err != nil && !os.IsNotExist(err) {
		s.log.warn("core log is not rotated", "err", err.Error())
	}
	if s.sweep {
		s.reap()
	}
	s.pat(now)
	if time.Since(s.asked) >= askAgain {
		s.ask()
	}
}

// reap takes the orphans that ended, and ends those that a dead core left.
func (s *supervisor) reap() {
	if left := s.family.Sweep(s.sweep); left > 0 && s.sweep {
		return
	}
	s.sweep = false
	if s.stopping && s.core == nil {
		s.enter(stopped)
	}
}

// reload tells the core that the box file changed, and looks at the metadata anew.
func (s *supervisor) reload() {
	s.log.info("reload")
	s.tell("reload")
	s.ask()
}

// stop asks the core to stop; asked twice it does not wait.
func (s *supervisor) stop() {
	if s.stopping {
		s.kill("stop")
		return
	}
	s.stopping = true
	s.enter(stopping)
	s.init("STOPPING=1")
	s.retry.Stop()
	if s.core == nil {
		s.reap()
		return
	}
	s.tell("stop service " + strconv.Itoa(int(stopTime/time.Second)))
	s.deadline.Reset(stopTime)
}

func (s *supervisor) tell(text string) {
	if s.core == nil {
		return
	}
	if err := send(s.core.stdin, text); err != nil {
		s.log.warn("core does not take a line", "err", err.Error())
	}
}

// statusLine is what a core may want to know, and report to the hub.
func (s *supervisor) statusLine() string {
	p := s.core
	var b strings.Builder
	b.WriteString("status counter=" + counter(p.core) + " hash=" + hex.EncodeToString(p.core.Hash[:]) + " role=" + p.role.String())
	if !s.record.Previous.None() {
		b.WriteString(" previous=" + hex.EncodeToString(s.record.Previous.Hash[:]))
	}
	b.WriteString(" restarts=" + strconv.Itoa(s.restarts) + " last=" + s.last + " floor=" + strconv.FormatUint(s.record.Floor, 10))
	for _, w := range s.alarms.list {
		if b.Len() < lineSize-100 {
			b.WriteString(" warning=" + w.word)
		}
	}
	return b.String()
}

// askAgain is how often stored metadata is looked at though nobody said that it changed: what expires
// is to be warned of in time.
const askAgain = 6 * time.Hour

// ask starts the verifier, unless it is at work.
func (s *supervisor) ask() {
	if s.asking || s.stopping {
		return
	}
	s.asking, s.asked = true, time.Now()
	startVerifier(&s.family, s.layout, s.now(), s.verdicts)
}

// now is a clock that is never behind what is proved to have passed.
func (s *supervisor) now() time.Time {
	now := time.Now()
	if floor := s.record.Time(); floor.After(now) {
		return floor
	}
	return now
}

// verified takes the verdict on the stored metadata: it raises the floors, warns, and where there is
// no record finds the core to adopt.
func (s *supervisor) verified(v verdict) {
	s.asking = false
	defer freeMemory()
	for _, w := range s.alarms.replace(metadataWords, v.alarms(s.record.TimeFloor)) {
		s.log.warn("metadata: "+w.word, "text", w.text)
	}
	switch {
	case !s.found:
		s.adopt(v)
	case v.refused == "":
		s.decide(boot.Look{Floor: v.floor, Issued: v.issued})
	}
	for _, c := range v.cores {
		if c.Core == s.record.Good || c.Core == s.record.Previous || c.Core == s.record.Factory {
			s.versions[c.Counter] = c.version
		}
	}
	if s.core != nil {
		s.tell(s.statusLine())
	}
}

// adopt makes the first record of a box, or a fresh one where it was lost.
func (s *supervisor) adopt(v verdict) {
	blank := boot.Blank(fsys.Disk{}, records(s.layout))
	a := s.decide(boot.Adopt{Cores: sound(s.layout, v.cores), Floor: v.floor, Issued: v.issued})
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
func sound(l platforms.Layout, cores []signed) []boot.Core {
	there, err := store.In(l).List()
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
		if f, err := open(l, c.Core); err == nil {
			f.Close()
			list = append(list, c.Core)
		}
	}
	return list
}
