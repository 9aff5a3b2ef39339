package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

// lists has the mirror list releases from now on.
func (b *led) lists(cores ...signed) {
	b.set(func() { b.mirror = looked{verdict: verdict{cores: cores}} })
}

// asks leaves a request, as the commands of the box's owner do.
func (b *led) asks(words string) {
	b.must(os.WriteFile(filepath.Join(b.Request(), words+".request"), []byte(words), 0o600))
}

// answers lets what is under way come back.
func (b *led) answers(v verdict) {
	b.s.looking.found <- looked{verdict: v}
	synctest.Wait()
}

func (b *led) delivers(err error) {
	b.s.looking.got <- brought{choice: b.brings[len(b.brings)-1].choice, err: err, word: "no-space", came: "came=x came_as=full"}
	synctest.Wait()
}

// TestWhenItLooks: ten seconds after the start, and up to a minute more by chance; then every quarter of an hour, sooner where nothing
// was reached, and with development keys; with a tenth more or less by chance.
func TestWhenItLooks(t *testing.T) {
	for _, tt := range []struct {
		name        string
		luck        float64
		mirror      looked
		first, next time.Duration // ticks at which it looks, since the start
	}{
		{"found", 0.5, looked{}, 40 * time.Second, 15*time.Minute + 40*time.Second},
		{"early", 0, looked{}, 10 * time.Second, 13*time.Minute + 40*time.Second},
		{"late", 0.999, looked{}, 70 * time.Second, 17*time.Minute + 40*time.Second},
		{"not reached", 0.5, looked{trouble: "no mirror answers", word: "unreachable"}, 40 * time.Second, 5*time.Minute + 40*time.Second},
		{"refused", 0.5, looked{verdict: verdict{refused: "rollback x"}}, 40 * time.Second, 15*time.Minute + 40*time.Second},
		{"development", 0.5, looked{verdict: verdict{development: true}}, tick, 5*time.Minute + tick},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inVirtualTime(t, onOne(), func(b *led) {
				b.luck, b.mirror, b.stored = tt.luck, tt.mirror, tt.mirror.verdict
				b.s.on(b)
				b.start().ready()
				at := time.Millisecond
				for i, want := range []time.Duration{tt.first, tt.next} {
					if b.pass(want - tick + time.Millisecond - at); len(b.looks) != i {
						t.Errorf("looked %d times before %v", len(b.looks), want)
					}
					if b.pass(tick); len(b.looks) != i+1 {
						t.Errorf("looked %d times at %v", len(b.looks), want)
					}
					at = want + time.Millisecond
				}
				if v := b.view(); v.looks != 2 || (v.looked != 0) != (tt.mirror.trouble == "" && tt.mirror.verdict.refused == "") || v.looked != 0 && v.looked != time.Now().Unix() {
					t.Errorf("%+v", v)
				}
			})
		})
	}
}

// TestALookOnItsWay: what it is at is shown; who asks meanwhile gets another right after it, and what was changed meanwhile counts.
func TestALookOnItsWay(t *testing.T) {
	inVirtualTime(t, onOne(), func(b *led) {
		b.silent = true
		good := b.start().ready()
		b.s.verdicts <- verdict{}
		good.say("look")
		if v := b.view(); v.phase != "look" || len(b.looks) != 1 || b.looks[0].channel != "stable" || !b.looks[0].now.Equal(time.Now()) {
			t.Errorf("%+v %+v", v, b.looks)
		}
		b.pass(time.Hour)
		if len(b.looks) != 1 {
			t.Errorf("%d looks at a time", len(b.looks))
		}
		good.say("look")
		good.say("look")
		if b.answers(verdict{cores: []signed{release(1, 10)}}); len(b.looks) != 2 || b.view().looks != 1 || b.view().phase != "look" {
			t.Errorf("%d looks, %+v", len(b.looks), b.view())
		}
		b.must(os.WriteFile(b.BoxFile(), []byte("pin = 9.9.1\n"), 0o644))
		if b.answers(verdict{cores: []signed{release(1, 10)}}); b.view().pin != "9.9.1" || b.view().word != "" || len(b.looks) != 2 {
			t.Errorf("%d looks, %+v", len(b.looks), b.view())
		}
		good.say("look")
		b.must(os.WriteFile(b.BoxFile(), []byte("channel = beta\npin = 3\nhold = yes\n"), 0o644))
		b.answers(verdict{cores: []signed{release(1, 10), release(2, 10)}})
		if v := b.view(); len(b.looks) != 4 || b.looks[3].channel != "beta" || len(b.brings) > 0 || v.pin != "3" || v.channel != "beta" || v.newest != "" || v.word != "pin-not-listed" {
			t.Errorf("%+v, %+v", b.looks, v)
		}
		if b.answers(verdict{}); len(b.looks) != 4 || b.view().phase != "" || good.status("pin") != "3" {
			t.Errorf("%d looks, %+v", len(b.looks), b.view())
		}
	})
}

