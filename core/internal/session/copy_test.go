package session

import (
	"encoding/hex"
	"testing"

	"github.com/limpet-monitoring/limpet/core/internal/buffer"
	"github.com/limpet-monitoring/limpet/core/wire"
)

// TestACopyComesAgainAsItself: what the box appended in this life goes along, but for what the hub says it has; what it inherited does not.
func TestACopyComesAgainAsItself(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	a := newAgent(t, h)
	a.buffer.Close()
	owned := func() buffer.Options {
		return buffer.Options{Dir: a.layout.Buffer(), Owner: buffer.Owner(a.options.Identity.Fingerprint())}
	}
	var err error
	if a.buffer, err = buffer.Open(owned()); err != nil {
		t.Fatal(err)
	}
	a.append("inherited")
	a.buffer.Close()
	if a.buffer, err = buffer.Open(owned()); err != nil {
		t.Fatal(err)
	}
	a.options.Buffer = a.buffer
	if a.session, err = New(a.options); err != nil {
		t.Fatal(err)
	}
	a.append(texts("own", 3)...)
	batch, err := a.buffer.Next(a.buffer.Live(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.options.Identity.Learn(h.document); err != nil {
		t.Fatal(err)
	}
	id, err := hex.DecodeString(h.token.ID())
	if err != nil {
		t.Fatal(err)
	}
	h.known[string(a.options.Identity.PublicKey())] = true
	former := a.options.Identity.Fingerprint()
	h.set(func(c *hubConfig) {
		c.refuseOnce = &wire.Refuse{Code: wire.RefuseClone, Own: &wire.Enrol{TokenId: id, TokenSecret: h.token.Secret()},
			Watermarks: []*wire.Watermark{{Epoch: batch.GetEpoch(), Seq: batch.GetLast(), Crc: batch.GetCrc()}}}
	})
	a.start()
	s := next(t, h)
	if got := a.options.Identity.Fingerprint(); got == former || s.proof.GetEnrol() == nil {
		t.Errorf("it came again as %s with %v", got, s.proof.GetEnrol())
	}
	a.drained()
	once(t, h.published(), "own1", "own2", "gap copy", "event copy")
}

// TestAStandbyNeverTakesAKey: its announcement may only be late.
func TestAStandbyNeverTakesAKey(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	a := newAgent(t, h)
	a.options.Standby = "nonce"
	var err error
	if a.session, err = New(a.options); err != nil {
		t.Fatal(err)
	}
	former := a.options.Identity.Fingerprint()
	h.set(func(c *hubConfig) {
		c.refuseOnce = &wire.Refuse{Code: wire.RefuseClone, Own: &wire.Enrol{TokenId: make([]byte, 8), TokenSecret: make([]byte, 24)}}
	})
	a.start()
	next(t, h)
	if got := a.options.Identity.Fingerprint(); got != former {
		t.Errorf("it came again as %s", got)
	}
}

// TestWaitsForItsTurn, says goodbye without one, and answers whoever asks whether it is there.
func TestWaitsForItsTurn(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	a := newAgent(t, h)
	turn := make(chan struct{})
	a.options.Turn = turn
	var err error
	if a.session, err = New(a.options); err != nil {
		t.Fatal(err)
	}
	a.start()
	if s := a.session.Status(); s.State != Waiting || len(h.sessions) != 0 {
		t.Errorf("before its turn: %+v", s)
	}
	close(turn)
	s := next(t, h)
	s.say(&wire.Frame{Body: &wire.Frame_Ping{Ping: &wire.Ping{Word: "there?"}}})
	for f := range s.frames {
		if p := f.GetPong(); p != nil {
			if p.GetWord() != "there?" {
				t.Errorf("answered %q", p.GetWord())
			}
			return
		}
	}
}
