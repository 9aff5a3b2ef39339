package main

import (
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/limpet-monitoring/limpet/updater/boot"
)

// TestWhatTheHubAsksFor is kept beneath the owner's word, and followed by a look where it is news.
func TestWhatTheHubAsksFor(t *testing.T) {
	for _, tt := range []struct {
		before boot.Wish
		lines  string // separated by |
		want   boot.Wish
		looks  int
	}{
		{boot.Wish{}, "hold", boot.Wish{HoldSet: true, Hold: true}, 1},
		{boot.Wish{}, "hold|hold", boot.Wish{HoldSet: true, Hold: true}, 1},
		{boot.Wish{}, "hold|resume", boot.Wish{}, 2},
		{boot.Wish{}, "resume", boot.Wish{}, 0},
		{boot.Wish{}, "follow", boot.Wish{}, 0},
		{boot.Wish{}, "follow beta", boot.Wish{ChannelSet: true, Channel: "beta"}, 1},
		{boot.Wish{}, "follow  beta  1.2  more", boot.Wish{ChannelSet: true, Channel: "beta", PinSet: true, Pin: "1.2"}, 1},
		{boot.Wish{}, "follow - 1.2", boot.Wish{PinSet: true, Pin: "1.2"}, 1},
		{boot.Wish{PinSet: true, Pin: "1.2"}, "follow -", boot.Wish{}, 1},
		{boot.Wish{PinSet: true, Pin: "1.2"}, "follow", boot.Wish{PinSet: true, Pin: "1.2"}, 0},
		{boot.Wish{HoldSet: true, Hold: true}, "follow beta", boot.Wish{ChannelSet: true, Channel: "beta", HoldSet: true, Hold: true}, 1},
		{boot.Wish{}, "look", boot.Wish{}, 1},
		{boot.Wish{}, "news from the future", boot.Wish{}, 0},
	} {
		t.Run(tt.lines, func(t *testing.T) {
			r := onOne()
			r.Hub = tt.before
			inVirtualTime(t, r, func(b *led) {
				good := b.start().ready()
				for line := range strings.SplitSeq(tt.lines, "|") {
					good.say(line)
				}
				if k := b.kept(); k.Hub != tt.want || k.Owner != (boot.Wish{}) || len(b.looks) != tt.looks {
					t.Errorf("%s, %d looks", short(k), len(b.looks))
				}
			})
		})
	}
}

// TestWhatTheHubAsksForIsNotLost: it says it once. What the record does not take now it takes at a later tick, the last word of all.
func TestWhatTheHubAsksForIsNotLost(t *testing.T) {
	for _, tt := range []struct {
		lines string
		want  boot.Wish
		looks int
	}{
		{"hold", boot.Wish{HoldSet: true, Hold: true}, 1},
		{"hold|follow beta", boot.Wish{HoldSet: true, Hold: true, ChannelSet: true, Channel: "beta"}, 1},
		{"hold|resume", boot.Wish{}, 0},
		{"hold|follow", boot.Wish{HoldSet: true, Hold: true}, 1},
		{"look|hold|look", boot.Wish{HoldSet: true, Hold: true}, 3},
	} {
		t.Run(tt.lines, func(t *testing.T) {
			inVirtualTime(t, onOne(), func(b *led) {
				good := b.start().ready()
				b.set(func() { b.broken = os.ErrPermission })
				for line := range strings.SplitSeq(tt.lines, "|") {
					good.say(line)
				}
				b.pass(tick)
				if b.kept().Hub != (boot.Wish{}) || len(b.looks) != strings.Count(tt.lines, "look") {
					t.Errorf("%s, %d looks", short(b.kept()), len(b.looks))
				}
				b.set(func() { b.broken = nil })
				b.pass(2 * tick)
				if k := b.kept(); k.Hub != tt.want || len(b.looks) != tt.looks {
					t.Errorf("%s, %d looks", short(k), len(b.looks))
				}
			})
		})
	}
}