// TestALookThatIsRefused: it is said why, in words of the contract, once, and to the hub.
func TestALookThatIsRefused(t *testing.T) {
	for _, tt := range []struct {
		mirror     looked
		word, text string
	}{
		{looked{trouble: "no mirror answers", word: "unreachable"}, "unreachable", "no mirror answers"},
		{looked{verdict: verdict{refused: "rollback older", cores: []signed{release(2, 10)}}}, "metadata", "what the mirror offers is refused: rollback older"},
		{looked{verdict: verdict{cores: []signed{release(1, 10)}}}, "", ""},
	} {
		inVirtualTime(t, onOne(), func(b *led) {
			b.mirror = tt.mirror
			good := b.start().ready()
			good.say("look")
			good.say("look")
			if v := b.view(); v.word != tt.word || v.text != tt.text || good.status("why") != tt.word || good.status("why_text") != word(tt.text) || v.looks != 2 {
				t.Errorf("%+v", v)
			}
			if n := strings.Count(b.text(), "not on the newest release"); n != min(1, len(tt.word)) {
				t.Errorf("said %d times:\n%s", n, b.text())
			}
		})
	}
}

// TestWhyIsSaidOfEachTextOnce: what is new is either word or text.
func TestWhyIsSaidOfEachTextOnce(t *testing.T) {
	inVirtualTime(t, onOne(), func(b *led) {
		for _, why := range [][2]string{{"wave", "one"}, {"wave", "one"}, {"wave", "two"}, {"held", "two"}, {"", ""}} {
			if b.s.refuse(why[0], why[1]); b.s.looking.word != why[0] || b.s.looking.text != why[1] {
				t.Errorf("%q %q", b.s.looking.word, b.s.looking.text)
			}
		}
		if n := strings.Count(b.text(), "not on the newest release"); n != 3 {
			t.Errorf("said %d times:\n%s", n, b.text())
		}
	})
}

// TestARelease: from the look to the stage, and on to its start, which does not wait where good has settled.
func TestARelease(t *testing.T) {
	inVirtualTime(t, onOne(), func(b *led) {
		good := b.start().ready().checks(everything64, everything64)
		b.pass(30 * time.Second)
		b.silent = true
		b.pass(10 * time.Second)
		b.answers(verdict{cores: []signed{release(1, 10), release(2, 10)}})
		if v := b.view(); len(b.brings) != 1 || v.phase != "fetch" || v.newest != "9.9.2" || v.word != "" || good.status("offered") != hexOf(release(2, 0).Hash) || good.status("offered_version") != "9.9.2" {
			t.Fatalf("%+v %+v", b.brings, v)
		}
		if got := b.brings[0]; got.choice.core != release(2, 10) || got.base != release(1, 0).Core || got.channel != "stable" {
			t.Errorf("%+v", got)
		}
		b.placed(2)
		b.delivers(nil)
		trial := b.started(2)
		if v := b.view(); trial.role != boot.TrialRole || v.trial != "9.9.2" || v.word != "trial" || v.text != "9.9.2 is on trial" || v.phase != "standby" {
			t.Errorf("%v %+v", trial.role, v)
		}
		if k := b.kept(); k.Soak != 10 || !b.noted("stage", 2, "came=x came_as=full") || good.status("came_as") != "full" || good.status("trial") != hexOf(trial.core.Hash) {
			t.Errorf("%s %q", short(k), b.history())
		}
		b.lists(release(1, 10), release(2, 10))
		b.set(func() { b.silent = false })
		if good.say("look"); len(b.brings) != 1 || b.view().word != "trial" {
			t.Errorf("%d are brought, %+v", len(b.brings), b.view())
		}
	})
}

