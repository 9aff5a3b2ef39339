package authority

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// readKey reads a private key that only its owner may read. os.ErrNotExist when there is none.
func readKey(name string) (crypto.PrivateKey, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("read %s: others may read it (mode %04o); if nobody did, chmod 600 it", name, info.Mode().Perm())
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("read %s: not a key", name)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return key, nil
}

// writeKey writes a key to a new file, durably.
func writeKey(name string, key crypto.PrivateKey) error { return keyTo(writeFile, name, key) }

// replaceKey writes a key in place of an older one, durably.
func replaceKey(name string, key crypto.PrivateKey) error { return keyTo(replaceFile, name, key) }

func keyTo(write func(string, []byte) error, name string, key crypto.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return write(name, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// writeFile writes a new file that only its owner may read: whole or not at all. It never overwrites.
func writeFile(name string, data []byte) error {
	if _, err := os.Lstat(name); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("write %s: %w", name, errors.Join(err, os.ErrExist))
	}
	return replaceFile(name, data)
}

// replaceFile writes a file that only its owner may read, in place of an older one: whole or not at all.
func replaceFile(name string, data []byte) error {
	part, err := os.CreateTemp(filepath.Dir(name), ".part-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	_, err = part.Write(data)
	if err == nil {
		err = part.Sync()
	}
	if err = errors.Join(err, part.Close()); err == nil {
		err = os.Rename(part.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, errors.Join(err, os.Remove(part.Name())))
	}
	return fsys.Disk{}.SyncDir(filepath.Dir(name))
}