// TestWhatACoreIsTold: docs/stub-contract.md §2, with every key.
func TestWhatACoreIsTold(t *testing.T) {
	hash := func(n int) string { return hexOf(release(n, 0).Hash) }
	full := boot.Record{
		Good: release(2, 0).Core, Previous: release(1, 0).Core, Trial: release(3, 0).Core, Tries: 2, Starts: 4, Floor: 1, TimeFloor: 77,
	}
	full.Barred[1] = boot.Bar{Hash: release(4, 0).Hash, Counter: 4, Reason: boot.Hung}
	for _, tt := range []struct {
		name string
		is   func(s *supervisor)
		want string
	}{
		{"next to nothing", func(s *supervisor) {},
			"status counter=2 hash=" + hash(2) + " role=good restarts=0 last=none floor=0 phase=idle"},
		{"everything", func(s *supervisor) {
			s.record, s.restarts, s.last = full, 5, "exit-3"
			s.looking.wish = boot.Wish{Channel: "beta", Pin: "1 2", Hold: true}
			s.looking.newest, s.looking.came, s.looking.word, s.looking.text = release(3, 0), "came=1 came_as=full", "wave", "not yet"
			s.alarms.list = []warning{{"stale", "x"}, {"expired", "y"}}
		}, "status counter=2 hash=" + hash(2) + " role=good previous=" + hash(1) + " restarts=5 last=exit-3 floor=1 time_floor=77 channel=beta pin=1_2 hold=yes" +
			" offered=" + hash(3) + " offered_version=9.9.3 trial=" + hash(3) + " tries=2 starts=4 came=1 came_as=full phase=staged why=wave why_text=not_yet" +
			" barred=" + hash(4) + ":hang warning=stale warning=expired"},
		{"a clock of one second", func(s *supervisor) { s.record.TimeFloor = 1 },
			"status counter=2 hash=" + hash(2) + " role=good restarts=0 last=none floor=0 time_floor=1 phase=idle"},
	} {
		inVirtualTime(t, onOne(), func(b *led) {
			p := &process{core: release(2, 0).Core, role: boot.GoodRole}
			if tt.is(b.s); b.s.statusLine(p) != tt.want {
				t.Errorf("%s:\n%s\nwant\n%s", tt.name, b.s.statusLine(p), tt.want)
			}
		})
	}
}

// TestAStatusIsOneLine: what does not fit any more is left out, whole.
func TestAStatusIsOneLine(t *testing.T) {
	const room = lineSize - 100
	for _, tt := range []struct {
		said int // bytes before
		fits bool
	}{{room - 8, true}, {room - 7, false}, {room, false}, {0, true}} {
		var b strings.Builder
		b.WriteString(strings.Repeat("x", tt.said))
		putPair(&b, "key", "word")
		if got := b.String()[tt.said:]; got != map[bool]string{true: " key=word"}[tt.fits] {
			t.Errorf("after %d bytes: %q", tt.said, got)
		}
	}
	var b strings.Builder
	if putPair(&b, "key", ""); b.Len() > 0 {
		t.Errorf("%q", b.String())
	}
}

// TestWhatACoreMaySay: docs/stub-contract.md §2, lines of 4,096 bytes with their end, a hundred a second.
func TestWhatACoreMaySay(t *testing.T) {
	for text, want := range map[string]error{
		strings.Repeat("x", 4095) + "\n": io.EOF, strings.Repeat("x", 4096) + "\n": errFlood,
		strings.Repeat("x\n", 100): io.EOF, strings.Repeat("x\n", 101): errFlood,
	} {
		lines := newReader(strings.NewReader(text), func() time.Time { return time.Unix(1000, 0) })
		var err error
		for err == nil {
			_, err = lines.next()
		}
		if err != want {
			t.Errorf("%d bytes: %v", len(text), err)
		}
	}
}