// TestAReleaseThatIsNotTaken: it could not be brought, or the record has something against it by then.
func TestAReleaseThatIsNotTaken(t *testing.T) {
	for _, tt := range []struct {
		name       string
		meanwhile  func(b *led)
		err        error
		word, text string
		due        time.Duration
	}{
		{"not brought", func(*led) {}, errors.New("the disk is full"), "no-space", "9.9.2 cannot be brought: the disk is full", 5 * time.Minute},
		{"withdrawn meanwhile", func(b *led) {
			b.set(func() { b.stored.floor = 3 })
			b.signal(b.reload)
		}, nil, "below-floor", "9.9.2: below-floor", 0},
		{"not written down", func(b *led) { b.set(func() { b.broken = os.ErrPermission }) }, nil, "", "", 15 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inVirtualTime(t, onOne(), func(b *led) {
				good := b.start().ready()
				b.pass(10 * time.Second)
				b.set(func() { b.silent = true })
				good.say("look")
				b.answers(verdict{cores: []signed{release(1, 10), release(2, 10)}})
				b.placed(2)
				if tt.name == "withdrawn meanwhile" {
					b.s.looking.again = true // of the reload
				}
				if tt.meanwhile(b); tt.name == "withdrawn meanwhile" {
					b.s.verdicts <- verdict{floor: 3}
					synctest.Wait()
				}
				b.delivers(tt.err)
				if v := b.view(); v.word != tt.word || v.text != tt.text || !b.kept().Trial.None() || strings.Contains(strings.Join(b.history(), " "), "stage") {
					t.Errorf("%+v %s %q", v, short(b.kept()), b.history())
				}
				if good.status("why") != tt.word {
					t.Errorf("the hub is told %q", good.status("why"))
				}
				looks := len(b.looks)
				if tt.due == 0 {
					if looks != 2 || b.view().phase != "look" {
						t.Errorf("%d looks: it was asked to look once more", looks)
					}
					return
				}
				if b.view().phase != "" {
					t.Errorf("%+v", b.view())
				}
				if b.pass(tt.due); len(b.looks) != looks {
					t.Errorf("%d looks too early", len(b.looks)-looks)
				}
				if b.pass(tick); len(b.looks) != looks+1 {
					t.Errorf("%d looks in time", len(b.looks)-looks)
				}
			})
		})
	}
}

// TestPins: back to what is listed, at the owner's word and at the hub's, which is taken once a day.
func TestPins(t *testing.T) {
	for _, byHub := range []bool{false, true} {
		inVirtualTime(t, boot.Record{Good: release(2, 0).Core, Factory: release(2, 0).Core}, func(b *led) {
			b.lists(release(1, 10), release(2, 10))
			good := b.start().ready()
			if byHub {
				good.say("follow - 9.9.1")
			} else {
				b.asks("pin 9.9.1")
				b.pass(tick)
			}
			k := b.kept()
			if len(b.brings) != 1 || !b.brings[0].revert || k.Trial != release(1, 0).Core || (k.Reverted != 0) != byHub || k.Hub.PinSet != byHub || k.Owner.PinSet == byHub {
				t.Errorf("%+v %s", b.brings, short(k))
			}
		})
	}
}

// TestATrialIsDropped: by what is listed, as long as it does not have the schedule; then it soaks on, and nothing else is brought.
func TestATrialIsDropped(t *testing.T) {
	for why, cores := range map[string][]signed{"withdrawn": {release(1, 10)}, "newer": {release(1, 10), release(2, 10), release(3, 10)}} {
		t.Run(why, func(t *testing.T) {
			inVirtualTime(t, withTrial(), func(b *led) {
				good, trial := b.standing()
				b.lists(cores...)
				good.say("look")
				k := b.kept()
				if trial.killed() != 1 || !slices.ContainsFunc(b.history(), func(l string) bool {
					return strings.HasPrefix(l, "drop release=2 ") && strings.HasSuffix(l, " why="+why)
				}) {
					t.Errorf("killed %d times, %q", trial.killed(), b.history())
				}
				if why == "newer" && k.Trial != release(3, 0).Core || why == "withdrawn" && !k.Trial.None() {
					t.Error(short(k))
				}
				if k.Barred[0].Reason != 0 {
					t.Error("it is barred")
				}
			})
			inVirtualTime(t, withTrial(), func(b *led) {
				_, trial := b.swapped()
				b.lists(cores...)
				trial.say("look")
				if k := b.kept(); trial.killed() > 0 || k.Trial != trial.core || len(b.brings) > 0 {
					t.Errorf("%s, %d are brought", short(k), len(b.brings))
				}
			})
		})
	}
}

