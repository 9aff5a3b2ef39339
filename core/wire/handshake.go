package wire

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
)

// What both sides name when they meet.
const (
	Path        = "/agent/v1" // where a hub takes agents
	Subprotocol = "limpet.v1" // of the websocket

	ProtocolMin = 1 // the oldest protocol spoken here

	NonceSize   = 32 // bytes
	BindingSize = 32 // bytes
)

// Codes of Refuse, see docs/wire.md.
const (
	RefuseVersion      = "version"
	RefuseUnknownAgent = "unknown-agent"
	RefuseTokenUnknown = "token-unknown"
	RefuseTokenExpired = "token-expired"
	RefuseTokenUsed    = "token-used"
	RefuseBadSignature = "bad-signature"
	RefuseBusy         = "busy"
	RefuseClone        = "clone"
	RefuseRevoked      = "revoked"
	RefuseNotReady     = "not-ready"
)

// ErrBadSignature is the cause when a signature does not hold over the transcript of this session.
var ErrBadSignature = errors.New("bad signature")

// The words that keep a signature for one purpose from serving another.
const (
	purposeHub        = "limpet.v1 hub\x00"
	purposeAgent      = "limpet.v1 agent\x00"
	purposeSuccession = "limpet.v1 succession\x00"
)

// exporterLabel is RFC 9266's.
const exporterLabel = "EXPORTER-Channel-Binding"

// MaxSuccession bounds how many steps from one hub key to another are followed: one a year for a
// working life, and little to verify for a hostile hub's list.
const MaxSuccession = 32

// NewNonce draws a nonce for a Hello or a Challenge.
func NewNonce() []byte {
	nonce := make([]byte, NonceSize)
	rand.Read(nonce) // never fails, see crypto/rand
	return nonce
}

// Binding is what ties a session's signatures to its TLS session: RFC 9266's exporter, 32 bytes.
// It needs TLS 1.3.
func Binding(state tls.ConnectionState) ([]byte, error) {
	if state.Version < tls.VersionTLS13 {
		return nil, errors.New("bind session to TLS: the line is older than TLS 1.3")
	}
	binding, err := state.ExportKeyingMaterial(exporterLabel, nil, BindingSize)
	if err != nil {
		return nil, fmt.Errorf("bind session to TLS: %w", err)
	}
	return binding, nil
}

// Transcript is what both sides sign: all that makes this session this one. Each side fills it with
// what it sent and what it got.
type Transcript struct {
	AgentNonce []byte            // of Hello, NonceSize
	HubNonce   []byte            // of Challenge, NonceSize
	AgentKey   ed25519.PublicKey // of Hello
	HubKey     ed25519.PublicKey // of Challenge
	Binding    []byte            // of Binding where the hub ends the TLS session itself (tls_bound), else empty
}

// Check says whether every part has the one length it may have, so that no two transcripts have the
// same bytes. Sign and verify need a transcript that holds.
func (t Transcript) Check() error {
	switch {
	case len(t.AgentNonce) != NonceSize:
		return fmt.Errorf("check transcript: agent nonce of %d bytes", len(t.AgentNonce))
	case len(t.HubNonce) != NonceSize:
		return fmt.Errorf("check transcript: hub nonce of %d bytes", len(t.HubNonce))
	case len(t.AgentKey) != ed25519.PublicKeySize:
		return fmt.Errorf("check transcript: agent key of %d bytes", len(t.AgentKey))
	case len(t.HubKey) != ed25519.PublicKeySize:
		return fmt.Errorf("check transcript: hub key of %d bytes", len(t.HubKey))
	case len(t.Binding) != 0 && len(t.Binding) != BindingSize:
		return fmt.Errorf("check transcript: binding of %d bytes", len(t.Binding))
	}
	return nil
}

// SignHub is the signature of a Challenge, by the key whose public half is t.HubKey.
func (t Transcript) SignHub(key ed25519.PrivateKey) ([]byte, error) {
	return t.sign(purposeHub, key)
}

