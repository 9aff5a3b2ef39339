package boot

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
)

// Where soak, the last revert and the wishes lie (docs/record-format.md), and that they come back.
func TestLaterFieldsAreWhereThePageSays(t *testing.T) {
	r := full()
	r.Soak, r.Reverted = 0x1234, 1_790_000_200
	r.Owner.Pin, r.Owner.PinSet = strings.Repeat("9", MaxPin), true
	b, err := Encode(r)
	if err != nil {
		t.Fatal(err)
	}
	if got := binary.LittleEndian.Uint16(b[218:]); got != 0x1234 {
		t.Errorf("soak is %#x", got)
	}
	if got := binary.LittleEndian.Uint64(b[2000:]); got != 1_790_000_200 {
		t.Errorf("reverted is %d", got)
	}
	if back, err := Decode(b); err != nil || back != r {
		t.Errorf("comes back as %+v, %v", back, err)
	}
	r.Owner.Pin += "9"
	if _, err := Encode(r); MaxPin != 64 || err == nil {
		t.Error("a pin of 65 bytes is kept")
	}
}

func TestReasonsHaveNames(t *testing.T) {
	for reason, want := range map[Reason]string{
		0: "none", Exited: "exit", Hung: "hang", OutOfMemory: "out-of-memory", Regressed: "regressed",
		Demoted: "demoted", Asked: "asked", Asked + 1: "unknown", 255: "unknown",
	} {
		if got := reason.String(); got != want {
			t.Errorf("reason %d is %q, want %q", reason, got, want)
		}
	}
}

func TestTimeFloorAsATime(t *testing.T) {
	if !(Record{}).Time().IsZero() {
		t.Error("no floor is a time")
	}
	for _, floor := range []int64{1, 1_790_000_000} {
		if got := (Record{TimeFloor: floor}).Time(); !got.Equal(time.Unix(floor, 0)) {
			t.Errorf("%d is %v", floor, got)
		}
	}
}

