//go:build conformance

package tuf

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
)

// This file takes the place of key.go in builds for the TUF conformance suite,
// which signs a few of its repositories with ECDSA and RSA. No program of Limpet is
// ever built so.

// publicKey is a key of any type: the type, and the key in its DER form, or an
// Ed25519 key's bytes.
type publicKey struct{ kind, bytes string }

func (d *decoder) publicKey(v value) publicKey {
	kind := d.text(v, "keytype") + "/" + d.text(v, "scheme")
	keyval := d.need(v, "keyval", object)
	switch kind {
	case "ed25519/ed25519":
		return publicKey{kind, string(d.bytes(keyval, "public", ed25519.PublicKeySize))}
	case "ecdsa/ecdsa-sha2-nistp256", "rsa/rsassa-pss-sha256":
		block, _ := pem.Decode([]byte(d.text(keyval, "public")))
		if block == nil {
			d.fail("a public key that is not PEM")
			return publicKey{}
		}
		if _, err := x509.ParsePKIXPublicKey(block.Bytes); err != nil {
			d.fail("a public key that is not PKIX")
		}
		return publicKey{kind, string(block.Bytes)}
	}
	d.fail("a key that is not ed25519, ecdsa or rsa")
	return publicKey{}
}

func (k publicKey) signed(message, sig []byte) bool {
	if k.kind == "ed25519/ed25519" {
		return len(sig) == ed25519.SignatureSize && ed25519.Verify([]byte(k.bytes), message, sig)
	}
	key, err := x509.ParsePKIXPublicKey([]byte(k.bytes))
	if err != nil {
		return false
	}
	sum := sha256.Sum256(message)
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, sum[:], sig)
	case *rsa.PublicKey:
		return rsa.VerifyPSS(key, crypto.SHA256, sum[:], sig, nil) == nil
	}
	return false
}
