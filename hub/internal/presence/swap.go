package presence

import (
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/journal"
)

// Roles of a session whose core does not schedule.
const (
	Standby  = "standby"  // a successor that waits
	Draining = "draining" // relieved, finishing what runs
)

// relievedFor is how long a core that was relieved may come again beside its successor: the longest run it may have to finish.
const relievedFor = time.Hour

// begin decides what a session that begins is to the agent's others, and which of them it ends. silent is a session of theirs that was asked
// and did not answer, "" for none. ErrAsk: whether the agent's session still answers has to be known first. ErrCopy: this is a copy.
func begin(last, e Entry, silent string) (next Entry, replaced string, err error) {
	e.Role, e.Nonce, e.Former, e.Relieved, e.Beside = "", "", last.Former, last.Relieved, nil
	gone := last.Session == silent
	switch {
	case !last.Live():
		return arrive(last, e)
	case e.Shown != "" && e.Shown == last.Shown && gone: // its own line broke
		return follow(last, e)
	case e.Shown != "" && e.Shown == last.Shown:
		return Entry{}, "", ErrAsk
	case last.Beside != nil && e.Shown != "" && e.Shown == last.Beside.Shown:
		return beside(last, e, last.Beside.Role)
	case e.Shown != "" && e.Shown == last.Nonce:
		return beside(last, e, Standby)
	case relieved(last, e):
		return beside(last, e, Draining)
	case e.Shown != "" && last.Role == "": // its announcement is still to come
		return Entry{}, "", ErrOlder
	case last.Role != "" && last.Beside == nil && samePlace(last.Facts, e.Facts): // a core that schedules comes to one that does not
		e.Beside = apart(last)
		e.State = Upgrading
		return e, "", nil
	case !gone:
		return Entry{}, "", ErrAsk
	case last.Beside != nil:
		return follow(last, e)
	}
	e, _, err = arrive(last, e)
	return e, last.Session, err
}

// arrive lets a session in where nobody else is, unless it is a copy's: it has counted no more sessions than another machine with the same key.
func arrive(last, e Entry) (Entry, string, error) {
	if e.Count <= last.Count && otherMachine(last.Facts, e.Facts) {
		return Entry{}, "", ErrCopy
	}
	return e, "", nil
}

func otherMachine(a, b Facts) bool {
	return a.MachineIDHash != "" && b.MachineIDHash != "" && a.MachineIDHash != b.MachineIDHash
}

// samePlace says whether two cores may be of one folder; an older one does not say where it is.
func samePlace(a, b Facts) bool { return a.Place == "" || b.Place == "" || a.Place == b.Place }

// follow puts a session in the place of the agent's.
func follow(last, e Entry) (Entry, string, error) {
	if last.Count >= e.Count {
		return Entry{}, "", ErrOlder
	}
	if e.Shown == last.Shown {
		e.Role = last.Role
	}
	e.Beside, e.State, e.Nonce = last.Beside, last.State, last.Nonce
	return e, last.Session, nil
}

// beside puts a session beside the agent's.
func beside(last, e Entry, role string) (Entry, string, error) {
	replaced := ""
	if last.Beside != nil {
		if last.Beside.Count >= e.Count {
			return Entry{}, "", ErrOlder
		}
		replaced = last.Beside.Session
	}
	e.Role = role
	last.Beside = apart(e)
	if last.State != Upgrading {
		last.State, last.Since = Upgrading, e.Since
	}
	return last, replaced, nil
}

// relieved recognizes the line of a core that finishes what runs: its successor's is there.
func relieved(last, e Entry) bool {
	return last.Role == "" && last.Former != "" && samePlace(last.Facts, e.Facts) && e.Facts.CoreHash == last.Former && last.Facts.CoreHash != last.Former &&
		e.Since.Sub(last.Relieved.Time) < relievedFor && last.Beside == nil
}

// activate makes a session the agent's; the one that was becomes the one that drains.
func activate(e Entry, session string, at journal.Time) (Entry, error) {
	switch {
	case e.Session == session:
		if e.Role != "" && e.Beside == nil {
			e.State, e.Since = Online, at
		}
		e.Role = ""
		return e, nil
	case e.Beside == nil || e.Beside.Session != session:
		return Entry{}, ErrReplaced
	}
	next := *e.Beside
	next.Role, next.State, next.Since = "", Upgrading, e.Since
	next.Former, next.Relieved = e.Facts.CoreHash, at
	e.Role = Draining
	next.Beside = apart(e)
	return next, nil
}

// end takes a session away; the one beside it, where there is one, is the agent's then.
func end(e Entry, session, cause string, at journal.Time) (Entry, error) {
	switch {
	case e.Beside != nil && e.Beside.Session == session:
		e.Beside = nil
		e.State, e.Since = Online, at
		return e, nil
	case e.Session != session || !e.Live():
		return Entry{}, ErrReplaced
	case e.Beside != nil:
		next := *e.Beside
		next.State, next.Cause, next.Since = Online, "", at
		next.Former, next.Relieved = e.Former, e.Relieved
		switch {
		case next.Role == Standby && cause == "upgrade":
			next.Role = "" // it says so itself in a moment
		case next.Role == Standby:
			next.State, next.Since = Upgrading, e.Since // the stub brings one of them to work
		}
		return next, nil
	}
	e.State, e.Cause, e.Since, e.Nonce = Offline, cause, at, ""
	switch cause {
	case "upgrade":
		e.State = Upgrading
	case "deregister":
		e.Count = 0 // the box may come back from an image
	}
	return e, nil
}

// apart is an entry as it is kept beside another.
func apart(e Entry) *Entry {
	e.Beside, e.Former, e.Relieved = nil, "", journal.Time{}
	return &e
}
