package main

import (
	"slices"
	"strconv"

	"github.com/limpet-monitoring/limpet/platforms/boxfile"
	"github.com/limpet-monitoring/limpet/signing/tuf"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

// defaultChannel is followed where nobody says otherwise.
const defaultChannel = "stable"

// situation is all that the choice of a release depends on.
type situation struct {
	record  boot.Record
	found   bool // there is a record
	wish    boot.Wish
	byHub   bool   // the pin is the hub's
	finger  string // of the box, "" for none yet
	damaged bool   // good does not hash
	now     int64
	cores   []signed
}

// choice is what to bring, and why nothing newer is.
type choice struct {
	core    signed
	pick    bool
	revert  bool
	newest  signed // the newest of the channel, zero when there is none
	word    string // why the box is not on the newest, "" when it is or will be
	text    string
	pending bool // what is picked needs no record's change: good is placed again, or there is no record
}

// wishes are what the box file, the owner and the hub ask for, in this order.
func wishes(box boxfile.Box, r boot.Record) (w boot.Wish, byHub bool) {
	var file boot.Wish
	file.ChannelSet, file.Channel = box.Channel != "", box.Channel
	file.PinSet, file.Pin = box.Pin != "", box.Pin
	if box.Hold != nil {
		file.HoldSet, file.Hold = true, *box.Hold
	}
	above := file.Over(r.Owner)
	w = above.Over(r.Hub)
	if w.Channel == "" {
		w.Channel = defaultChannel
	}
	return w, !above.PinSet && w.Pin != ""
}

// choose is a pure function of what was signed, what the record says and what is asked for.
func choose(s situation) choice {
	cores := newestFirst(s.cores, s.wish.Channel)
	var c choice
	if len(cores) > 0 {
		c.newest = *cores[0]
	}
	switch {
	case s.damaged:
		c.repair(s, cores)
	case s.wish.Pin != "":
		c.pinned(s, cores)
	default:
		c.follow(s, cores)
	}
	return c
}

// newestFirst are the releases of a channel, highest counter first. They come in that order from our
// verifier; a few that do not are put in their place.
func newestFirst(all []signed, channel string) []*signed {
	var list []*signed
	for i := range all {
		if all[i].channel != channel {
			continue
		}
		list = append(list, &all[i])
		for at := len(list) - 1; at > 0 && list[at-1].Counter < list[at].Counter; at-- {
			list[at-1], list[at] = list[at], list[at-1]
		}
	}
	return list
}

func (c *choice) no(word, text string) {
	if c.word == "" {
		c.word, c.text = word, text
	}
}

// repair places good again.
func (c *choice) repair(s situation, cores []*signed) {
	for _, l := range cores {
		if l.Core == s.record.Good {
			c.core, c.pick, c.pending = *l, true, true
			return
		}
	}
	c.no("damaged", "the core that should run is damaged, and the publisher does not list it any more")
}

func (c *choice) pinned(s situation, cores []*signed) {
	at := slices.IndexFunc(cores, func(l *signed) bool { return l.version == s.wish.Pin })
	if at < 0 {
		c.no("pin-not-listed", "this box is pinned to "+s.wish.Pin+", which channel "+s.wish.Channel+" does not list; what runs goes on")
		return
	}
	l := cores[at]
	switch {
	case !s.found && l.Counter >= s.record.Floor:
		c.core, c.pick, c.pending = *l, true, true
		return
	case l.Hash == s.record.Good.Hash:
		if l.Counter < c.newest.Counter {
			c.no("pinned", "this box is pinned to "+s.wish.Pin)
		}
		return
	case s.wish.Hold:
		c.no("held", "updates of this box are held")
		return
	}
	c.revert = l.Counter < s.record.Good.Counter
	why := s.record.Against(l.Core, s.now)
	if c.revert {
		why = s.record.AgainstRevert(l.Core, s.byHub, s.now)
	}
	if why != "" {
		c.revert = false
		c.against(s, l, why)
		return
	}
	c.core, c.pick = *l, true
	if l.Counter < c.newest.Counter {
		c.no("pinned", "this box is pinned to "+s.wish.Pin)
	}
}

// follow takes the newest that nothing stands against. A box without any core takes the newest that may be
// installed at all, where no wave is open to it and the mirror holds back the rest: else nothing here would be watched.
func (c *choice) follow(s situation, cores []*signed) {
	for _, l := range cores {
		if s.found && l.Counter <= s.record.Good.Counter {
			break
		}
		why := s.record.Against(l.Core, s.now)
		switch {
		case s.wish.Hold && s.found:
			c.no("held", "updates of this box are held")
		case l.held:
			c.no("held-by-mirror", "the mirror holds "+l.version+" back")
		case why != "":
			c.against(s, l, why)
		case !tuf.Within(tuf.Cohort(s.finger, l.version), l.open):
			c.no("wave", l.closed(s.finger))
		default:
			c.core, c.pick, c.pending = *l, true, !s.found
			return
		}
	}
	if s.found {
		return
	}
	for _, l := range cores {
		if s.record.Against(l.Core, s.now) == "" {
			*c = choice{core: *l, pick: true, pending: true, newest: c.newest}
			return
		}
	}
}

// closed says why the waves of a release leave a box out.
func (l *signed) closed(finger string) string {
	switch {
	case l.most == 0:
		return l.version + " is paused: its publisher opens it to no box for now"
	case !tuf.Within(tuf.Cohort(finger, l.version), l.most):
		return l.version + " is not open to this box, and no wave that it is in is planned yet"
	}
	return l.version + " is not open to this box yet: its wave comes later"
}

func (c *choice) against(s situation, l *signed, why boot.Why) {
	switch why {
	case boot.WhyBarred:
		var reason boot.Reason
		for _, b := range s.record.Barred {
			if b.Hash == l.Hash {
				reason = b.Reason
			}
		}
		c.no("barred", l.version+" failed on this box ("+reason.String()+") and is barred; `limpet unbar "+hexOf(l.Hash)+"` lets it try again")
	case boot.WhyAside:
		c.no("set-aside", l.version+" was tried often without a verdict, and is tried again within a day")
	case boot.WhyFloor:
		c.no("below-floor", "the publisher withdrew "+l.version)
	case boot.WhyTooOften:
		c.no("too-soon", "the hub had this box go back within the last day")
	default:
		c.no(string(why), l.version+": "+string(why))
	}
}

// outdated says why a trial that was not activated yet is to be dropped, "" when it stays.
func outdated(s situation, c choice) string {
	t := s.record.Trial
	if t.None() {
		return ""
	}
	at := slices.IndexFunc(s.cores, func(l signed) bool { return l.Core == t && l.channel == s.wish.Channel })
	switch {
	case s.wish.Hold:
		return "held"
	case t.Counter < s.record.Floor:
		return "below-floor"
	case at < 0 && t == s.record.Previous && s.wish.Pin != "":
		return "" // the owner went back to what is here
	case at < 0:
		return "withdrawn"
	case s.cores[at].held && s.wish.Pin == "":
		return "held-by-mirror"
	case s.wish.Pin != "" && s.cores[at].version != s.wish.Pin:
		return "pinned"
	case s.wish.Pin == "" && t.Counter < s.record.Good.Counter:
		return "unpinned"
	case c.pick && !c.pending && c.core.Hash != t.Hash:
		return "newer"
	}
	return ""
}

func releaseName(version string, counter uint64) string {
	if version == "" {
		return "release " + strconv.FormatUint(counter, 10)
	}
	return version
}
