package main

import (
	"strconv"
	"strings"

	"github.com/limpet-monitoring/limpet/platforms/plain"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

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
