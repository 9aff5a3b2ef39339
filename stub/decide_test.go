package main

import (
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/boxfile"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

func listed(counter uint64, version string) signed {
	return signed{Core: boot.Core{Counter: counter, Length: 1, Hash: [32]byte{byte(counter)}}, version: version, channel: "stable", soak: 300, open: 100, most: 100}
}

func TestChoose(t *testing.T) {
	one, two, three := listed(1, "1"), listed(2, "2"), listed(3, "3")
	held, closed, beta, twin := three, three, listed(4, "4"), listed(2, "2b")
	twin.Hash = [32]byte{0x2b}
	held.held, closed.open, beta.channel = true, 0, "beta"
	onTwo := boot.Record{Good: two.Core, Factory: one.Core}
	barred := onTwo
	barred.Barred[0] = boot.Bar{Hash: three.Hash, Counter: 3, Reason: boot.Hung}
	withdrawn := onTwo
	withdrawn.Floor = 4
	stable := boot.Wish{Channel: "stable"}
	pin := func(v string) boot.Wish { return boot.Wish{Channel: "stable", Pin: v, PinSet: true} }
	tests := []struct {
		name   string
		in     situation
		pick   uint64 // 0: nothing
		revert bool
		word   string
	}{
		{"the newest", situation{record: onTwo, found: true, wish: stable, cores: []signed{one, two, three}}, 3, false, ""},
		{"in any order", situation{record: onTwo, found: true, wish: stable, cores: []signed{three, one, two}}, 3, false, ""},
		{"nothing newer", situation{record: onTwo, found: true, wish: stable, cores: []signed{two, one}}, 0, false, ""},
		{"nothing listed", situation{record: onTwo, found: true, wish: stable}, 0, false, ""},
		{"not of another channel", situation{record: onTwo, found: true, wish: stable, cores: []signed{beta, two}}, 0, false, ""},
		{"held", situation{record: onTwo, found: true, wish: boot.Wish{Channel: "stable", Hold: true}, cores: []signed{three, two}}, 0, false, "held"},
		{"held by the mirror", situation{record: onTwo, found: true, wish: stable, cores: []signed{held, two}}, 0, false, "held-by-mirror"},
		{"barred", situation{record: barred, found: true, wish: stable, cores: []signed{three, two}}, 0, false, "barred"},
		{"barred: the one before it", situation{record: func() boot.Record { r := barred; r.Good = one.Core; return r }(), found: true, wish: stable,
			cores: []signed{three, two, one}}, 2, false, "barred"},
		{"withdrawn", situation{record: withdrawn, found: true, wish: stable, cores: []signed{three, two}}, 0, false, "below-floor"},
		{"wave", situation{record: onTwo, found: true, wish: stable, cores: []signed{closed, two}}, 0, false, "wave"},
		{"pin: skips the wave", situation{record: onTwo, found: true, wish: pin("3"), cores: []signed{closed, two}}, 3, false, ""},
		{"pin: what runs, and is the newest", situation{record: onTwo, found: true, wish: pin("2"), cores: []signed{two, one}}, 0, false, ""},
		{"pin: held all the same", situation{record: onTwo, found: true, wish: boot.Wish{Channel: "stable", PinSet: true, Pin: "3", Hold: true}, cores: []signed{three, two}}, 0, false, "held"},
		{"pin: no record", situation{wish: pin("1"), cores: []signed{three, two, one}}, 1, false, ""},
		{"pin: another core of the same counter", situation{record: onTwo, found: true, wish: pin("2b"), cores: []signed{twin, two, one}}, 0, false, "older"},
		{"pin: what runs", situation{record: onTwo, found: true, wish: pin("2"), cores: []signed{three, two}}, 0, false, "pinned"},
		{"pin: back", situation{record: onTwo, found: true, wish: pin("1"), cores: []signed{three, two, one}}, 1, true, "pinned"},
		{"pin: not listed", situation{record: onTwo, found: true, wish: pin("9"), cores: []signed{three, two, one}}, 0, false, "pin-not-listed"},
		{"pin: not below the floor", situation{record: withdrawn, found: true, wish: pin("1"), cores: []signed{two, one}}, 0, false, "below-floor"},
		{"repair: good again, whatever is newer", situation{record: onTwo, found: true, damaged: true, wish: stable, cores: []signed{three, two}}, 2, false, ""},
		{"repair: not listed any more", situation{record: onTwo, found: true, damaged: true, wish: stable, cores: []signed{three}}, 0, false, "damaged"},
		{"no record: the newest, hold or not", situation{wish: boot.Wish{Channel: "stable", Hold: true}, cores: []signed{one, three}}, 3, false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := choose(tt.in)
			if c.pick != (tt.pick != 0) || c.pick && c.core.Counter != tt.pick || c.revert != tt.revert || c.word != tt.word {
				t.Errorf("%+v", c)
			}
		})
	}
}

