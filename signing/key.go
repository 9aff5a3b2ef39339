// Package signing holds the Ed25519 keys that sign releases and content: it makes
// them, keeps them in files of their own, with a passphrase or without, or leaves
// them in hardware behind a command, and signs with them. What is signed, and which
// key may sign it, is for signing/repo and signing/tuf. The files are described in
// docs/release-format.md.
package signing

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// A key file is one PEM block. Its header tells a development key, which anybody
// may have seen, from one that is to be trusted with a fleet.
const (
	pemType     = "LIMPET ED25519 PRIVATE KEY"
	useHeader   = "Use"
	development = "development only"
	production  = "production"

	maxKeyFile = 4 << 10 // bytes; one key is 200
)

// Key is a private key. It prints as its id.
type Key struct {
	private     ed25519.PrivateKey
	development bool
}

// Generate draws a key. A development key says so in its file.
func Generate(developmentOnly bool) (Key, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Key{}, fmt.Errorf("generate key: %w", err)
	}
	return Key{private: private, development: developmentOnly}, nil
}

// Development reports whether the key is for development only.
func (k Key) Development() bool { return k.development }

// Public is the public half.
func (k Key) Public() ed25519.PublicKey { return k.private.Public().(ed25519.PublicKey) }

// Sign signs message. It never fails.
func (k Key) Sign(message []byte) ([]byte, error) { return ed25519.Sign(k.private, message), nil }

// String is ID: a key never prints its private half.
func (k Key) String() string { return k.ID() }

// GoString is String, so that %#v tells no more.
func (k Key) GoString() string { return k.ID() }

// ID is KeyID of the public half.
func (k Key) ID() string { return KeyID(k.Public()) }

// KeyID names a public key as TUF does: 64 hex digits, the SHA-256 of the key's
// canonical JSON.
func KeyID(public ed25519.PublicKey) string {
	sum := sha256.Sum256([]byte(`{"keytype":"ed25519","keyval":{"public":"` + hex.EncodeToString(public) + `"},"scheme":"ed25519"}`))
	return hex.EncodeToString(sum[:])
}

// Save writes the key to a new file that only its owner may read, durably. It
// never overwrites: an existing name is fs.ErrExist.
func (k Key) Save(name string) error {
	data := pem.EncodeToMemory(&pem.Block{Type: pemType, Headers: map[string]string{useHeader: useOf(k.development)}, Bytes: k.private.Seed()})
	if err := writeOnce(name, data, 0o600); err != nil {
		return fmt.Errorf("save key %s: %w", name, err)
	}
	return nil
}

func useOf(developmentOnly bool) string {
	if developmentOnly {
		return development
	}
	return production
}

func writeOnce(name string, data []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(name)) // half a key would be in the way of the next
	}
	return fsys.Disk{}.SyncDir(filepath.Dir(name))
}

// Load reads a key file. One that others may read is refused, where the system
// has such permissions; a missing one is fs.ErrNotExist.
func Load(name string) (Key, error) {
	k, err := load(name)
	if err != nil {
		return Key{}, fmt.Errorf("load key %s: %w", name, err)
	}
	return k, nil
}

func load(name string) (Key, error) {
	info, err := os.Stat(name)
	if err != nil {
		return Key{}, errors.Unwrap(err) // the caller says the name
	}
	if err := private(info); err != nil {
		return Key{}, err
	}
	data, err := fsys.Read(fsys.Disk{}, name, maxKeyFile)
	if err != nil {
		return Key{}, err
	}
	return parseKey(data)
}

func parseKey(data []byte) (Key, error) {
	block, rest := pem.Decode(data)
	if block != nil && block.Type == lockedType {
		return Key{}, errors.New("a passphrase protects it, and none can be asked for here")
	}
	if block == nil || block.Type != pemType || len(rest) > 0 {
		return Key{}, errors.New("this is not a key file")
	}
	if len(block.Bytes) != ed25519.SeedSize {
		return Key{}, fmt.Errorf("the key has %d bytes, not %d", len(block.Bytes), ed25519.SeedSize)
	}
	developmentOnly, err := readUse(block)
	return Key{private: ed25519.NewKeyFromSeed(block.Bytes), development: developmentOnly}, err
}

func readUse(block *pem.Block) (developmentOnly bool, err error) {
	use := block.Headers[useHeader]
	if use != development && use != production {
		return false, fmt.Errorf("the key does not say whether it is for %s or %s", production, development)
	}
	return use == development, nil
}

func private(info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return errors.New("not a regular file")
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("others may read it (mode %04o); run chmod 600 on it, and replace the key if anybody did", info.Mode().Perm())
	}
	return nil
}
