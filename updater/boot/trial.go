package boot

import "slices"

// Rules of a trial (SWAP §4).
const (
	MaxTries       = 3         // verdicts until a release is barred
	MaxStarts      = 8         // starts until it is set aside, whatever the verdicts
	asideTime      = 24 * 3600 // seconds until one set aside is tried again
	demoteTime     = 24 * 3600 // seconds after its commit in which good may be demoted
	demoteVerdicts = 3         // in ten minutes, for that
	revertTime     = 24 * 3600 // seconds between two reverts that the hub asks for
)

// Stage: Core was verified as a signed target, and lies in ver/ synced. Soak is in seconds, Now Unix
// seconds, never below the time floor.
type Stage struct {
	Core Core
	Soak uint16
	Now  int64
}

// Start: the trial is about to be started. Baseline is what holds under good now.
type Start struct {
	Baseline uint64
	Now      int64
}

// Fail: a verdict against the trial.
type Fail struct{ Reason Reason }

// SetAside: the trial is not to be tried for a day, and nothing is held against it.
type SetAside struct{ Now int64 }

// Drop: hold, pin or withdrawal before the trial was activated, or its bytes are damaged on disk.
type Drop struct{}

// Commit: the trial was activated, is alive, and its baseline held through the soak.
type Commit struct{ Now int64 }

// Revert: the box's owner, or the hub by a pin, wants a release below good, of the version Version,
// which lies in ver/ synced and is signed. It pins the box to it.
type Revert struct {
	Core    Core
	Version string
	Soak    uint16
	Hub     bool
	Now     int64
}

// Ask: what the box's owner (or the hub) wants from now on; all of it.
type Ask struct {
	Hub  bool
	Wish Wish
}

// Unbar: the box's owner forgives the core with this hash.
type Unbar struct{ Hash [32]byte }

func (Stage) event()    {}
func (Start) event()    {}
func (Fail) event()     {}
func (SetAside) event() {}
func (Drop) event()     {}
func (Commit) event()   {}
func (Revert) event()   {}
func (Ask) event()      {}
func (Unbar) event()    {}

// Why is what stands against a release, as one word.
type Why string

// The reasons for which a release is not staged.
const (
	WhyRuns       Why = "runs"        // it is good
	WhyOlder      Why = "older"       // its counter is not above good's
	WhyFloor      Why = "below-floor" // the publisher withdrew it
	WhyBarred     Why = "barred"
	WhyAside      Why = "set-aside"
	WhyTrial      Why = "trial"    // there is a trial already
	WhyTooOften   Why = "too-soon" // the hub had this box go back today
	WhyIncomplete Why = "incomplete"
)

// Against says what stands against staging a release above good at a time, "" when nothing does. A
// trial under way is not looked at.
func (r Record) Against(c Core, now int64) Why {
	switch {
	case c.Hash == r.Good.Hash:
		return WhyRuns
	case c.Counter <= r.Good.Counter:
		return WhyOlder
	}
	return r.unfit(c, now)
}

// AgainstRevert is Against for a release below good.
func (r Record) AgainstRevert(c Core, hub bool, now int64) Why {
	switch {
	case c.Hash == r.Good.Hash:
		return WhyRuns
	case hub && r.Reverted != 0 && now-r.Reverted < revertTime && now >= r.Reverted:
		return WhyTooOften
	}
	return r.unfit(c, now)
}

// unfit is what holds for every trial.
func (r Record) unfit(c Core, now int64) Why {
	switch {
	case c.None() || !c.whole():
		return WhyIncomplete
	case c.Counter < r.Floor:
		return WhyFloor
	case r.barred(c.Hash):
		return WhyBarred
	case slices.ContainsFunc(r.Aside[:], func(a Aside) bool { return a.Hash == c.Hash && a.holds(now) }):
		return WhyAside
	}
	return ""
}

func (r Record) barred(hash [32]byte) bool {
	return slices.ContainsFunc(r.Barred[:], func(b Bar) bool { return b.Hash == hash && b != Bar{} })
}

// holds is false once its time is over; a clock that stepped back never makes it longer than it was.
func (a Aside) holds(now int64) bool {
	return a != Aside{} && now < a.Until && a.Until-now <= asideTime
}

func stage(r Record, e Stage) (Record, Action) {
	why := r.Against(e.Core, e.Now)
	if why == "" && !r.Trial.None() {
		why = WhyTrial
	}
	if why != "" {
		return r, Action{Do: Refuse, Core: e.Core, Why: why}
	}
	return r.trying(e.Core, e.Soak), Action{}
}

// trying is the record with a fresh trial.
func (r Record) trying(c Core, soak uint16) Record {
	r.Trial, r.Tries, r.Starts, r.Soak, r.Baseline = c, MaxTries, 0, soak, 0
	return r
}

// untried is the record without a trial.
func (r Record) untried() Record {
	r.Trial, r.Tries, r.Starts, r.Soak, r.Baseline = Core{}, 0, 0, 0, 0
	return r
}

