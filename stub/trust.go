package main

import (
	"time"

	"github.com/limpet-monitoring/limpet/updater/boot"
)

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
		if !blank {
			s.log.warn("the former record was damaged: pins and bars are lost")
			s.alarms.set("pins-lost", "the record was damaged and made anew: pins and bars are lost")
		}
	}
	s.act(a)
}

// sound keeps those of the signed cores that lie in ver/ and hash to what was signed.
func (s *supervisor) sound(cores []signed) []boot.Core {
	var list []boot.Core
	for _, c := range cores {
		if f, err := s.machine.open(c.Core); err == nil {
			f.Close()
			list = append(list, c.Core)
		}
	}
	return list
}
