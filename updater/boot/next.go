package boot

import "slices"

// Event is something that happened. The types below are all there are.
type Event interface{ event() }

// Boot: the stub started and found a record.
type Boot struct{}

// Adopt: the stub started and found no record. Cores are those below ver/ that signed metadata names,
// in any order; Floor and Issued are what that metadata says.
type Adopt struct {
	Cores  []Core
	Floor  uint64
	Issued int64 // Unix seconds, 0 = unknown
}

// Look: metadata was verified. It says this floor, and was issued then.
type Look struct {
	Floor  uint64
	Issued int64 // Unix seconds, 0 = unknown
}

// Died: the running core ended unasked, or was ended because it hung. Verdicts counts how often that
// was a verdict against good in the last ten minutes, this time included; Now is Unix seconds, never
// below the time floor.
type Died struct {
	Verdicts int
	Now      int64
}

// Unsound: what Next wanted to run does not hash to what the record says, or is missing. Hashes are
// all that were found so since the last start.
type Unsound struct{ Hashes [][32]byte }

func (Boot) event()    {}
func (Adopt) event()   {}
func (Look) event()    {}
func (Died) event()    {}
func (Unsound) event() {}

// Action is what to do once the record is durable.
type Action struct {
	Do   Do
	Core Core // for Run
	Role Role // for Run and Try: what the core is in the record
	Why  Why  // for Refuse
}

// Do is the kind of an Action.
type Do uint8

// The kinds.
const (
	Nothing Do = iota // go on as before
	Run               // start Core; after Died, after a backoff
	Stay              // nothing here may run: stay up, say so, look again after a backoff
	Try               // start Core in standby beside what runs
	Refuse            // nothing changed; Why says what stands against it
	Reject            // Core is barred: keep the tail of its log, report it; good runs
	GiveUp            // Core is set aside: good runs
	Settle            // Core is good now
	Leave             // the trial, Core, is none any more: end it where it runs
)

// Role is what a core is in the record.
type Role uint8

// The roles, in the order in which they are tried.
const (
	NoRole Role = iota
	GoodRole
	PreviousRole
	FactoryRole
	TrialRole
)

// String is the role as status files and control lines spell it.
func (r Role) String() string {
	return [...]string{"none", "good", "previous", "factory", "trial"}[r]
}

// Next decides what follows from an event. It is a pure function: the caller saves the record where
// it changed, and does what the action says only then.
func Next(r Record, e Event) (Record, Action) {
	switch e := e.(type) {
	case Boot:
		return r, r.run(nil)
	case Died:
		return died(r, e)
	case Adopt:
		return adopt(e)
	case Look:
		return r.raised(e.Floor, e.Issued), Action{}
	case Unsound:
		return r, r.run(e.Hashes)
	case Stage:
		return stage(r, e)
	case Start:
		return start(r, e)
	case Fail:
		return fail(r, e)
	case SetAside:
		return setAside(r, e.Now)
	case Drop:
		return drop(r)
	case Commit:
		return commit(r, e)
	case Revert:
		return revert(r, e)
	case Ask:
		return ask(r, e), Action{}
	case Unbar:
		return unbar(r, e)
	}
	return r, Action{}
}

// adopt makes the first record, or a fresh one where it was lost: pins and bars are gone.
func adopt(e Adopt) (Record, Action) {
	var best Core
	for _, c := range e.Cores {
		if c.whole() && c.Counter > best.Counter {
			best = c
		}
	}
	if best.None() {
		return Record{}, Action{Do: Stay}
	}
	r := Record{Good: best, Factory: best}.raised(e.Floor, e.Issued)
	return r, r.run(nil)
}

// raised lifts floor and time floor; neither ever falls.
func (r Record) raised(floor uint64, issued int64) Record {
	r.Floor = max(r.Floor, floor)
	r.TimeFloor = max(r.TimeFloor, issued)
	return r
}

// run is good; where good is unsound, previous, else factory (SWAP §4, REPAIR). The record does not
// change: the next start tries good first again.
func (r Record) run(unsound [][32]byte) Action {
	for _, c := range []struct {
		core Core
		role Role
	}{{r.Good, GoodRole}, {r.Previous, PreviousRole}, {r.Factory, FactoryRole}} {
		if !c.core.None() && !slices.Contains(unsound, c.core.Hash) {
			return Action{Do: Run, Core: c.core, Role: c.role}
		}
	}
	return Action{Do: Stay}
}
