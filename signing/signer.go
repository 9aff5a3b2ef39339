package signing

import (
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// Signer is a private key, wherever it is: in memory, in a file behind a passphrase,
// or in hardware behind a command. Sign may wait for a person.
type Signer interface {
	Public() ed25519.PublicKey
	Development() bool
	Sign(message []byte) ([]byte, error)
}

// Ask brings the passphrase of the key in a file.
type Ask func(name string) ([]byte, error)

// The ends of the names of a signer's files.
const (
	KeyEnd    = ".key"  // a private key
	PublicEnd = ".pub"  // its public half, to be handed around
	HookEnd   = ".hook" // an executable that signs with the key of the .pub beside it
)

// Open finds the signer that a file is: a key file, with or without a passphrase,
// or a hook. ask is called when a locked key signs for the first time; nil asks
// nobody, and then such a key does not sign.
func Open(name string, ask Ask) (Signer, error) {
	if base, ok := strings.CutSuffix(name, HookEnd); ok {
		return openHook(name, base+PublicEnd)
	}
	locked, err := isLocked(name)
	switch {
	case err != nil:
		return nil, fmt.Errorf("load key %s: %w", name, err)
	case locked:
		return openLocked(name, ask)
	}
	return Load(name)
}

// PublicOf is where the public half of a signer's file lies.
func PublicOf(name string) string {
	return strings.TrimSuffix(name, filepath.Ext(name)) + PublicEnd
}

func isLocked(name string) (bool, error) {
	if _, err := os.Stat(name); err != nil {
		return false, errors.Unwrap(err)
	}
	data, err := fsys.Read(fsys.Disk{}, name, maxKeyFile)
	if err != nil {
		return false, err
	}
	block, _ := pem.Decode(data)
	return block != nil && block.Type == lockedType, nil
}
