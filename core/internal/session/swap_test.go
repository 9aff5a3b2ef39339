package session

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
)

func TestAnnouncesItsSuccessorInEverySession(t *testing.T) {
	h := newHub(t)
	a := newAgent(t, h)
	a.start()
	s := next(t, h)
	a.session.Announce("n-1")
	if got := frame(t, s).GetSuccessor().GetNonce(); got != "n-1" {
		t.Errorf("announced %q", got)
	}
	s.ws.Close()
	if got := frame(t, next(t, h)).GetSuccessor().GetNonce(); got != "n-1" {
		t.Errorf("in the next session announced %q", got)
	}
}

func TestSuccessorShowsItsNonceAndSaysWhenItIsActive(t *testing.T) {
	h := newHub(t)
	a := newAgent(t, h)
	a.options.Standby = "n-2"
	var err error
	if a.session, err = New(a.options); err != nil {
		t.Fatal(err)
	}
	a.start()
	s := next(t, h)
	if got := s.proof.GetStandbyNonce(); got != "n-2" {
		t.Errorf("showed %q", got)
	}
	a.session.Activated()
	if f := frame(t, s); f.GetActive() == nil {
		t.Errorf("said %v", f)
	}
	s.ws.Close()
	if f := frame(t, next(t, h)); f.GetActive() == nil {
		t.Errorf("in the next session said %v", f)
	}
}

// A trial may be there before its announcement is: it comes again soon, not with the backoff of a stranger.
func TestRefusedSuccessorComesAgainSoon(t *testing.T) {
	h := newHub(t)
	h.set(func(c *hubConfig) { c.refuse = &wire.Refuse{Code: wire.RefuseClone} })
	a := newAgent(t, h)
	a.options.Standby = "n-3"
	var err error
	if a.session, err = New(a.options); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	a.start()
	for range 4 {
		st := a.next("refused", func(s Status) bool { return s.State == Waiting && s.Err != "" })
		if wait := st.Retry.Sub(st.Since); wait > hurryMax+hurryMax/2 && st.Since.Sub(begin) < hurry { // else a busy machine used up the hurry
			t.Errorf("comes again after %s", wait)
		}
		a.next("tries again", func(s Status) bool { return s.State == Connecting })
	}
	h.set(func(c *hubConfig) { c.refuse = nil })
	next(t, h)
}

func TestWishesOfTheHubArePassedOn(t *testing.T) {
	h := newHub(t)
	a := newAgent(t, h)
	var mu sync.Mutex
	var got []string
	told := func(word string) { mu.Lock(); defer mu.Unlock(); got = append(got, word) }
	a.options.Hooks.Look = func() { told("look") }
	a.options.Hooks.Hold = func() { told("hold") }
	a.options.Hooks.Resume = func() { told("resume") }
	a.options.Hooks.Follow = func(channel, pin string) { told("follow " + channel + "/" + pin) }
	var err error
	if a.session, err = New(a.options); err != nil {
		t.Fatal(err)
	}
	a.start()
	s := next(t, h)
	follow := func(channel, pin string) {
		s.say(&wire.Frame{Body: &wire.Frame_Follow{Follow: &wire.Follow{Channel: channel, Pin: pin}}})
	}
	follow("bad channel", "")
	follow("stable", "2.5\nhold")
	follow("", "2.5")
	s.say(&wire.Frame{Body: &wire.Frame_Hold{Hold: &wire.Hold{}}})
	follow("beta", "")
	follow("stable", "2.5.1-rc.1+x")
	s.say(&wire.Frame{Body: &wire.Frame_Resume{Resume: &wire.Resume{}}})
	s.say(&wire.Frame{Body: &wire.Frame_Look{Look: &wire.Look{}}})
	want := []string{"hold", "follow beta/", "follow stable/2.5.1-rc.1+x", "resume", "look"}
	waitFor(t, "all wishes", func() bool { mu.Lock(); defer mu.Unlock(); return len(got) >= len(want) })
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(got, want) {
		t.Errorf("passed on %q, want %q", got, want)
	}
}
