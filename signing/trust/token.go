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
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"strings"
)

// What is wrong with a token, for callers that branch. ParseToken wraps them in
// words for people.
var (
	ErrNotToken  = errors.New("this is not a Limpet token")
	ErrTruncated = errors.New("the token is cut short")
	ErrMistyped  = errors.New("the token has a typing error")
	ErrNewer     = errors.New("the token is from a newer Limpet")
)

// The parts of a token, in bytes, in their order. The checksum (IEEE CRC-32, big
// endian, of all before it) is there for people: it tells a slip of the hand from
// a token that was used up.
const (
	idSize     = 8
	secretSize = 24
	hashSize   = sha256.Size
	sumSize    = 4
	tokenSize  = idSize + secretSize + hashSize + sumSize

	prefix = "lt1_"
)

// Token admits an agent to a hub. The zero Token admits to nothing.
type Token struct {
	id       [idSize]byte
	secret   [secretSize]byte
	document [hashSize]byte
}

// NewToken draws a token that names the document with the given SHA-256.
func NewToken(document [32]byte) (Token, error) {
	t := Token{document: document}
	if _, err := rand.Read(t.id[:]); err != nil {
		return Token{}, fmt.Errorf("draw token: %w", err)
	}
	if _, err := rand.Read(t.secret[:]); err != nil {
		return Token{}, fmt.Errorf("draw token: %w", err)
	}
	return t, nil
}

// MakeToken puts a token together from what a hub gave an agent otherwise than as a string.
func MakeToken(id, secret []byte, document [32]byte) (Token, error) {
	if len(id) != idSize || len(secret) != secretSize {
		return Token{}, fmt.Errorf("%w: its parts have %d and %d bytes", ErrNotToken, len(id), len(secret))
	}
	return Token{id: [idSize]byte(id), secret: [secretSize]byte(secret), document: document}, nil
}

// ParseToken reads a token as a person typed or pasted it; blanks around it are
// forgiven. Errors are ErrNotToken, ErrTruncated, ErrMistyped or ErrNewer, with
// what to do next, and never hold any part of the token.
func ParseToken(s string) (Token, error) {
	s = strings.TrimSpace(s)
	body, ok := strings.CutPrefix(s, prefix)
	if !ok {
		return Token{}, foreign(s)
	}
	want := base64.RawURLEncoding.EncodedLen(tokenSize)
	if len(body) < want {
		return Token{}, fmt.Errorf("%w: %d of %d characters are there; copy it again, all of it", ErrTruncated, len(body)+len(prefix), want+len(prefix))
	}
	if len(body) > want {
		return Token{}, fmt.Errorf("%w: there is something after its end; copy the token alone", ErrMistyped)
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil || len(raw) != tokenSize { // a line break inside is skipped by the decoder
		return Token{}, fmt.Errorf("%w: it has a character that no token has; copy it again", ErrMistyped)
	}
	content, sum := raw[:tokenSize-sumSize], raw[tokenSize-sumSize:]
	if binary.BigEndian.Uint32(sum) != crc32.ChecksumIEEE(content) {
		return Token{}, fmt.Errorf("%w: its checksum does not agree; copy it again", ErrMistyped)
	}
	return Token{
		id:       [idSize]byte(content),
		secret:   [secretSize]byte(content[idSize:]),
		document: [hashSize]byte(content[idSize+secretSize:]),
	}, nil
}

// foreign says what a string without our prefix may be.
func foreign(s string) error {
	if s == "" {
		return fmt.Errorf("%w: it is empty; make one with limpet-hub token create", ErrNotToken)
	}
	version, _, ok := strings.Cut(strings.TrimPrefix(s, "lt"), "_")
	if ok && strings.HasPrefix(s, "lt") && version != "" && version[0] != '0' && strings.Trim(version, "0123456789") == "" {
		return fmt.Errorf("%w: version %.8s; install a newer limpet on this machine", ErrNewer, version)
	}
	if strings.HasPrefix(prefix, s) {
		return fmt.Errorf("%w: copy it again, all of it", ErrTruncated)
	}
	return fmt.Errorf("%w: one begins with %s; make one with limpet-hub token create", ErrNotToken, prefix)
}

// String is the token for a person to carry: "lt1_" and base64url of id, secret,
// document hash and CRC-32. It is a secret: print it once, log it never.
func (t Token) String() string {
	raw := make([]byte, 0, tokenSize)
	raw = append(raw, t.id[:]...)
	raw = append(raw, t.secret[:]...)
	raw = append(raw, t.document[:]...)
	raw = binary.BigEndian.AppendUint32(raw, crc32.ChecksumIEEE(raw))
	return prefix + base64.RawURLEncoding.EncodeToString(raw)
}

// LogValue keeps the secret out of logs.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.ID()) }

// ID names the token without giving it away: 16 hex digits.
func (t Token) ID() string { return hex.EncodeToString(t.id[:]) }

// Secret is what the agent shows the hub, 24 bytes.
func (t Token) Secret() []byte { return t.secret[:] }

// SecretHash is the SHA-256 of Secret: all that a hub keeps of it.
func (t Token) SecretHash() [32]byte { return sha256.Sum256(t.secret[:]) }

// DocumentHash is the SHA-256 of the trust document.
func (t Token) DocumentHash() [32]byte { return t.document }
