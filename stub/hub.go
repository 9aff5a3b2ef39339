package main

import (
	"strings"

	"github.com/limpet-monitoring/limpet/updater/boot"
)

// hubAsks takes a line by which the hub asks for something: it goes beneath what the box's owner asked for. The hub
// says it once: what cannot be written into the record now is written at one of the next ticks.
func (s *supervisor) hubAsks(word, rest string) {
	w := s.record.Hub
	if u := s.looking.unkept; u != nil {
		w = *u
	}
	switch word {
	case "hold", "resume":
		w.HoldSet, w.Hold = word == "hold", word == "hold"
	case "follow":
		f := strings.Fields(rest)
		if len(f) == 0 {
			return
		}
		w.ChannelSet, w.Channel = f[0] != "-", strings.TrimPrefix(f[0], "-")
		w.PinSet, w.Pin = len(f) > 1, ""
		if w.PinSet {
			w.Pin = f[1]
		}
	}
	if w == s.record.Hub {
		s.looking.unkept = nil
		return
	}
	s.log.info("the hub asks", "for", line(word+" "+rest))
	s.looking.unkept = &w
	s.keepHubs()
}

// keepHubs writes what the hub asked for last into the record.
func (s *supervisor) keepHubs() {
	w := s.looking.unkept
	if w == nil {
		return
	}
	if s.decide(boot.Ask{Hub: true, Wish: *w}); s.unsaved {
		return
	}
	s.looking.unkept = nil
	s.lookNow()
}
