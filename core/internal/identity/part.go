package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"fmt"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing/trust"
)

// NewKey draws the key that a copy takes in the place of the one it has in common with another box.
func NewKey() (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key for a copy: %w", err)
	}
	return key, nil
}

// Part parts a copy from the agent it was copied from: key and fingerprint are the new ones, durably, and the token by which the hub takes
// it in is kept until it is used. Whatever cuts it short leaves the former agent or the new one.
func (i *Identity) Part(key ed25519.PrivateKey, tokenID, tokenSecret []byte) error {
	text, err := marshalKey(key)
	if err != nil {
		return fmt.Errorf("part from the former key: %w", err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	document, err := fsys.Read(i.fs, i.layout.TrustDocument(), trust.MaxDocument)
	if err != nil {
		return fmt.Errorf("part from the former key: %w", err)
	}
	token, err := trust.MakeToken(tokenID, tokenSecret, sha256.Sum256(document))
	if err != nil {
		return fmt.Errorf("part from the former key: %w", err)
	}
	if err := fsys.WriteNew(i.fs, i.layout.Token(), []byte(token.String()+"\n"), 0o600); err != nil {
		return fmt.Errorf("part from the former key: %w", err)
	}
	// A key without a fingerprint is one that was just made; one with another's would be refused.
	if err := i.remove(i.layout.Finger()); err != nil {
		return fmt.Errorf("part from the former key: %w", err)
	}
	if err := i.fs.SyncDir(i.keyFolder()); err != nil {
		return fmt.Errorf("part from the former key: %w", err)
	}
	if err := fsys.WriteNew(i.fs, i.layout.Key(), text, 0o600); err != nil {
		return fmt.Errorf("part from the former key: %w", err)
	}
	i.key, i.given = key, ""
	i.finger = Fingerprint(key.Public().(ed25519.PublicKey))
	return i.writeFinger()
}
