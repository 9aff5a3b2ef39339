package gateway_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/enrol"
	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
	"github.com/limpet-monitoring/limpet/hub/internal/journal"
	"github.com/limpet-monitoring/limpet/signing/trust"
)

// live answers whoever asks whether the agent is there, until the line ends.
func (l *link) live() {
	go func() {
		for {
			f, err := l.next()
			if err != nil {
				return
			}
			if p := f.GetPing(); p != nil {
				_ = l.send(&wire.Frame{Body: &wire.Frame_Pong{Pong: &wire.Pong{Word: p.GetWord()}}})
			}
		}
	}()
}

// copy is another box with the agent's key, which has counted as many sessions.
func (a *agent) copy(machine string) *agent {
	other := newAgent(a.t, nil)
	other.key, other.count, other.machine, other.gens = a.key, a.count, machine, maps.Clone(a.gens)
	return other
}

// refusal is what the hub said to one it did not let in.
func refusal(t *testing.T, err error) *wire.Refuse {
	t.Helper()
	var r refusedError
	if !errors.As(err, &r) {
		t.Fatalf("not refused: %v", err)
	}
	return r.Refuse
}

// copied is a new agent that answers, and what the hub said to a copy of it that came, which has counted so many sessions more. An agent that does not answer
// within a second, on a busy machine, is rightly taken for gone: then it is another one's turn.
func (h *hub) copied(ahead uint64) (a *agent, err error) {
	h.t.Helper()
	for range 5 {
		var first *link
		a, first = h.join()
		a.result(7, "disk", wire.State_STATE_OK, "one")
		if err := errors.Join(first.open(), first.drain(7, 10)); err != nil {
			h.t.Fatal(err)
		}
		first.live()
		other := a.copy("")
		other.count += ahead
		other.gens[7] = &generation{records: a.gens[7].records}
		var second *link
		if second, err = other.connect(h.t.Context(), h.at()); err != nil {
			break
		}
		second.cut()
	}
	return a, err
}

// TestTheLaterOfTwoIsACopy: whatever it has counted, a session that comes while another one's agent answers is a copy's. The hub gives it what it
// needs to come again as itself, once.
func TestTheLaterOfTwoIsACopy(t *testing.T) {
	for name, ahead := range map[string]uint64{"it has counted fewer": 0, "more": 5} {
		t.Run(name, func(t *testing.T) {
			h := startHub(t, settings{})
			a, err := h.copied(ahead)
			r := refusal(t, err)
			if r.GetCode() != wire.RefuseClone || r.GetOwn() == nil {
				t.Fatalf("refused with %v", r)
			}
			if m := r.GetWatermarks(); len(m) != 1 || m[0].GetSeq() != 1 || m[0].GetCrc() != wire.Crc(a.gens[7].records[0]) {
				t.Errorf("watermarks %v", m)
			}
			h.untilPresence(a, fleet.Online, "")
			token, err := trust.MakeToken(r.GetOwn().GetTokenId(), r.GetOwn().GetTokenSecret(), [32]byte{})
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range []string{"", wire.RefuseTokenUsed} {
				own := newAgent(t, &token)
				_, err := own.connect(t.Context(), h.at())
				if code(err) != want {
					t.Errorf("copy %d: %v", i, err)
				}
				if want != "" {
					continue
				}
				h.until("the copy under its own name", func() bool {
					shown, err := h.fleet.Agent(own.fingerprint())
					return err == nil && shown.ClonedFrom == a.fingerprint() && shown.Name == "box~"+own.fingerprint()[:6]
				})
			}
			h.until("a word in the log of the first", func() bool {
				return slices.ContainsFunc(h.fleet.Log(20), func(e journal.Event) bool {
					return e.Kind == journal.Warning && e.Fingerprint == a.fingerprint() && strings.Contains(e.Text, "copy")
				})
			})
		})
	}
}

// TestWhoeverDoesNotAnswerIsReplaced: the line of the one before is dead, and the hub has not noticed yet.
func TestWhoeverDoesNotAnswerIsReplaced(t *testing.T) {
	for name, count := range map[string]uint64{"a later session": 2, "restored from a snapshot": 0} {
		t.Run(name, func(t *testing.T) {
			h := startHub(t, settings{})
			a, first := h.join()
			a.count = count
			h.connect(a)
			if f := first.must(func(f *wire.Frame) bool { return f.GetBye() != nil }); f.GetBye().GetCause() != "replaced" {
				t.Errorf("goodbye %v", f)
			}
			var came, warned int
			h.until("the log of both sessions", func() bool {
				came, warned = 0, 0
				for _, e := range h.fleet.Log(10) {
					switch e.Kind {
					case journal.Came:
						came++
					case journal.Warning: // is written before its session's Came
						warned++
					}
				}
				return came == 2
			})
			h.untilPresence(a, fleet.Online, "")
			if (warned == 1) != (count == 0) {
				t.Errorf("warned %d times", warned)
			}
		})
	}
}

// TestCountAndMachineTellACopy where nobody else is there: a count that went back is a box that was restored, unless the machine is another.
func TestCountAndMachineTellACopy(t *testing.T) {
	tests := []struct {
		name    string
		machine string
		ahead   uint64
		copy    bool
	}{
		{"the same machine, a count that went back", "one", 0, false},
		{"another machine, a count that went back", "two", 0, true},
		{"another machine, a count that went on: the disk was moved", "two", 1, false},
		{"a machine that does not say, a count that went back", "", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := startHub(t, settings{})
			a := newAgent(t, h.token(enrol.Request{}))
			a.machine = "one"
			h.connect(a).bye("stop")
			h.untilPresence(a, fleet.Offline, "stop")
			other := a.copy(tt.machine)
			other.count += tt.ahead - 1 // connect adds one
			_, err := other.connect(t.Context(), h.at())
			if (err != nil) != tt.copy {
				t.Fatalf("let in: %v", err)
			}
			if tt.copy && refusal(t, err).GetOwn() == nil {
				t.Errorf("refused with %v", err)
			}
		})
	}
}

// TestADeregisteredBoxLeavesNoCount: an image is made of a box that was taken out.
func TestADeregisteredBoxLeavesNoCount(t *testing.T) {
	h := startHub(t, settings{})
	a := newAgent(t, h.token(enrol.Request{}))
	a.machine, a.count = "one", 9
	h.connect(a).bye("deregister")
	h.untilPresence(a, fleet.Offline, "deregister")
	other := a.copy("two")
	other.count = 2
	h.connect(other)
}