// SignAgent is the signature of a Proof, by the key whose public half is t.AgentKey.
func (t Transcript) SignAgent(key ed25519.PrivateKey) ([]byte, error) {
	return t.sign(purposeAgent, key)
}

// VerifyHub says whether the Challenge was signed by t.HubKey for this very session; whether that key
// is one to trust is another question (see Trusted). The cause is ErrBadSignature when it was not.
func (t Transcript) VerifyHub(signature []byte) error {
	return t.verify(purposeHub, t.HubKey, signature)
}

// VerifyAgent says whether the Proof was signed by t.AgentKey for this very session. The cause is
// ErrBadSignature when it was not.
func (t Transcript) VerifyAgent(signature []byte) error {
	return t.verify(purposeAgent, t.AgentKey, signature)
}

func (t Transcript) sign(purpose string, key ed25519.PrivateKey) ([]byte, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	return ed25519.Sign(key, t.bytes(purpose)), nil
}

func (t Transcript) verify(purpose string, key ed25519.PublicKey, signature []byte) error {
	if err := t.Check(); err != nil {
		return err
	}
	if !ed25519.Verify(key, t.bytes(purpose), signature) {
		return fmt.Errorf("verify transcript: %w", ErrBadSignature)
	}
	return nil
}

func (t Transcript) bytes(purpose string) []byte {
	b := make([]byte, 0, len(purpose)+2*NonceSize+2*ed25519.PublicKeySize+BindingSize)
	b = append(b, purpose...)
	b = append(b, t.AgentNonce...)
	b = append(b, t.HubNonce...)
	b = append(b, t.AgentKey...)
	b = append(b, t.HubKey...)
	return append(b, t.Binding...)
}

// ChooseProtocol is the newest protocol that a Hello and this program both speak; ok is false when
// there is none (RefuseVersion).
func ChooseProtocol(hello *Hello) (protocol uint32, ok bool) {
	newest := min(hello.GetProtocolMax(), ProtocolMax)
	if newest < max(hello.GetProtocolMin(), ProtocolMin) {
		return 0, false
	}
	return newest, true
}

// NewSuccession has the old hub key vouch for the one that follows it.
func NewSuccession(old ed25519.PrivateKey, next ed25519.PublicKey) *Succession {
	oldKey := old.Public().(ed25519.PublicKey)
	return &Succession{
		OldKey:    oldKey,
		NewKey:    next,
		Signature: ed25519.Sign(old, successionBytes(oldKey, next)),
	}
}

// Trusted says whether key is among trusted, or signed successions lead to it from one that is. The
// order of the chain does not matter; what does not verify is passed over; no more than the first 32
// are looked at.
func Trusted(key ed25519.PublicKey, trusted []ed25519.PublicKey, chain []*Succession) bool {
	chain = chain[:min(len(chain), MaxSuccession)]
	known := append([]ed25519.PublicKey(nil), trusted...)
	for range len(chain) + 1 {
		if hasKey(known, key) {
			return true
		}
		next := follow(known, chain)
		if next == nil {
			return false
		}
		known = append(known, next)
	}
	return false
}

// follow is one key that a known one vouches for and that is not known yet, or nil.
func follow(known []ed25519.PublicKey, chain []*Succession) ed25519.PublicKey {
	for _, s := range chain {
		if len(s.GetNewKey()) != ed25519.PublicKeySize || hasKey(known, s.GetNewKey()) || !hasKey(known, s.GetOldKey()) {
			continue
		}
		if ed25519.Verify(s.GetOldKey(), successionBytes(s.GetOldKey(), s.GetNewKey()), s.GetSignature()) {
			return s.GetNewKey()
		}
	}
	return nil
}

func hasKey(keys []ed25519.PublicKey, key []byte) bool {
	if len(key) != ed25519.PublicKeySize {
		return false
	}
	for _, k := range keys {
		if bytes.Equal(k, key) {
			return true
		}
	}
	return false
}

func successionBytes(old, next []byte) []byte {
	return append(append([]byte(purposeSuccession), old...), next...)
}
