package boot

import "testing"

const day = 24 * 3600

// trialOf is a record with a trial in some state.
func trialOf(r Record, c Core, tries, starts uint8) Record {
	r.Trial, r.Tries, r.Starts, r.Soak = c, tries, starts, 300
	return r
}

func with(r Record, change func(*Record)) Record {
	change(&r)
	return r
}

func barredBy(r Record, c Core, reason Reason) Record { return r.bar(c, reason) }

func TestTransitions(t *testing.T) {
	good, previous, next, older := sample(41), sample(40), sample(42), sample(20)
	base := Record{Sequence: 9, Good: good, Previous: previous, Factory: sample(3), Floor: 10, TimeFloor: 1000}
	run := Action{Do: Run, Core: good, Role: GoodRole}
	refuse := func(c Core, why Why) Action { return Action{Do: Refuse, Core: c, Why: why} }
	aside := func(r Record, c Core, until int64) Record {
		r.Aside[0] = Aside{c.Hash, c.Counter, until}
		return r
	}
	committed := with(base, func(r *Record) { r.Committed = 5000 })
	demoted := with(barredBy(base, good, Demoted), func(r *Record) { r.Good, r.Previous = previous, Core{} })
	tests := []struct {
		name   string
		before Record
		event  Event
		after  Record
		action Action
	}{
		{"stage: three tries, no start spent", base, Stage{next, 300, 2000}, trialOf(base, next, 3, 0), Action{}},
		{"stage: good is no trial", base, Stage{good, 300, 2000}, base, refuse(good, WhyRuns)},
		{"stage: nothing older", base, Stage{previous, 300, 2000}, base, refuse(previous, WhyOlder)},
		{"stage: nothing below the floor", with(base, func(r *Record) { r.Floor = 43 }), Stage{next, 300, 2000},
			with(base, func(r *Record) { r.Floor = 43 }), refuse(next, WhyFloor)},
		{"stage: at the floor is enough", with(base, func(r *Record) { r.Floor = 42 }), Stage{next, 300, 2000},
			trialOf(with(base, func(r *Record) { r.Floor = 42 }), next, 3, 0), Action{}},
		{"stage: nothing barred", barredBy(base, next, Hung), Stage{next, 300, 2000}, barredBy(base, next, Hung), refuse(next, WhyBarred)},
		{"stage: nothing set aside", aside(base, next, 9000), Stage{next, 300, 8999}, aside(base, next, 9000), refuse(next, WhyAside)},
		{"stage: set aside until then", aside(base, next, 9000), Stage{next, 300, 9000}, trialOf(aside(base, next, 9000), next, 3, 0), Action{}},
		{"stage: a clock that stepped back years does not keep it aside", aside(base, next, 100*day), Stage{next, 300, 2000},
			trialOf(aside(base, next, 100*day), next, 3, 0), Action{}},
		{"stage: one trial at a time", trialOf(base, next, 2, 1), Stage{sample(43), 300, 2000}, trialOf(base, next, 2, 1), refuse(sample(43), WhyTrial)},
		{"stage: half a core is none", base, Stage{Core{Counter: 99}, 300, 2000}, base, refuse(Core{Counter: 99}, WhyIncomplete)},

		{"start: spent before it starts", trialOf(base, next, 3, 0), Start{0x1f, 2000},
			with(trialOf(base, next, 3, 1), func(r *Record) { r.Baseline = 0x1f }), Action{Do: Try, Core: next, Role: TrialRole}},
		{"start: the baseline is taken anew", with(trialOf(base, next, 3, 4), func(r *Record) { r.Baseline = 1 }), Start{2, 2000},
			with(trialOf(base, next, 3, 5), func(r *Record) { r.Baseline = 2 }), Action{Do: Try, Core: next, Role: TrialRole}},
		{"start: the eighth", trialOf(base, next, 3, 7), Start{0, 2000}, trialOf(base, next, 3, 8), Action{Do: Try, Core: next, Role: TrialRole}},
		{"start: eight are used up: aside for a day, tries or not, not barred", trialOf(base, next, 1, 8), Start{0, 2000},
			aside(base, next, 2000+day), Action{Do: GiveUp, Core: next}},
		{"start: aside counts from the time floor where the clock is behind", trialOf(base, next, 3, 8), Start{0, 5},
			aside(base, next, 1000+day), Action{Do: GiveUp, Core: next}},
		{"start: no tries left is a rejection", trialOf(base, next, 0, 3), Start{0, 2000}, barredBy(base, next, Exited), Action{Do: Reject, Core: next}},
		{"start: no trial, nothing", base, Start{0, 2000}, base, Action{}},

		{"fail: a try less", trialOf(base, next, 3, 1), Fail{Exited}, trialOf(base, next, 2, 1), Action{}},
		{"fail: the third is a rejection by hash", trialOf(base, next, 1, 3), Fail{Hung}, barredBy(base, next, Hung), Action{Do: Reject, Core: next}},
		{"fail: no trial, nothing", base, Fail{Hung}, base, Action{}},
		{"set aside: no verdict", trialOf(base, next, 2, 2), SetAside{2000}, aside(base, next, 2000+day), Action{Do: GiveUp, Core: next}},
		{"set aside twice: one entry", trialOf(aside(base, next, 500), next, 2, 2), SetAside{2000}, aside(base, next, 2000+day), Action{Do: GiveUp, Core: next}},
		{"drop: no trial, nothing barred", trialOf(base, next, 2, 5), Drop{}, base, Action{Do: Leave, Core: next}},
		{"drop: nothing to drop", base, Drop{}, base, Action{}},

		{"commit: good is previous", trialOf(base, next, 3, 1), Commit{5000},
			with(base, func(r *Record) { r.Previous, r.Good, r.Committed = good, next, 5000 }), Action{Do: Settle, Core: next}},
		{"commit: never before the time floor", trialOf(base, next, 1, 8), Commit{5},
			with(base, func(r *Record) { r.Previous, r.Good, r.Committed = good, next, 1000 }), Action{Do: Settle, Core: next}},
		{"commit: no trial, nothing", base, Commit{5000}, base, Action{}},

		{"demote: three verdicts within a day of the commit", committed, Died{3, 5000 + day - 1}, demoted, Action{Do: Run, Core: previous, Role: GoodRole}},
		{"demote: two are not enough", committed, Died{2, 5001}, committed, run},
		{"demote: not after a day", committed, Died{9, 5000 + day}, committed, run},
		{"demote: not what came with bootstrap", base, Died{9, 5001}, base, run},
		{"demote: nothing to go back to", with(committed, func(r *Record) { r.Previous = Core{} }), Died{9, 5001},
			with(committed, func(r *Record) { r.Previous = Core{} }), run},
		{"demote: never to what is barred", barredBy(committed, previous, Hung), Died{9, 5001}, barredBy(committed, previous, Hung), run},
		{"demote: a trial above it stays", trialOf(committed, next, 2, 1), Died{3, 5001}, trialOf(demoted, next, 2, 1),
			Action{Do: Run, Core: previous, Role: GoodRole}},

		{"revert: leaves a pin", base, Revert{older, "0.2.0", 300, false, 2000},
			with(trialOf(base, older, 3, 0), func(r *Record) { r.Owner.PinSet, r.Owner.Pin = true, "0.2.0" }), Action{}},
		{"revert: never below the floor", base, Revert{sample(9), "0.0.9", 300, false, 2000}, base, refuse(sample(9), WhyFloor)},
		{"revert: to the floor", base, Revert{sample(10), "0.1.0", 300, false, 2000},
			with(trialOf(base, sample(10), 3, 0), func(r *Record) { r.Owner.PinSet, r.Owner.Pin = true, "0.1.0" }), Action{}},
		{"revert: nothing barred", barredBy(base, older, Demoted), Revert{older, "0.2.0", 300, false, 2000},
			barredBy(base, older, Demoted), refuse(older, WhyBarred)},
		{"revert: the hub, and when", base, Revert{older, "0.2.0", 300, true, 2000},
			with(trialOf(base, older, 3, 0), func(r *Record) { r.Hub.PinSet, r.Hub.Pin, r.Reverted = true, "0.2.0", 2000 }), Action{}},
		{"revert: the hub once a day", with(base, func(r *Record) { r.Reverted = 2000 }), Revert{older, "0.2.0", 300, true, 2000 + day - 1},
			with(base, func(r *Record) { r.Reverted = 2000 }), refuse(older, WhyTooOften)},
		{"revert: the owner whenever", with(base, func(r *Record) { r.Reverted = 2000 }), Revert{older, "0.2.0", 300, false, 2001},
			with(trialOf(base, older, 3, 0), func(r *Record) { r.Owner.PinSet, r.Owner.Pin, r.Reverted = true, "0.2.0", 2000 }), Action{}},

		{"unbar", barredBy(barredBy(base, next, Hung), sample(50), Exited), Unbar{next.Hash}, barredBy(base, sample(50), Exited), Action{}},
		{"unbar: also what is set aside", aside(base, next, 9000), Unbar{next.Hash}, base, Action{}},
		{"ask: the owner", base, Ask{false, Wish{HoldSet: true, Hold: true}}, with(base, func(r *Record) { r.Owner = Wish{HoldSet: true, Hold: true} }), Action{}},
		{"ask: the hub", base, Ask{true, Wish{ChannelSet: true, Channel: "beta"}}, with(base, func(r *Record) { r.Hub = Wish{ChannelSet: true, Channel: "beta"} }), Action{}},
		{"ask: no such wish", base, Ask{false, Wish{Channel: "beta"}}, base, Action{}},
		{"power cut on a trial: good first, nothing spent", trialOf(base, next, 3, 1), Boot{}, trialOf(base, next, 3, 1), run},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			after, action := Next(tt.before, tt.event)
			if after != tt.after {
				t.Errorf("record %+v\nwant   %+v", after, tt.after)
			}
			if action != tt.action {
				t.Errorf("action %+v, want %+v", action, tt.action)
			}
			if _, err := Encode(after); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFullListsKeepWhatMatters(t *testing.T) {
	r := Record{Good: sample(100)}
	for i := range uint64(20) {
		r = r.bar(sample(101+i), Hung)
	}
	for i := range uint64(20) {
		c := sample(101 + i)
		if got, want := r.barred(c.Hash), i >= 4; got != want {
			t.Errorf("release %d barred: %v", c.Counter, got)
		}
	}
	for i := range int64(20) {
		r.Trial, r.Tries = sample(150+uint64(i)), 3
		r, _ = Next(r, SetAside{1000 + i})
	}
	for i := range int64(20) {
		c := sample(150 + uint64(i))
		if got := r.Against(c, 1100) == WhyAside; got != (i >= 4) {
			t.Errorf("release %d aside: %v", c.Counter, got)
		}
	}
	r.Sequence = 1
	if _, err := Encode(r); err != nil {
		t.Error(err)
	}
}

func TestWishes(t *testing.T) {
	box := Wish{PinSet: true, Pin: "1"}
	owner := Wish{PinSet: true, Pin: "2", HoldSet: true}
	hub := Wish{ChannelSet: true, Channel: "beta", HoldSet: true, Hold: true}
	want := Wish{ChannelSet: true, Channel: "beta", PinSet: true, Pin: "1", HoldSet: true}
	if got := box.Over(owner.Over(hub)); got != want {
		t.Errorf("%+v", got)
	}
}
