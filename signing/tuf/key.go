//go:build !conformance

package tuf

import "crypto/ed25519"

// publicKey is a key that may sign metadata, as a map key: two that are equal are
// one signer, whatever ids they have.
type publicKey [ed25519.PublicKeySize]byte

// publicKey reads one key of a "keys" object. One of another type than Ed25519
// fails the document: nothing here could ever check its signatures.
func (d *decoder) publicKey(v value) publicKey {
	if d.text(v, "keytype") != "ed25519" || d.text(v, "scheme") != "ed25519" {
		d.fail("a key that is not ed25519")
	}
	return publicKey(d.bytes(d.need(v, "keyval", object), "public", ed25519.PublicKeySize))
}

// signed reports whether sig is k's signature over message.
func (k publicKey) signed(message, sig []byte) bool {
	return len(sig) == ed25519.SignatureSize && ed25519.Verify(k[:], message, sig)
}