// TestOneTrialAtATime: what was brought is not staged where the owner went back meanwhile.
func TestOneTrialAtATime(t *testing.T) {
	r := boot.Record{Good: release(2, 0).Core, Previous: release(1, 0).Core, Factory: release(1, 0).Core}
	inVirtualTime(t, r, func(b *led) {
		b.stored = verdict{cores: []signed{release(1, 10), release(2, 10)}}
		good := b.start().ready()
		b.set(func() { b.silent = true })
		good.say("look")
		b.answers(verdict{cores: []signed{release(1, 10), release(2, 10), release(3, 10)}})
		b.asks("rollback")
		b.pass(tick)
		b.placed(3)
		b.delivers(nil)
		if k := b.kept(); k.Trial != r.Previous || slices.ContainsFunc(b.history(), func(l string) bool { return strings.HasPrefix(l, "stage") }) {
			t.Errorf("%s %q", short(k), b.history())
		}
	})
}

// TestWhatStandsAgainstTheNewest is said of the newest, where that is not the one on trial.
func TestWhatStandsAgainstTheNewest(t *testing.T) {
	two, three := release(2, 10), release(3, 10)
	wave := func(newest signed) choice { return choice{newest: newest, word: "wave", text: "not yet"} }
	for _, tt := range []struct {
		name       string
		trial      signed
		choice     choice
		word, text string
	}{
		{"no trial", signed{}, wave(two), "wave", "not yet"},
		{"no trial, nothing against it", signed{}, choice{newest: two}, "", ""},
		{"the newest is on trial", two, choice{newest: two}, "trial", "9.9.2 is on trial"},
		{"it is on trial in spite of that", two, wave(two), "trial", "9.9.2 is on trial"},
		{"a newer one", two, wave(three), "wave", "not yet"},
		{"a newer one that comes next", two, choice{newest: three}, "trial", "9.9.2 is on trial"},
	} {
		inVirtualTime(t, onOne(), func(b *led) {
			b.s.record.Trial, b.s.versions[2] = tt.trial.Core, "9.9.2"
			if b.s.standing(tt.choice); b.s.looking.word != tt.word || b.s.looking.text != tt.text {
				t.Errorf("%s: %s %s", tt.name, b.s.looking.word, b.s.looking.text)
			}
		})
	}
}

// TestBelowTheFloor: a release that was withdrawn runs on, and that is said until another one does.
func TestBelowTheFloor(t *testing.T) {
	inVirtualTime(t, onOne(), func(b *led) {
		good := b.start().ready().checks(everything64, everything64)
		b.mirror = looked{verdict: verdict{floor: 1}}
		if good.say("look"); b.warned() != "" || b.kept().Floor != 1 {
			t.Errorf("at its floor: %s", b.warned())
		}
		b.set(func() { b.mirror = looked{verdict: verdict{floor: 2, cores: []signed{release(2, 10)}}} })
		if good.say("look"); b.warned() != "below-floor" || good.killed() > 0 {
			t.Errorf("below its floor: %s", b.warned())
		}
		b.pass(10 * time.Second)
		trial := b.started(2).ready().checks(everything64, everything64)
		good.say("drained")
		good.exits(platforms.Exit{})
		b.pass(15 * time.Second)
		if b.warned() != "" || b.kept().Good != trial.core {
			t.Errorf("%s %s", b.warned(), short(b.kept()))
		}
	})
}

// TestTheUserOfTheBoxFile: that nobody runs the core as somebody else yet is said, once, as long as the box file asks for it.
func TestTheUserOfTheBoxFile(t *testing.T) {
	inVirtualTime(t, onOne(), func(b *led) {
		b.must(os.WriteFile(b.BoxFile(), []byte("user = watcher\n"), 0o644))
		good := b.start().ready()
		good.say("look")
		good.say("look")
		if w := b.view().warnings; len(w) != 1 || w[0].word != "user" || !strings.HasPrefix(w[0].text, "the box file says user = watcher") || strings.Count(b.text(), "the box file says") != 1 {
			t.Errorf("%+v\n%s", w, b.text())
		}
		b.must(os.Remove(b.BoxFile()))
		if good.say("look"); b.warned() != "" {
			t.Error(b.warned())
		}
		b.must(os.Mkdir(b.BoxFile(), 0o755))
		if good.say("look"); !strings.Contains(b.text(), "box file is not read") || b.view().channel != "stable" {
			t.Error(b.text())
		}
	})
}

