package session

import (
	"errors"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/core/wire"
)

func TestFilesOfTheSiteAreAskedFor(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	a := newAgent(t, h)
	if _, err := a.session.Get(t.Context(), "timestamp.json", 0); !errors.Is(err, ErrAway) {
		t.Errorf("without a line: %v", err)
	}
	a.start()
	s := next(t, h)
	a.until("connected", isConnected)
	for _, c := range []struct {
		name   string
		answer *wire.SitePiece
		want   string // of the error
	}{
		{"timestamp.json", &wire.SitePiece{Size: 9, Data: []byte("metadata")}, ""},
		{"9.root.json", &wire.SitePiece{Missing: true}, ""},
		{"broken", &wire.SitePiece{Error: "its log says why"}, "the hub cannot read broken: its log says why"},
		{"endless", &wire.SitePiece{Size: 1 << 30, Data: make([]byte, wire.MaxSitePiece+1)}, "beyond the protocol's limits"},
		{"negative", &wire.SitePiece{Size: -1}, "beyond the protocol's limits"},
	} {
		type result struct {
			piece *wire.SitePiece
			err   error
		}
		got := make(chan result, 1)
		go func() {
			p, err := a.session.Get(t.Context(), c.name, 7)
			got <- result{p, err}
		}()
		asked := frame(t, s).GetSiteGet()
		if asked.GetName() != c.name || asked.GetOffset() != 7 {
			t.Fatalf("asked for %v", asked)
		}
		s.say(&wire.Frame{Body: &wire.Frame_SitePiece{SitePiece: &wire.SitePiece{Call: asked.GetCall() + 100, Data: []byte("nobody's")}}})
		c.answer.Call = asked.GetCall()
		s.say(&wire.Frame{Body: &wire.Frame_SitePiece{SitePiece: c.answer}})
		switch r := <-got; {
		case c.want == "" && (r.err != nil || string(r.piece.GetData()) != string(c.answer.GetData()) || r.piece.GetMissing() != c.answer.GetMissing()):
			t.Errorf("%s: %v, %v", c.name, r.piece, r.err)
		case c.want != "" && (r.err == nil || !strings.Contains(r.err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", c.name, r.err, c.want)
		}
	}
	// Whoever waits when the line breaks is told.
	failed := make(chan error, 1)
	go func() {
		_, err := a.session.Get(t.Context(), "targets/plugin/x", 0)
		failed <- err
	}()
	frame(t, s)
	s.ws.Close()
	if err := <-failed; !errors.Is(err, ErrAway) {
		t.Errorf("line broken: %v", err)
	}
}

// A verdict may change without the hub sending the revision again.
func TestASecondReportIsSent(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	a := newAgent(t, h)
	a.start()
	s := next(t, h)
	a.session.Report(&wire.RevisionReport{Revision: 4})
	a.session.Report(&wire.RevisionReport{Revision: 4, Accepted: true})
	for {
		if r := frame(t, s).GetRevisionReport(); r.GetAccepted() && r.GetRevision() == 4 {
			return
		}
	}
}