// What is the newest of the channel is known whatever becomes of it.
func TestNewest(t *testing.T) {
	one, two := listed(1, "1"), listed(2, "2")
	r := boot.Record{Good: one.Core}
	for want, cores := range map[string][]signed{"": nil, "1": {one}, "2": {one, two}} {
		if c := choose(situation{record: r, found: true, wish: boot.Wish{Channel: "stable", Hold: true}, cores: cores}); c.newest.version != want {
			t.Errorf("of %d releases %q is the newest, want %q", len(cores), c.newest.version, want)
		}
	}
}

func TestOutdatedTrials(t *testing.T) {
	two, three := listed(2, "2"), listed(3, "3")
	held := two
	held.held = true
	r := boot.Record{Good: listed(1, "1").Core, Trial: two.Core}
	stable := boot.Wish{Channel: "stable"}
	for name, tt := range map[string]struct {
		sit  situation
		want string
	}{
		"stays":                      {situation{record: r, wish: stable, cores: []signed{two}}, ""},
		"held":                       {situation{record: r, wish: boot.Wish{Channel: "stable", Hold: true}, cores: []signed{two}}, "held"},
		"withdrawn":                  {situation{record: r, wish: stable}, "withdrawn"},
		"good is to be placed again": {situation{record: r, found: true, damaged: true, wish: stable, cores: []signed{two, listed(1, "1")}}, ""},
		"newer":                      {situation{record: r, found: true, wish: stable, cores: []signed{three, two}}, "newer"},
		"pinned":                     {situation{record: r, wish: boot.Wish{Channel: "stable", Pin: "1"}, cores: []signed{two}}, "pinned"},
		"held by the mirror":         {situation{record: r, wish: stable, cores: []signed{held}}, "held-by-mirror"},
		"pinned to it, which is held by the mirror": {situation{record: r, found: true, wish: boot.Wish{Channel: "stable", Pin: "2"}, cores: []signed{held}}, ""},
		"unpinned": {situation{record: boot.Record{Good: three.Core, Trial: two.Core}, found: true, wish: stable, cores: []signed{three, two}}, "unpinned"},
	} {
		if got := outdated(tt.sit, choose(tt.sit)); got != tt.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestClosedReleases: what a box says of a release whose waves leave it out, by what its publisher plans.
func TestClosedReleases(t *testing.T) {
	finger := strings.Repeat("ab", 32) // cohort 845 of 0.2.0
	for _, c := range []struct {
		open, most int
		want       string
	}{
		{0, 0, "0.2.0 is paused: its publisher opens it to no box for now"},
		{1, 8, "0.2.0 is not open to this box, and no wave that it is in is planned yet"},
		{8, 9, "0.2.0 is not open to this box yet: its wave comes later"},
		{9, 9, ""},
	} {
		two := listed(2, "0.2.0")
		two.open, two.most = c.open, c.most
		got := choose(situation{record: boot.Record{Good: listed(1, "0.1.0").Core}, found: true, wish: boot.Wish{Channel: "stable"}, finger: finger, cores: []signed{two}})
		if got.text != c.want || got.pick != (c.want == "") {
			t.Errorf("open to %d %%, at most to %d %%: %q", c.open, c.most, got.text)
		}
	}
}

// TestWhyOnTrial: a box with a trial still says what stands against a release that is newer than that.
func TestWhyOnTrial(t *testing.T) {
	const onTrial = "0.2.0 is here and is tried as soon as the running core has settled"
	v := view{channel: "stable", newest: "0.3.0", trial: "0.2.0", word: "wave", text: "0.3.0 is paused: its publisher opens it to no box for now"}
	if got := v.why(); got != onTrial+". "+v.text {
		t.Error(got)
	}
	v.word, v.text = "trial", "0.2.0 is on trial"
	if got := v.why(); got != onTrial {
		t.Error(got)
	}
	v.phase = "look"
	if got := v.why(); got != "this box is looking for a newer release right now" {
		t.Error(got)
	}
}

func TestWishesInTheirOrder(t *testing.T) {
	r := boot.Record{Owner: boot.Wish{PinSet: true, Pin: "2"}, Hub: boot.Wish{PinSet: true, Pin: "3", HoldSet: true, Hold: true}}
	no := false
	if w, byHub := wishes(boxfile.Box{Hold: &no}, r); w.Channel != "stable" || w.Pin != "2" || w.Hold || byHub {
		t.Errorf("%+v %v", w, byHub)
	}
	r.Owner = boot.Wish{}
	if w, byHub := wishes(boxfile.Box{Channel: "beta"}, r); w.Channel != "beta" || w.Pin != "3" || !w.Hold || !byHub {
		t.Errorf("%+v %v", w, byHub)
	}
}

func TestSoak(t *testing.T) {
	const all = uint64(0x1ff)
	const no = time.Minute // since the last `alive`: longer ago than the soak took
	type step struct {
		elapsed, quiet time.Duration
		holds, judged  uint64
		out            outcome
	}
	for name, steps := range map[string][]step{
		"holds":                          {{5 * time.Second, 0, all, all, soaking}, {5 * time.Second, 0, all, all, soaked}},
		"broke and stays":                {{time.Second, 0, 0xff, all, soaking}, {5 * time.Second, 0, 0xff, all, broke}},
		"broke and comes back":           {{3 * time.Second, 0, 0xff, all, soaking}, {time.Second, 0, all, all, soaking}, {3 * time.Second, 0, 0xff, all, soaking}},
		"broken at the end":              {{9 * time.Second, 0, all, all, soaking}, {time.Second, 0, 0xff, all, broke}},
		"what is not judged":             {{10 * time.Second, 0, scheduleBit, scheduleBit, soaked}},
		"the session is waited for":      {{10 * time.Second, 0, 0x1f7, all, soaking}, {9 * time.Minute, 0, 0x1f7, all, soaking}, {time.Second, 0, all, all, soaked}},
		"the session does not come back": {{10 * time.Second, 0, 0x1f7, all, soaking}, {10 * time.Minute, 0, 0x1f7, all, broke}},
		"not heard of since":             {{10 * time.Second, no, all, all, soaking}, {2 * time.Second, 3 * time.Second, all, all, soaking}, {2 * time.Second, 3 * time.Second, all, all, soaked}},
		"counts from when it schedules":  {{9 * time.Second, 0, 0x1fd, 0x1fd, soaking}, {9 * time.Second, 0, all, all, soaking}, {time.Second, 0, all, all, soaked}},
		"never schedules":                {{14 * time.Second, 0, 0x1fd, 0x1fd, soaking}, {time.Second, 0, 0x1fd, 0x1fd, idle}},
		"has no turn":                    {{15 * time.Second, 0, 0x1fd, all, idle}},
	} {
		s := soak{need: 10 * time.Second}
		for i, st := range steps {
			if out, broken := s.pass(st.elapsed, st.quiet, all, st.holds, st.judged); out != st.out || (broken != 0) != (out == broke) {
				t.Errorf("%s, step %d: %d, %x broke", name, i, out, broken)
			}
		}
	}
	if out, _ := (&soak{need: time.Second}).pass(time.Second, 0, all&^0x100, 0xff, all); out != soaked {
		t.Error("what did not hold under good is held against the trial")
	}
}

func TestJudge(t *testing.T) {
	j := judge{broken: 0x108, left: judgeTime}
	if over, _ := j.pass(time.Second, 0x100, 0x1ff); over {
		t.Error("half of it is enough")
	}
	if over, guilty := j.pass(time.Second, 0x1ff, 0x1ff); !over || !guilty {
		t.Error("it holds again and is no verdict")
	}
	j = judge{broken: 0x100, left: judgeTime}
	if over, guilty := j.pass(judgeTime, 0xff, 0x1ff); !over || guilty {
		t.Error("an outage is a verdict")
	}
}

func TestVerdicts(t *testing.T) {
	for _, tt := range []struct {
		killed string
		exit   platforms.Exit
		reason boot.Reason // 0 = none
	}{
		{"", platforms.Exit{Code: 2}, boot.Exited},
		{"", platforms.Exit{}, 0},
		{"", platforms.Exit{Code: -1, Signal: 11}, boot.Exited},
		{"", platforms.Exit{Code: -1, Signal: 9}, 0},
		{"", platforms.Exit{Code: -1, Signal: 15}, 0},
		{"hang", platforms.Exit{Code: -1, Signal: 9}, boot.Hung},
		{"not-ready", platforms.Exit{Code: -1, Signal: 9}, boot.Hung},
		{"dropped", platforms.Exit{Code: -1, Signal: 9}, 0},
		{"stop", platforms.Exit{Code: 1}, 0},
	} {
		if reason := verdictOf(tt.killed, tt.exit); reason != tt.reason {
			t.Errorf("%q %v: %v", tt.killed, tt.exit, reason)
		}
	}
}

func TestChangesStayInTheirFolder(t *testing.T) {
	hash := hexOf([32]byte{1})
	for text, want := range map[string]int{
		"keep root.json 2.root.json " + hash + " 10\nverdict 1":     1,
		"drop timestamp.json\nverdict 1":                            1,
		"keep ../rec0 x " + hash + " 10\nverdict 1":                 0,
		"keep root.json ../../etc/passwd " + hash + " 1\nverdict 1": 0,
		"keep root.json x short 1\nverdict 1":                       0,
		"drop /etc/x.json\nverdict 1":                               0,
		"keep a.json a.json " + hash + " 1\nrefused rollback x":     1,
	} {
		if v := parseVerdict(text); len(v.changes) != want {
			t.Errorf("%q: %+v", text, v.changes)
		}
	}
}
