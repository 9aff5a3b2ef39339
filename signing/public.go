package signing

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

const (
	publicType = "LIMPET ED25519 PUBLIC KEY"
	pkixType   = "PUBLIC KEY" // as openssl and most hardware write it
)

// Public is the public half of a key, as its file says it.
type Public struct {
	Key         ed25519.PublicKey
	Development bool
}

// ID is KeyID.
func (p Public) ID() string { return KeyID(p.Key) }

// PublicHalf is what may be handed around of a signer.
func PublicHalf(s Signer) Public { return Public{s.Public(), s.Development()} }

// Save writes the public key to a new file, durably; an existing name is fs.ErrExist.
func (p Public) Save(name string) error {
	data := pem.EncodeToMemory(&pem.Block{Type: publicType, Headers: map[string]string{useHeader: useOf(p.Development)}, Bytes: p.Key})
	if err := writeOnce(name, data, 0o644); err != nil {
		return fmt.Errorf("save public key %s: %w", name, err)
	}
	return nil
}

// LoadPublic reads what Save wrote, or an Ed25519 key in the form that openssl and
// hardware tools export.
func LoadPublic(name string) (Public, error) {
	p, err := loadPublic(name)
	if err != nil {
		return Public{}, fmt.Errorf("load public key %s: %w", name, err)
	}
	return p, nil
}

func loadPublic(name string) (Public, error) {
	data, err := fsys.Read(fsys.Disk{}, name, maxKeyFile)
	if err != nil {
		return Public{}, err
	}
	return parsePublic(data)
}

func parsePublic(data []byte) (Public, error) {
	block, rest := pem.Decode(data)
	if block == nil || len(rest) > 0 {
		return Public{}, errors.New("this is not a public key")
	}
	switch block.Type {
	case publicType:
		if len(block.Bytes) != ed25519.PublicKeySize {
			return Public{}, fmt.Errorf("the key has %d bytes, not %d", len(block.Bytes), ed25519.PublicKeySize)
		}
		developmentOnly, err := readUse(block)
		return Public{block.Bytes, developmentOnly}, err
	case pkixType:
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return Public{}, err
		}
		if public, ok := key.(ed25519.PublicKey); ok {
			return Public{Key: public}, nil
		}
		return Public{}, errors.New("it is not an Ed25519 key, and no other kind can sign here")
	}
	return Public{}, errors.New("this is not a public key (hand around the .pub, never the .key)")
}
