package main

import (
	"strconv"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/boxfile"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

// How often the stub looks for something new.
const (
	lookEvery     = 15 * time.Minute
	lookEveryDev  = 5 * time.Minute
	lookFirst     = 10 * time.Second // after the start; a minute more by chance, so that boxes do not look together
	lookFirstDev  = 2 * time.Second
	lookAfterFail = 5 * time.Minute
)

// looking is the part of the supervisor's state that is about what could run.
type looking struct {
	busy     bool      // a look or a download is under way
	again    bool      // somebody asked for another meanwhile
	bringing boot.Core // what is being downloaded, none otherwise
	due      time.Duration
	dev      bool
	looked   int64 // Unix seconds of the last look that was answered
	looks    int   // looks that ended, however
	phase    string
	word     string // why the box is not on the newest release, "" when it is
	text     string
	newest   signed
	came     string // how the last update came, from history
	wish     boot.Wish
	unkept   *boot.Wish // what the hub asks for, as long as it is not in the record
	damaged  bool       // good did not hash at its last start
	// unconfined is what the system could not take away from our children, as it was last said.
	unconfined string
	found      chan looked
	got        chan brought
}

func (s *supervisor) lookSoon(after time.Duration) {
	s.looking.due = min(s.looking.due, s.machine.sinceBoot()+after)
}

// lookNow looks at once, or right after what is under way.
func (s *supervisor) lookNow() {
	s.looking.again = s.looking.busy
	s.looking.due = s.machine.sinceBoot()
	s.lookIfDue()
}

func (s *supervisor) interval(base time.Duration) time.Duration {
	return base + time.Duration((s.machine.chance()-0.5)*float64(base)/5)
}

func (s *supervisor) errand() errand {
	return errand{&s.family, s.layout, platforms.Fetcher(s.layout), s.looking.wish.Channel, s.now()}
}

// lookIfDue sends the fetcher out. It works without a record too: a box whose cores are all lost gets
// one again.
func (s *supervisor) lookIfDue() {
	l := &s.looking
	if l.busy || s.stopping || s.machine.sinceBoot() < l.due {
		return
	}
	l.busy, l.phase = true, "look"
	l.wish, _ = s.wishes()
	s.machine.look(s.errand())
}

// wishes reads the box file anew.
func (s *supervisor) wishes() (boot.Wish, bool) {
	box, _, err := boxfile.Read(s.layout.BoxFile())
	if err != nil {
		s.log.warn("box file is not read", "err", err.Error())
	}
	s.warnOfUser(box.User)
	return wishes(box, s.record)
}

// warnOfUser says that one key of the box file does nothing yet: whoever set it must not believe that the
// core has fewer rights than it has.
func (s *supervisor) warnOfUser(name string) {
	if name == "" {
		s.alarms.clear("user")
		return
	}
	text := "the box file says user = " + line(name) + ", which this limpet does not do: the core runs with the rights of limpet"
	if s.alarms.set("user", text) {
		s.log.warn(text)
	}
}

// refuse says why this box is not on the newest release.
func (s *supervisor) refuse(word, text string) {
	if s.looking.word != word || s.looking.text != text {
		s.looking.word, s.looking.text = word, text
		if word != "" {
			s.log.info("not on the newest release", "why", word, "text", text)
		}
	}
}

// lookEnded takes what a look found.
func (s *supervisor) lookEnded(f looked) {
	l := &s.looking
	l.busy, l.phase = false, ""
	l.looks++
	every := lookEvery
	if l.dev {
		every = lookEveryDev
	}
	if f.trouble != "" {
		s.refuse(f.word, f.trouble)
		every = min(every, lookAfterFail)
	} else {
		s.verified(f.verdict)
		if f.verdict.refused != "" {
			s.refuse("metadata", "what the mirror offers is refused: "+f.verdict.refused)
		} else {
			l.looked = s.now().Unix()
			s.consider(f.verdict)
		}
	}
	l.due = s.machine.sinceBoot() + s.interval(every)
	s.lookOn()
	s.tellAll()
}

// lookOn looks once more, where that was asked for during the last look.
func (s *supervisor) lookOn() {
	if s.looking.again && !s.looking.busy {
		s.looking.again = false
		s.looking.due = s.machine.sinceBoot()
		s.lookIfDue()
	}
}

// consider decides what to make of the releases that are listed.
func (s *supervisor) consider(v verdict) {
	l := &s.looking
	wish, byHub := s.wishes()
	if wish.Channel != l.wish.Channel {
		l.again = true // somebody changed it meanwhile
	}
	l.wish = wish
	sit := situation{
		record: s.record, found: s.found, wish: wish, byHub: byHub, finger: fingerprint(s.layout),
		damaged: s.found && l.damaged, now: s.wall(), cores: v.cores,
	}
	sit.record.Floor = max(sit.record.Floor, v.floor) // without a record there is no other
	c := choose(sit)
	l.newest = c.newest
	if s.record.Good.Counter < s.record.Floor {
		s.alarms.set("below-floor", "the publisher withdrew the release that runs; it runs on until another one may")
	} else {
		s.alarms.clear("below-floor")
	}
	if why := outdated(sit, c); why != "" {
		s.drop(why)
	}
	s.standing(c)
	if c.pick && (s.record.Trial.None() || c.pending) {
		s.bring(c)
	}
}

// standing says why this box is not on the newest release: what stands against that one, if it is not the one on trial.
func (s *supervisor) standing(c choice) {
	t := s.record.Trial
	if t.None() || c.word != "" && c.newest.Hash != t.Hash {
		s.refuse(c.word, c.text)
		return
	}
	s.refuse("trial", releaseName(s.versions[t.Counter], t.Counter)+" is on trial")
}

func (s *supervisor) bring(c choice) {
	l := &s.looking
	l.busy, l.phase, l.bringing = true, "fetch", c.core.Core
	s.versions[c.core.Counter] = c.core.version
	s.log.info("a release is brought", "version", c.core.version, "release", counter(c.core.Core))
	base := s.record.Good // none without a record
	if l.damaged {
		base = boot.Core{}
	}
	s.machine.bring(s.errand(), c, base)
}

// fetched takes what was brought: STAGE, REVERT or REPAIR.
func (s *supervisor) fetched(b brought) {
	l := &s.looking
	l.busy, l.phase = false, ""
	defer func() { // by then the record names it, or it is not needed
		l.bringing = boot.Core{}
		s.lookOn()
	}()
	c := b.choice.core
	if b.err != nil {
		s.log.warn("a release cannot be brought", "version", c.version, "err", b.err.Error())
		s.refuse(b.word, c.version+" cannot be brought: "+line(b.err.Error()))
		l.due = min(l.due, s.machine.sinceBoot()+s.interval(lookAfterFail))
		s.tellAll()
		return
	}
	s.log.info("release placed", "version", c.version, "release", counter(c.Core), "way", b.came)
	if b.choice.pending {
		s.repaired()
		return
	}
	var event boot.Event = boot.Stage{Core: c.Core, Soak: c.soak, Now: s.wall()}
	if b.choice.revert {
		_, byHub := s.wishes()
		event = boot.Revert{Core: c.Core, Version: c.version, Soak: c.soak, Hub: byHub, Now: s.wall()}
	}
	if s.record.Trial.None() {
		if a := s.decide(event); a.Do == boot.Refuse {
			s.refuse(string(a.Why), c.version+": "+string(a.Why))
		} else if s.record.Trial == c.Core {
			s.note("stage", c.Core, b.came)
			l.came = b.came
			s.standing(b.choice)
		}
	}
	s.tellAll()
	s.tryTrial()
}

// repaired is when good, or the first core of all, was placed.
func (s *supervisor) repaired() {
	s.looking.damaged = false
	switch {
	case !s.found:
		s.ask()
	case s.core == nil:
		s.again()
	case s.core.role != boot.GoodRole && s.core.role != boot.TrialRole:
		s.log.info("good was placed again: it takes over")
		s.tellTo(s.core, "stop restart "+strconv.Itoa(int(stopTime/time.Second)))
		p := s.core
		time.AfterFunc(stopTime, p.child.Kill)
	}
}
