package wire

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
)

// KnockHeader is the header of a websocket's request in which an agent says who asks, so that a hub with too many at its door lets those
// in first that it knows. It is no proof of anything else: the handshake that follows is the same with it and without.
const KnockHeader = "Limpet-Knock"

const (
	purposeKnock = "limpet.v1 knock\x00"
	knockSize    = ed25519.PublicKeySize + BindingSize + ed25519.SignatureSize
)

// Knock is the value of KnockHeader for a line with this binding: the key's public half, the binding and a signature over both.
func Knock(key ed25519.PrivateKey, binding []byte) (string, error) {
	if len(binding) != BindingSize {
		return "", fmt.Errorf("knock: binding of %d bytes", len(binding))
	}
	b := append(append([]byte(nil), key.Public().(ed25519.PublicKey)...), binding...)
	b = append(b, ed25519.Sign(key, append([]byte(purposeKnock), b...))...)
	return base64.RawStdEncoding.EncodeToString(b), nil
}

// ReadKnock gives the key of who knocks. bound is the line's own binding, nil where a balancer ends TLS: then whoever saw the knock inside
// that TLS session can show it again.
func ReadKnock(text string, bound []byte) (ed25519.PublicKey, error) {
	if base64.RawStdEncoding.DecodedLen(len(text)) != knockSize {
		return nil, errors.New("read knock: not of its length")
	}
	b, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("read knock: %w", err)
	}
	const signed = knockSize - ed25519.SignatureSize
	key, binding := ed25519.PublicKey(b[:ed25519.PublicKeySize]), b[ed25519.PublicKeySize:signed]
	if bound != nil && !bytes.Equal(binding, bound) {
		return nil, errors.New("read knock: of another line")
	}
	if !ed25519.Verify(key, append([]byte(purposeKnock), b[:signed]...), b[signed:]) {
		return nil, fmt.Errorf("read knock: %w", ErrBadSignature)
	}
	return key, nil
}
