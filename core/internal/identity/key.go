package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

const (
	maxKeyFile    = 4 << 10 // bytes; ours has 119
	maxFingerFile = 256
	keyBlock      = "PRIVATE KEY" // PKCS #8, RFC 8410
)

// openKey reads the key, or makes it where the box never had one.
func (i *Identity) openKey() error {
	name := i.layout.Key()
	data, err := fsys.Read(i.fs, name, maxKeyFile)
	if missing(err) {
		return i.makeKey()
	}
	if err != nil {
		return fmt.Errorf("read the agent's key: %w", err)
	}
	if i.key, err = parseKey(data); err != nil {
		return fmt.Errorf("read the agent's key %s: %w; put it back from a backup, or remove it and %s to start as a new agent",
			name, err, i.layout.Finger())
	}
	i.finger = Fingerprint(i.key.Public().(ed25519.PublicKey))
	return i.checkFinger()
}

// makeKey makes key, then fingerprint. A fingerprint without a key is a box that lost its key: it
// does not come back as somebody else unasked.
func (i *Identity) makeKey() error {
	if finger, err := i.readFinger(); err != nil {
		return err
	} else if finger != "" {
		return fmt.Errorf("read the agent's key %s: it is gone, though this box was agent %s; put it back from a backup, or remove %s to start as a new agent",
			i.layout.Key(), finger, i.layout.Finger())
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("make the agent's key: %w", err)
	}
	text, err := marshalKey(key)
	if err != nil {
		return fmt.Errorf("make the agent's key: %w", err)
	}
	if err := i.fs.MkdirAll(i.keyFolder(), 0o755); err != nil {
		return fmt.Errorf("make the agent's key: %w", err)
	}
	if err := fsys.WriteNew(i.fs, i.layout.Key(), text, 0o600); err != nil {
		return fmt.Errorf("keep the agent's key: %w", err)
	}
	i.key = key
	i.finger = Fingerprint(i.key.Public().(ed25519.PublicKey))
	return i.writeFinger()
}

// checkFinger compares the fingerprint on disk with the key's, and writes it where a cut came between
// the two.
func (i *Identity) checkFinger() error {
	finger, err := i.readFinger()
	switch {
	case err != nil:
		return err
	case finger == "":
		return i.writeFinger()
	case finger != i.finger:
		return fmt.Errorf("read the agent's key %s: it is that of agent %s, but %s says %s; put the right key back, or remove %s if this key is the right one",
			i.layout.Key(), i.finger, i.layout.Finger(), finger, i.layout.Finger())
	}
	return nil
}

func (i *Identity) readFinger() (string, error) {
	data, err := fsys.Read(i.fs, i.layout.Finger(), maxFingerFile)
	if missing(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the agent's fingerprint: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

func (i *Identity) writeFinger() error {
	if err := fsys.WriteNew(i.fs, i.layout.Finger(), []byte(i.finger+"\n"), 0o644); err != nil {
		return fmt.Errorf("keep the agent's fingerprint: %w", err)
	}
	return nil
}

func marshalKey(key ed25519.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: der}), nil
}

func parseKey(data []byte) (ed25519.PrivateKey, error) {
	block, _ := pem.Decode(data)
	if block == nil || block.Type != keyBlock {
		return nil, errors.New("no PEM private key in it")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("its content is damaged")
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, errors.New("not an Ed25519 key")
	}
	return key, nil
}