func start(r Record, e Start) (Record, Action) {
	switch {
	case r.Trial.None():
		return r, Action{}
	case r.Tries == 0:
		return reject(r, Exited) // only a record that another program wrote says so
	case r.Starts >= MaxStarts:
		return setAside(r, e.Now)
	}
	r.Starts++
	r.Baseline = e.Baseline
	return r, Action{Do: Try, Core: r.Trial, Role: TrialRole}
}

func fail(r Record, e Fail) (Record, Action) {
	switch {
	case r.Trial.None():
		return r, Action{}
	case r.Tries <= 1:
		return reject(r, e.Reason)
	}
	r.Tries--
	return r, Action{}
}

func reject(r Record, reason Reason) (Record, Action) {
	c := r.Trial
	return r.untried().bar(c, reason), Action{Do: Reject, Core: c}
}

// bar adds a core to the barred ones. In a full list the lowest counter goes: below good's it could
// not be staged anyhow.
func (r Record) bar(c Core, reason Reason) Record {
	if r.barred(c.Hash) {
		return r
	}
	at := 0
	for i, b := range r.Barred {
		if (b == Bar{}) {
			at = i
			break
		}
		if b.Counter < r.Barred[at].Counter {
			at = i
		}
	}
	r.Barred[at] = Bar{c.Hash, c.Counter, reason}
	return r
}

func setAside(r Record, now int64) (Record, Action) {
	if r.Trial.None() {
		return r, Action{}
	}
	c := r.Trial
	r = r.untried().forget(c.Hash)
	at := 0
	for i, a := range r.Aside {
		if (a == Aside{}) {
			at = i
			break
		}
		if a.Until < r.Aside[at].Until {
			at = i
		}
	}
	r.Aside[at] = Aside{c.Hash, c.Counter, max(now, r.TimeFloor) + asideTime}
	return r, Action{Do: GiveUp, Core: c}
}

// forget takes a core off the list of those set aside.
func (r Record) forget(hash [32]byte) Record {
	kept := slices.DeleteFunc(slices.Clone(r.Aside[:]), func(a Aside) bool { return a.Hash == hash })
	r.Aside = [MaxAside]Aside{}
	copy(r.Aside[:], kept)
	return r
}

func drop(r Record) (Record, Action) {
	if r.Trial.None() {
		return r, Action{}
	}
	return r.untried(), Action{Do: Leave, Core: r.Trial}
}

func commit(r Record, e Commit) (Record, Action) {
	if r.Trial.None() {
		return r, Action{}
	}
	c := r.Trial
	r.Previous, r.Good, r.Committed = r.Good, c, max(e.Now, r.TimeFloor)
	return r.untried().forget(c.Hash), Action{Do: Settle, Core: c}
}

// died starts good again, or, where it was committed lately and keeps failing, what ran before it.
func died(r Record, e Died) (Record, Action) {
	if e.Verdicts < demoteVerdicts || r.Previous.None() || r.Committed == 0 || e.Now-r.Committed >= demoteTime {
		return r, r.run(nil)
	}
	if r.barred(r.Previous.Hash) {
		return r, r.run(nil)
	}
	r = r.bar(r.Good, Demoted)
	if !r.Trial.None() && r.Trial.Hash == r.Previous.Hash {
		r = r.untried()
	}
	r.Good, r.Previous, r.Committed = r.Previous, Core{}, 0
	return r, r.run(nil)
}

func revert(r Record, e Revert) (Record, Action) {
	why := r.AgainstRevert(e.Core, e.Hub, e.Now)
	if why == "" && !r.Trial.None() {
		why = WhyTrial
	}
	if why != "" {
		return r, Action{Do: Refuse, Core: e.Core, Why: why}
	}
	r = r.trying(e.Core, e.Soak)
	if e.Hub {
		r.Reverted = e.Now
		r.Hub.PinSet, r.Hub.Pin = true, e.Version
	} else {
		r.Owner.PinSet, r.Owner.Pin = true, e.Version
	}
	return r, Action{}
}

func ask(r Record, e Ask) Record {
	if !e.Wish.valid() {
		return r
	}
	if e.Hub {
		r.Hub = e.Wish
	} else {
		r.Owner = e.Wish
	}
	return r
}

func unbar(r Record, e Unbar) (Record, Action) {
	kept := slices.DeleteFunc(slices.Clone(r.Barred[:]), func(b Bar) bool { return b.Hash == e.Hash })
	r.Barred = [MaxBarred]Bar{}
	copy(r.Barred[:], kept)
	return r.forget(e.Hash), Action{}
}

// Over is one wish over another: what the first sets counts.
func (w Wish) Over(below Wish) Wish {
	if !w.ChannelSet {
		w.ChannelSet, w.Channel = below.ChannelSet, below.Channel
	}
	if !w.PinSet {
		w.PinSet, w.Pin = below.PinSet, below.Pin
	}
	if !w.HoldSet {
		w.HoldSet, w.Hold = below.HoldSet, below.Hold
	}
	return w
}
