// Package boot is the record, which names the core that runs, and the pure function that decides
// every step from one record to the next.
//
// Next decides; Sectors makes a decision durable before it takes effect. The format is that of
// docs/record-format.md. The package starts nothing, hashes nothing and knows no clock: what
// happened comes in as an Event, what to do goes out as an Action. Sectors has one owner.
package boot

import "time"

// Core names a core by the counter of its release, its length in bytes and its SHA-256. The zero
// Core is none.
type Core struct {
	Counter uint64
	Length  int64
	Hash    [32]byte
}

// None reports whether there is no core.
func (c Core) None() bool { return c == Core{} }

// whole is true for none and for a core of which nothing is missing.
func (c Core) whole() bool {
	return c.None() || c.Counter > 0 && c.Length > 0 && c.Hash != [32]byte{}
}

// Record is everything the stub must not forget. It is a value: == compares two.
type Record struct {
	Sequence uint64 // of the last write, set by Sectors.Save

	Good     Core // runs
	Previous Core // ran before good
	Trial    Core // is being tried
	Factory  Core // came with bootstrap

	Tries  uint8  // left for the trial
	Starts uint8  // spent on the trial
	Soak   uint16 // of the trial, seconds

	Committed int64  // when good was committed, Unix seconds; 0 = came with bootstrap
	Reverted  int64  // when the hub last had this box go back, Unix seconds; 0 = never
	Floor     uint64 // nothing below this counter is staged
	TimeFloor int64  // newest signed time seen, Unix seconds
	Baseline  uint64 // checks that held under good when the trial started

	Barred [MaxBarred]Bar  // no gaps
	Aside  [MaxAside]Aside // no gaps

	Owner Wish // what the box's owner asked for
	Hub   Wish // what the hub asked for
}

// How much the record holds. When a list is full the bar with the lowest counter goes, and of the cores
// set aside the one that would be tried again first.
const (
	MaxBarred  = 16
	MaxAside   = 16
	MaxChannel = 32 // bytes
	MaxPin     = 64 // bytes
)

// Bar says that a core never runs on this box again.
type Bar struct {
	Hash    [32]byte
	Counter uint64
	Reason  Reason
}

// Reason is why a core was barred.
type Reason uint8

// The reasons; 0 is none.
const (
	Exited Reason = iota + 1
	Hung
	OutOfMemory
	Regressed
	Demoted
	Asked
)

// String is the reason as control lines and history spell it.
func (r Reason) String() string {
	names := [...]string{"none", "exit", "hang", "out-of-memory", "regressed", "demoted", "asked"}
	if int(r) >= len(names) {
		return "unknown"
	}
	return names[r]
}

// Aside says that a core is not tried again before Until, Unix seconds.
type Aside struct {
	Hash    [32]byte
	Counter uint64
	Until   int64
}

// Wish is what one side asked for. A field counts only where its Set is true.
type Wish struct {
	ChannelSet, PinSet, HoldSet bool
	Channel                     string
	Pin                         string
	Hold                        bool
}

// Time is the time floor as a time; the zero time when there is none.
func (r Record) Time() time.Time {
	if r.TimeFloor == 0 {
		return time.Time{}
	}
	return time.Unix(r.TimeFloor, 0)
}
