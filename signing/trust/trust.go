// Package trust is how a box comes to trust a hub: the token, one string that a
// person carries, and the trust document that it names by hash.
//
// The document says who the hub is (its key, its CA) and which two roots sign
// cores and plugins; the token carries the document's SHA-256, so whoever holds
// a token can verify the line and the releases without any configuration. The
// package keeps and fetches nothing: the hub serves a document at
// GET /trust/HEX-SHA-256, and keeps only the hash of each token's secret.
package trust

import (
	"crypto/ed25519"
)

// MaxDocument is the most a document may weigh, in bytes: two roots of at most
// 64 KiB each in base64, and a chain of certificates.
const MaxDocument = 256 << 10

// Document says whom a box trusts.
type Document struct {
	HubKey   ed25519.PublicKey // proves the hub in the challenge of each session
	CA       string            // PEM; empty when the hub's certificate is a public one
	CoreRoot []byte            // the publisher's TUF root.json, byte for byte
	SiteRoot []byte            // the fleet owner's TUF root.json, byte for byte
}

// Marshal is the document as the hub serves it. The same document gives the same
// bytes.
func (d Document) Marshal() ([]byte, error) { return nil, nil }

// ParseDocument reads a document that a token named: data must hash to want. It
// is refused when longer than MaxDocument, when it has members unknown here, and
// when any part is not what it must be.
func ParseDocument(data []byte, want [32]byte) (Document, error) { return Document{}, nil }

// Token admits an agent to a hub. The zero Token admits to nothing.
type Token struct {
	id       [8]byte
	secret   [24]byte
	document [32]byte
}

// NewToken draws a token that names the document with the given SHA-256.
func NewToken(document [32]byte) (Token, error) { return Token{}, nil }

// ParseToken reads a token as a person typed or pasted it; blanks around it are
// forgiven. Errors say what is wrong with it: cut short, mistyped, or from a
// newer Limpet. They never hold any part of the token.
func ParseToken(s string) (Token, error) { return Token{}, nil }

// String is the token for a person to carry: "lt1_" and base64url of id, secret,
// document hash and CRC-32. It is a secret: print it once, log it never.
func (t Token) String() string { return "" }

// ID names the token without giving it away: 16 hex digits.
func (t Token) ID() string { return "" }

// Secret is what the agent shows the hub, 24 bytes.
func (t Token) Secret() []byte { return nil }

// SecretHash is the SHA-256 of Secret: all that a hub keeps of it.
func (t Token) SecretHash() [32]byte { return [32]byte{} }

// DocumentHash is the SHA-256 of the trust document.
func (t Token) DocumentHash() [32]byte { return t.document }