// TestABoxWithoutACore gets one from the mirror, and adopts it.
func TestABoxWithoutACore(t *testing.T) {
	inVirtualTime(t, boot.Record{}, func(b *led) {
		b.lists(release(1, 10))
		b.stored = verdict{cores: []signed{release(1, 10)}}
		b.start()
		b.pass(tick)
		if core := b.started(1); len(b.brings) != 1 || !b.brings[0].base.None() || core.core != b.kept().Good || b.warned() != "" {
			t.Errorf("%d are brought, %s", len(b.brings), b.warned())
		}
	})
}

// TestARepairComesLate: what was placed again takes over from what runs in its place, within ten seconds. Good itself, or a trial that
// has the schedule by then, is left alone.
func TestARepairComesLate(t *testing.T) {
	r := boot.Record{Good: release(2, 0).Core, Previous: release(1, 0).Core, Factory: release(1, 0).Core}
	damaged := func(b *led) (runs *puppet) {
		b.must(os.Remove(b.CoreFile(2, hexOf(release(2, 0).Hash))))
		b.silent = true
		runs = b.start().ready().checks(everything64, everything64)
		b.s.verdicts <- verdict{}
		b.pass(tick)
		b.answers(verdict{cores: []signed{release(2, 10), release(3, 10)}})
		if len(b.brings) != 1 || runs.role != boot.PreviousRole || !b.brings[0].base.None() {
			b.t.Fatalf("%v runs, %+v", runs.role, b.brings)
		}
		return runs
	}
	inVirtualTime(t, r, func(b *led) {
		previous := damaged(b)
		previous.lively = false
		b.placed(2)
		b.delivers(nil)
		previous.hears("stop restart 10")
		b.wait(9998 * time.Millisecond)
		if previous.killed() > 0 {
			t.Error("killed too early")
		}
		if b.pass(2 * time.Millisecond); previous.killed() != 1 {
			t.Error("not killed")
		}
		b.pass(tick)
		if good := b.started(2); good.role != boot.GoodRole {
			t.Errorf("%v", good.role)
		}
	})
	inVirtualTime(t, r, func(b *led) {
		previous := damaged(b)
		b.placed(2)
		previous.exits(platforms.Exit{Code: 1})
		b.pass(tick)
		good := b.started(2).ready()
		b.delivers(nil)
		if good.hears(); good.role != boot.GoodRole || b.view().phase != "" {
			t.Errorf("%v", good.role)
		}
	})
	r.Trial, r.Tries, r.Soak = release(3, 0).Core, boot.MaxTries, 10
	inVirtualTime(t, r, func(b *led) {
		previous := damaged(b)
		b.pass(10 * time.Second)
		trial := b.started(2).ready().checks(everything64, everything64)
		previous.say("handover book 600")
		trial.lines()
		b.placed(2)
		b.delivers(nil)
		trial.hears()
		b.lists(release(2, 10), release(3, 10))
		b.set(func() { b.silent = false })
		if trial.say("look"); len(b.brings) != 1 {
			t.Errorf("%d were brought", len(b.brings))
		}
	})
	inVirtualTime(t, r, func(b *led) { // beside a trial that waits, which stays
		damaged(b)
		b.placed(2)
		b.delivers(nil)
		if b.kept().Trial != r.Trial {
			t.Errorf("%s %q", short(b.kept()), b.history())
		}
	})
}

// TestNoLookWhileItStops, and nothing is started by what comes back.
func TestNoLookWhileItStops(t *testing.T) {
	inVirtualTime(t, onOne(), func(b *led) {
		good := b.start().ready()
		good.clings.Store(true)
		b.pass(35 * time.Second)
		b.signal(b.stop)
		if b.pass(7500 * time.Millisecond); len(b.looks) > 0 {
			t.Error("it looks")
		}
		b.s.looking.got <- brought{choice: choice{pending: true}}
		synctest.Wait()
		good.exits(platforms.Exit{})
		b.started(1)
	})
}
