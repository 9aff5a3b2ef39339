package wire

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"testing"
)

func newKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

func TestSignaturesHoldForThisSessionAlone(t *testing.T) {
	agent, hub := newKey(t), newKey(t)
	fresh := func() Transcript {
		return Transcript{AgentNonce: bytes.Repeat([]byte{1}, NonceSize), HubNonce: bytes.Repeat([]byte{2}, NonceSize),
			AgentKey: public(agent), HubKey: public(hub), Binding: bytes.Repeat([]byte{3}, BindingSize)}
	}
	byHub, err := fresh().SignHub(hub)
	if err != nil {
		t.Fatal(err)
	}
	byAgent, err := fresh().SignAgent(agent)
	if err != nil {
		t.Fatal(err)
	}
	if fresh().VerifyHub(byHub) != nil || fresh().VerifyAgent(byAgent) != nil {
		t.Fatal("good signatures do not hold")
	}
	tests := []struct {
		name   string
		change func(*Transcript)
	}{
		{"another agent nonce", func(t *Transcript) { t.AgentNonce = NewNonce() }},
		{"another hub nonce", func(t *Transcript) { t.HubNonce = NewNonce() }},
		{"nonces swapped", func(t *Transcript) { t.AgentNonce, t.HubNonce = t.HubNonce, t.AgentNonce }},
		{"another TLS session", func(t *Transcript) { t.Binding = make([]byte, BindingSize) }},
		{"binding taken away", func(t *Transcript) { t.Binding = nil }},
		{"keys swapped", func(t *Transcript) { t.AgentKey, t.HubKey = t.HubKey, t.AgentKey }},
		{"a nonce cut short", func(t *Transcript) { t.HubNonce = t.HubNonce[:31] }},
		{"a key cut short", func(t *Transcript) { t.HubKey = t.HubKey[:31]; t.AgentKey = t.AgentKey[:31] }},
		{"a bound of another length", func(t *Transcript) { t.Binding = t.Binding[:16] }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			other := fresh()
			tt.change(&other)
			if other.VerifyHub(byHub) == nil || other.VerifyAgent(byAgent) == nil {
				t.Error("the signatures hold")
			}
		})
	}
	if err := fresh().VerifyHub(byAgent); !errors.Is(err, ErrBadSignature) {
		t.Errorf("the agent's signature as the hub's: %v", err)
	}
	mirror := fresh()
	mirror.AgentKey = mirror.HubKey // an agent that plays the hub's own words back
	if mirror.VerifyAgent(byHub) == nil {
		t.Error("the hub's signature serves as an agent's")
	}
}

func TestChooseProtocol(t *testing.T) {
	for _, tt := range []struct {
		low, high, want uint32
		ok              bool
	}{{1, 1, 1, true}, {1, 9, 1, true}, {0, 1, 1, true}, {2, 9, 0, false}, {0, 0, 0, false}, {9, 1, 0, false}} {
		got, ok := ChooseProtocol(&Hello{ProtocolMin: tt.low, ProtocolMax: tt.high})
		if got != tt.want || ok != tt.ok {
			t.Errorf("%d to %d: %d %v", tt.low, tt.high, got, ok)
		}
	}
}

func TestTrustFollowsSuccessions(t *testing.T) {
	a, b, c, stranger := newKey(t), newKey(t), newKey(t), newKey(t)
	ab, bc := NewSuccession(a, public(b)), NewSuccession(b, public(c))
	forged := &Succession{OldKey: public(a), NewKey: public(stranger), Signature: NewSuccession(stranger, public(stranger)).Signature}
	long := make([]*Succession, 0, 40)
	for range 40 {
		long = append(long, NewSuccession(stranger, public(stranger)))
	}
	tests := []struct {
		name  string
		key   ed25519.PublicKey
		chain []*Succession
		want  bool
	}{
		{"the key itself", public(a), nil, true},
		{"one step", public(b), []*Succession{ab}, true},
		{"two steps in any order", public(c), []*Succession{bc, ab}, true},
		{"a step missing", public(c), []*Succession{bc}, false},
		{"backwards", public(a), []*Succession{ab}, true},
		{"nobody vouches", public(stranger), []*Succession{ab, bc}, false},
		{"forged", public(stranger), []*Succession{forged}, false},
		{"vouching for oneself", public(stranger), []*Succession{NewSuccession(stranger, public(stranger))}, false},
		{"no key", nil, []*Succession{{OldKey: public(a)}}, false},
		{"behind more than is looked at", public(b), append(long, ab), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Trusted(tt.key, []ed25519.PublicKey{public(a)}, tt.chain); got != tt.want {
				t.Errorf("trusted: %v", got)
			}
		})
	}
	if Trusted(public(a), []ed25519.PublicKey{public(b)}, []*Succession{ab}) {
		t.Error("who was succeeded is trusted through its successor")
	}
}
