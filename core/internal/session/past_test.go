package session

import (
	"crypto/ed25519"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/signing/trust"
)

// A hub with a certificate of a public authority, and a box whose clock lies years behind: what the stub has proof of counts.
func TestAClockYearsBehindDoesNotRefuseAPublicCertificate(t *testing.T) {
	h := newHub(t)
	caPEM, leaf := authority(t, time.Now().Add(time.Hour))
	h.server.Close()
	document := trust.Document{HubKey: h.key.Public().(ed25519.PublicKey), CoreRoot: []byte("{}"), SiteRoot: []byte("{}")}
	var err error
	if h.document, err = document.Marshal(); err != nil {
		t.Fatal(err)
	}
	if h.token, err = trust.NewToken(trust.Hash(h.document)); err != nil {
		t.Fatal(err)
	}
	h.listen(leaf, "127.0.0.1:0")

	a := newAgent(t, h)
	way := *a.way.Load()
	way.Dial.ExtraCA = caPEM
	way.Dial.Now = func() time.Time { return time.Now().AddDate(-10, 0, 0) }
	a.way.Store(&way)
	lost, err := New(a.options) // a box that has nothing but its clock
	if err != nil {
		t.Fatal(err)
	}
	if err := lost.attempt(t.Context(), newPace(time.Now().Add(-hurry))); err == nil || !strings.Contains(err.Error(), "not yet valid") {
		t.Fatalf("nobody knows the time: %v", err)
	}
	a.options.Passed = time.Now
	if a.session, err = New(a.options); err != nil {
		t.Fatal(err)
	}
	a.start()
	a.until("connected", func(s Status) bool { return s.State == Connected })
}
