package identity

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing/trust"
)

const (
	maxTokenFile  = 4 << 10  // bytes
	maxKeysFile   = 16 << 10 // bytes
	maxHubKeys    = 64       // learned ones; the oldest goes first
	hexKeyLength  = 2 * ed25519.PublicKeySize
	trustFileMode = 0o644
)

// Trusting says whether there is a trust document: without one no hub is believed.
func (i *Identity) Trusting() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.trusted != nil
}

// Wanted is the SHA-256 of the trust document that the token names and that is not kept yet. ok is
// false when nothing needs to be fetched: no token, or its document is the one that is kept. The
// error says what is wrong with the token.
func (i *Identity) Wanted() (hash [32]byte, ok bool, err error) {
	token, err := i.Token()
	if err != nil || token == nil {
		return hash, false, err
	}
	hash = token.DocumentHash()
	kept, err := fsys.Read(i.fs, i.layout.TrustDocument(), trust.MaxDocument)
	if err == nil && sha256.Sum256(kept) == hash {
		return hash, false, nil
	}
	return hash, true, nil
}

// Learn keeps the trust document that the token names: from now on its hub is the one believed. Data
// that does not hash to what the token says is refused, and nothing changes.
func (i *Identity) Learn(data []byte) error {
	token, err := i.Token()
	if err != nil {
		return err
	}
	if token == nil {
		return fmt.Errorf("take trust document: %w", ErrNoToken)
	}
	document, err := trust.ParseDocument(data, token.DocumentHash())
	if err != nil {
		return fmt.Errorf("take trust document: %w", err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	name := i.layout.TrustDocument()
	if err := i.fs.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return fmt.Errorf("keep trust document: %w", err)
	}
	// What successions of the former hub led to is not believed under the new one.
	if err := i.remove(i.keysFile()); err != nil {
		return fmt.Errorf("keep trust document: %w", err)
	}
	if err := fsys.WriteNew(i.fs, name, data, trustFileMode); err != nil {
		return fmt.Errorf("keep trust document: %w", err)
	}
	i.trusted, i.learned = &document, nil
	return nil
}

// TrustKey keeps a hub key that a signed succession led to. The caller has verified it.
func (i *Identity) TrustKey(key ed25519.PublicKey) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.trusted == nil || i.trusted.HubKey.Equal(key) {
		return nil
	}
	for _, k := range i.learned {
		if k.Equal(key) {
			return nil
		}
	}
	keys := append(i.learned, key)
	keys = keys[max(0, len(keys)-maxHubKeys):]
	var text strings.Builder
	for _, k := range keys {
		fmt.Fprintln(&text, hex.EncodeToString(k))
	}
	if err := fsys.WriteNew(i.fs, i.keysFile(), []byte(text.String()), trustFileMode); err != nil {
		return fmt.Errorf("keep hub key: %w", err)
	}
	i.learned = keys
	return nil
}

// Token is the enrolment token, nil when there is none. The error says what is wrong with it, and
// holds no part of it. The file is read each time, so one that a person just put there counts.
func (i *Identity) Token() (*trust.Token, error) {
	i.mu.Lock()
	text := i.given
	i.mu.Unlock()
	source := "the environment"
	if text == "" {
		data, err := fsys.Read(i.fs, i.layout.Token(), maxTokenFile)
		if missing(err) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the enrolment token: %w", err)
		}
		text, source = string(data), i.layout.Token()
	}
	token, err := trust.ParseToken(text)
	if err != nil {
		return nil, fmt.Errorf("read the enrolment token in %s: %w", source, err)
	}
	return &token, nil
}

// TokenUsed says that a hub took the agent in: the token is forgotten and its file deleted.
func (i *Identity) TokenUsed() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.given = ""
	if err := i.remove(i.layout.Token()); err != nil {
		return fmt.Errorf("delete the used token: %w", err)
	}
	return nil
}

func (i *Identity) keysFile() string {
	return filepath.Join(filepath.Dir(i.layout.TrustDocument()), "hub-keys")
}

// openTrust reads the document and the learned keys. A damaged document is an error unless a token is
// there to replace it.
func (i *Identity) openTrust() error {
	data, err := fsys.Read(i.fs, i.layout.TrustDocument(), trust.MaxDocument)
	if missing(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the trust document: %w", err)
	}
	document, err := trust.ParseDocument(data, sha256.Sum256(data))
	if err != nil {
		if token, tokenErr := i.Token(); tokenErr == nil && token != nil {
			i.log.Warn("trust document damaged, the token's is fetched", "err", err)
			return nil
		}
		return fmt.Errorf("read the trust document %s: %w; enrol again with a new token", i.layout.TrustDocument(), err)
	}
	i.trusted = &document
	i.learned = i.readKeys()
	return nil
}

// readKeys reads what it can of the learned keys: a damaged line costs that key.
func (i *Identity) readKeys() []ed25519.PublicKey {
	data, err := fsys.Read(i.fs, i.keysFile(), maxKeysFile)
	if err != nil {
		if !missing(err) {
			i.log.Warn("learned hub keys not read", "err", err)
		}
		return nil
	}
	var keys []ed25519.PublicKey
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if len(line) != hexKeyLength || len(keys) >= maxHubKeys {
			continue
		}
		if key, err := hex.DecodeString(line); err == nil {
			keys = append(keys, key)
		}
	}
	return keys
}