// TestACoreIsToldWhatChanged, and only that; one that was killed, or takes no line, is left to the watch.
func TestACoreIsToldWhatChanged(t *testing.T) {
	inVirtualTime(t, onOne(), func(b *led) {
		good := b.start().ready()
		b.pass(time.Minute)
		before := len(good.told)
		good.say("look")
		good.say("look")
		if n := len(good.told) - before; n != 0 { // a look that finds what the last one found is no news
			t.Errorf("%q", good.told[before:])
		}
		b.set(func() { b.stored.warnings = []warning{{"stale", "x"}} })
		if b.signal(b.reload); good.status("warning") != "stale" {
			t.Errorf("%q", good.told[before:])
		}
		good.hears("reload")
		if strings.Contains(b.text(), "does not take a line") {
			t.Error(b.text())
		}
		good.blocks.Store(true)
		b.signal(b.reload)
		if !strings.Contains(b.text(), "core does not take a line") || good.killed() > 0 {
			t.Error(b.text())
		}
	})
	inVirtualTime(t, withTrial(), func(b *led) {
		good, trial := b.standing()
		b.signal(b.reload)
		good.hears("reload")
		trial.hears("reload")
	})
}

// TestPhases are the words of docs/stub-contract.md §2, the first that fits.
func TestPhases(t *testing.T) {
	good, trial := &process{role: boot.GoodRole}, &process{role: boot.TrialRole}
	for _, tt := range []struct {
		want string
		s    *supervisor
	}{
		{"idle", &supervisor{}},
		{"idle", &supervisor{core: good}},
		{"staged", &supervisor{core: good, record: withTrial()}},
		{"look", &supervisor{core: good, record: withTrial(), looking: looking{phase: "look"}}},
		{"fetch", &supervisor{core: good, looking: looking{phase: "fetch"}}},
		{"standby", &supervisor{core: good, swap: swap{next: trial}, looking: looking{phase: "look"}}},
		{"standby", &supervisor{swap: swap{next: trial}, record: withTrial()}},
		{"handover", &supervisor{core: good, swap: swap{next: trial, handing: true}}},
		{"handover", &supervisor{core: trial, swap: swap{next: good, handing: true}}},
		{"soak", &supervisor{core: trial, record: withTrial(), looking: looking{phase: "look"}}},
		{"back", &supervisor{core: trial, swap: swap{next: good}, record: withTrial()}},
		{"back", &supervisor{core: good, swap: swap{judge: &judge{}}, record: withTrial()}},
	} {
		if got := tt.s.phase(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// TestSoakTime is what was signed; five minutes where nothing was.
func TestSoakTime(t *testing.T) {
	for soak, want := range map[uint16]time.Duration{0: 5 * time.Minute, 1: time.Second, 10: 10 * time.Second} {
		if got := (&supervisor{record: boot.Record{Soak: soak}}).soakTime(); got != want {
			t.Errorf("%d: %v", soak, got)
		}
	}
}

// TestWarningsOfAVerdict: docs/stub-contract.md §6.
func TestWarningsOfAVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now().Unix()
		const day = 24 * 3600
		for _, tt := range []struct {
			name  string
			v     verdict
			floor int64
			want  string
		}{
			{"nothing", verdict{}, 0, ""},
			{"refused", verdict{refused: "rollback older", warnings: []warning{{"stale", "x"}}, development: true, issued: now + 9*day}, 0, "metadata the stored metadata is refused: rollback older"},
			{"its own", verdict{warnings: []warning{{"stale", "x"}, {"expired", "y"}}}, 0, "stale x|expired y"},
			{"development", verdict{development: true, warnings: []warning{{"stale", "x"}}}, 0, "stale x|development the releases are signed with development keys: not for production"},
			{"a day behind", verdict{issued: now + day}, 0, ""},
			{"more than a day behind", verdict{issued: now + day + 1}, 0, "clock-behind the clock is behind: it must be later than 2000-01-02"},
			{"behind what was known before", verdict{issued: 5}, now + 2*day, "clock-behind the clock is behind: it must be later than 2000-01-03"},
		} {
			var got []string
			for _, w := range tt.v.alarms(tt.floor) {
				got = append(got, w.word+" "+w.text)
			}
			if strings.Join(got, "|") != tt.want {
				t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
			}
		}
	})
}