func TestBlank(t *testing.T) {
	names := [2]string{"/rec0", "/rec1"}
	zeros := make([]byte, Size)
	for _, c := range []struct {
		what   string
		zero   []byte
		one    []byte
		expect bool
	}{
		{"no sectors", nil, nil, true},
		{"prepared", zeros, zeros, true},
		{"one of them", zeros, nil, true},
		{"the other", nil, zeros, true},
		{"a lost record", []byte("x"), zeros, false},
		{"a lost record in the second", zeros, append(bytes.Clone(zeros[1:]), 1), false},
		{"a sector too long to read", append(bytes.Clone(zeros), 0), nil, false},
	} {
		d := crashdisk.New()
		for i, data := range [][]byte{c.zero, c.one} {
			if data == nil {
				continue
			}
			if err := fsys.WriteNew(d, names[i], data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := Blank(d, names); got != c.expect {
			t.Errorf("%s: blank %v", c.what, got)
		}
	}
}

func TestWhatStandsAgainstARelease(t *testing.T) {
	good := sample(41)
	twin := Core{Counter: 41, Length: 5, Hash: sample(99).Hash}
	base := Record{Good: good, Floor: 10, Reverted: 5000}
	for _, c := range []struct {
		what string
		got  Why
		want Why
	}{
		{"another core of good's counter", base.Against(twin, 0), WhyOlder},
		{"one more", base.Against(sample(42), 0), ""},
		{"the hub reverts a day later", base.AgainstRevert(sample(20), true, 5000+day), ""},
		{"a second before", base.AgainstRevert(sample(20), true, 5000+day-1), WhyTooOften},
		{"in the same second", base.AgainstRevert(sample(20), true, 5000), WhyTooOften},
		{"with a clock that stepped back", base.AgainstRevert(sample(20), true, 4999), ""},
		{"the owner as often as they like", base.AgainstRevert(sample(20), false, 5001), ""},
		{"the hub for the first time", with(base, func(r *Record) { r.Reverted = 0 }).AgainstRevert(sample(20), true, 5), ""},
		{"to what runs", base.AgainstRevert(good, true, 9999999), WhyRuns},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", c.what, c.got, c.want)
		}
	}
}

func TestASetAsideCoreIsSoForOneDayAtMost(t *testing.T) {
	c := sample(42)
	r := Record{Good: sample(41)}
	r.Aside[0] = Aside{c.Hash, c.Counter, 1000 + day}
	for now, want := range map[int64]Why{999: "", 1000: WhyAside, 1000 + day - 1: WhyAside, 1000 + day: ""} {
		if got := r.Against(c, now); got != want {
			t.Errorf("at %d: %q, want %q", now, got, want)
		}
	}
}

// Where all places are taken and counters are equal the first one goes; others stay.
func TestOneOfEqualsGoes(t *testing.T) {
	r := Record{Good: sample(41)}
	for i := range r.Barred {
		r.Barred[i] = Bar{sample(uint64(100 + i)).Hash, 7, Hung}
	}
	first := r.Barred
	r = r.bar(sample(42), Exited)
	if first[0] = (Bar{sample(42).Hash, 42, Exited}); r.Barred != first {
		t.Errorf("%v", r.Barred)
	}
	for i := range r.Aside {
		r.Aside[i] = Aside{sample(uint64(100 + i)).Hash, 7, 50}
	}
	aside := r.Aside
	aside[0] = Aside{sample(43).Hash, 43, 1000 + day}
	after, _ := Next(trialOf(r, sample(43), 3, 8), SetAside{1000})
	if after.Aside != aside {
		t.Errorf("%v", after.Aside)
	}
}

func TestForgettingLeavesNoTraceAndNoHole(t *testing.T) {
	r := Record{Good: sample(41)}
	for i := range 3 {
		c := sample(uint64(50 + i))
		r.Barred[i], r.Aside[i] = Bar{c.Hash, c.Counter, Hung}, Aside{c.Hash, c.Counter, 9}
	}
	after, _ := Next(r, Unbar{sample(50).Hash})
	want := Record{Good: r.Good}
	copy(want.Barred[:], r.Barred[1:3])
	copy(want.Aside[:], r.Aside[1:3])
	if after != want {
		t.Errorf("%+v, want %+v", after, want)
	}
}

// Good is demoted to what is on trial again: the trial is over.
func TestDemotionToTheTrial(t *testing.T) {
	good, previous := sample(41), sample(40)
	r := trialOf(Record{Good: good, Previous: previous, Factory: sample(3), Committed: 5000}, previous, 3, 1)
	after, action := Next(r, Died{Verdicts: demoteVerdicts, Now: 5001})
	if !after.Trial.None() || after.Good != previous || action.Core != previous {
		t.Errorf("%+v, %+v", after, action)
	}
	r = trialOf(r, sample(42), 3, 1)
	if after, _ := Next(r, Died{Verdicts: demoteVerdicts, Now: 5001}); after.Trial != sample(42) || after.Good != previous {
		t.Errorf("another trial: %+v", after)
	}
}

func TestRevertWaitsForTheTrial(t *testing.T) {
	r := trialOf(Record{Good: sample(41), Factory: sample(3)}, sample(42), 3, 1)
	after, action := Next(r, Revert{sample(20), "0.0.9", 300, false, 2000})
	if after != r || action.Do != Refuse || action.Why != WhyTrial {
		t.Errorf("%+v, %+v", after, action)
	}
	r.Floor = 30 // a better reason is given first
	if _, action := Next(r, Revert{sample(20), "0.0.9", 300, false, 2000}); action.Why != WhyFloor {
		t.Errorf("%+v", action)
	}
}

func TestFirstOfEqualCoresIsAdopted(t *testing.T) {
	twin := Core{Counter: 41, Length: 5, Hash: sample(99).Hash}
	r, _ := Next(Record{}, Adopt{Cores: []Core{sample(40), sample(41), twin}})
	if r.Good != sample(41) || r.Factory != sample(41) {
		t.Errorf("%+v", r)
	}
}

func TestOneWishOverAnother(t *testing.T) {
	below := Wish{ChannelSet: true, Channel: "beta", PinSet: true, Pin: "1.0.0", HoldSet: true, Hold: true}
	if got := (Wish{}).Over(below); got != below {
		t.Errorf("nothing over all: %+v", got)
	}
	above := Wish{ChannelSet: true, Channel: "stable", PinSet: true, Pin: "", HoldSet: true}
	if got := above.Over(below); got != above {
		t.Errorf("all over all: %+v", got)
	}
}

func TestForgettingInFullLists(t *testing.T) {
	r := Record{Good: sample(41)}
	for i := range r.Barred {
		c := sample(uint64(100 + i))
		r.Barred[i] = Bar{c.Hash, c.Counter, Hung}
	}
	for i := range r.Aside {
		c := sample(uint64(100 + i))
		r.Aside[i] = Aside{c.Hash, c.Counter, 9}
	}
	after, _ := Next(r, Unbar{sample(100).Hash})
	if after.Barred[MaxBarred-1] != (Bar{}) || after.Aside[MaxAside-1] != (Aside{}) || after.Barred[0] != r.Barred[1] || after.Aside[0] != r.Aside[1] {
		t.Errorf("%+v", after)
	}
}

// Each verdict costs one try, and only the third rejects.
func TestThreeVerdictsReject(t *testing.T) {
	r := trialOf(Record{Good: sample(41)}, sample(42), 3, 1)
	for left := uint8(2); left > 0; left-- {
		var action Action
		if r, action = Next(r, Fail{Reason: Exited}); r.Tries != left || action.Do == Reject {
			t.Fatalf("%d tries left, want %d: %+v", r.Tries, left, action)
		}
	}
	if _, action := Next(r, Fail{Reason: Exited}); action.Do != Reject {
		t.Errorf("%+v", action)
	}
}

func TestEachPartOfAWishComesBackAlone(t *testing.T) {
	for _, w := range []Wish{{ChannelSet: true, Channel: "beta"}, {PinSet: true, Pin: "1"}, {HoldSet: true}, {HoldSet: true, Hold: true}} {
		r := Record{Sequence: 1, Good: Core{Counter: 1, Length: 1, Hash: sample(1).Hash}, Hub: w}
		b, err := Encode(r)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := Decode(b); err != nil || back != r {
			t.Errorf("%+v comes back as %+v, %v", w, back.Hub, err)
		}
	}
}

func TestSaveRefusesWhatCouldNotBeRead(t *testing.T) {
	d, names := crashdisk.New(), [2]string{"/rec0", "/rec1"}
	s, _, _ := Load(d, names)
	if _, err := s.Save(Record{Good: Core{Counter: 1}}); err == nil {
		t.Error("half a core is saved")
	}
	if !Blank(d, names) {
		t.Error("something was written")
	}
}
