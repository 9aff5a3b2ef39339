package trust

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
)

// MaxDocument is the most a document may weigh, in bytes: two roots of at most
// 64 KiB each in base64, and a chain of certificates.
const MaxDocument = 256 << 10

// documentVersion is the only version of the document there is.
const documentVersion = 1

// ErrDocument is the cause when a document is not the one the token names.
var ErrDocument = errors.New("the trust document is not the one that the token names")

// Document says whom a box trusts.
type Document struct {
	HubKey   ed25519.PublicKey // proves the hub in the challenge of each session
	CA       string            // PEM; empty when the hub's certificate is a public one
	CoreRoot []byte            // the publisher's TUF root.json, byte for byte
	SiteRoot []byte            // the fleet owner's TUF root.json, byte for byte
}

// document is its form on the wire: members in this order, no blanks.
type document struct {
	Version  int    `json:"version"`
	HubKey   string `json:"hub_key"` // hex
	CA       string `json:"ca"`
	CoreRoot []byte `json:"core_root"` // base64
	SiteRoot []byte `json:"site_root"`
}

// Marshal is the document as the hub serves it. The same document gives the same
// bytes.
func (d Document) Marshal() ([]byte, error) {
	if err := d.check(); err != nil {
		return nil, fmt.Errorf("write trust document: %w", err)
	}
	data, err := json.Marshal(document{documentVersion, hex.EncodeToString(d.HubKey), d.CA, d.CoreRoot, d.SiteRoot})
	if err != nil {
		return nil, fmt.Errorf("write trust document: %w", err)
	}
	if len(data) > MaxDocument {
		return nil, fmt.Errorf("write trust document: %d bytes, the limit is %d", len(data), MaxDocument)
	}
	return data, nil
}

// Hash is the name of a marshalled document, as a token carries it.
func Hash(marshalled []byte) [32]byte { return sha256.Sum256(marshalled) }

// ParseDocument reads a document that a token named: data must hash to want, else
// ErrDocument. It is refused when longer than MaxDocument, when it has members
// unknown here, and when any part is not what it must be. That the roots are
// sound is for signing/tuf to say.
func ParseDocument(data []byte, want [32]byte) (Document, error) {
	if len(data) > MaxDocument {
		return Document{}, fmt.Errorf("read trust document: longer than %d bytes", MaxDocument)
	}
	if sha256.Sum256(data) != want {
		return Document{}, fmt.Errorf("read trust document: %w", ErrDocument)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var wire document
	if err := dec.Decode(&wire); err != nil {
		return Document{}, fmt.Errorf("read trust document: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return Document{}, errors.New("read trust document: trailing data")
	}
	if wire.Version != documentVersion {
		return Document{}, fmt.Errorf("read trust document: version %d; install a newer limpet on this machine", wire.Version)
	}
	key, err := hex.DecodeString(wire.HubKey)
	if err != nil {
		return Document{}, fmt.Errorf("read trust document: hub key: %w", err)
	}
	d := Document{HubKey: key, CA: wire.CA, CoreRoot: wire.CoreRoot, SiteRoot: wire.SiteRoot}
	if err := d.check(); err != nil {
		return Document{}, fmt.Errorf("read trust document: %w", err)
	}
	return d, nil
}

func (d Document) check() error {
	switch {
	case len(d.HubKey) != ed25519.PublicKeySize:
		return fmt.Errorf("hub key has %d bytes, not %d", len(d.HubKey), ed25519.PublicKeySize)
	case len(d.CoreRoot) == 0:
		return errors.New("the core root is missing")
	case len(d.SiteRoot) == 0:
		return errors.New("the site root is missing")
	}
	return checkCA(d.CA)
}

// checkCA takes nothing but whole certificates, so that a CA which would be
// ignored is noticed here and not as a TLS failure on every box.
func checkCA(text string) error {
	rest := []byte(text)
	for len(bytes.TrimSpace(rest)) > 0 {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil || block.Type != "CERTIFICATE" {
			return errors.New("ca is not PEM certificates alone")
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Errorf("ca: %w", err)
		}
	}
	return nil
}
