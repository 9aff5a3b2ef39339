package signing

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"

	"golang.org/x/crypto/scrypt"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// A locked key file is one PEM block, too: its body is the seed under AES-256-GCM,
// with a key that scrypt makes of the passphrase and a salt. Each file has a salt of
// its own and so a key of its own, which seals one message: the nonce is zero.
const (
	lockedType   = "LIMPET ED25519 ENCRYPTED PRIVATE KEY"
	publicHeader = "Public" // hex: who may sign can be told without the passphrase
	workHeader   = "Work"   // log2 of scrypt's N; r is 8, p is 1
	saltHeader   = "Salt"   // hex, 32 bytes

	saltSize = 32
)

// How much work a guess at a passphrase is, as log2 of scrypt's N: each step doubles
// time and memory (2^17: 128 MiB, about half a second).
const (
	MinWork     = 12
	DefaultWork = 17
	MaxWork     = 20 // 1 GiB; more, and a file could keep a machine busy for minutes
)

// MinPassphrase is the shortest passphrase a key is saved under, in bytes.
const MinPassphrase = 12

// SaveLocked is Save, under a passphrase.
func (k Key) SaveLocked(name string, passphrase []byte, work int) error {
	block, err := k.lock(passphrase, work)
	if err == nil {
		err = writeOnce(name, pem.EncodeToMemory(block), 0o600)
	}
	if err != nil {
		return fmt.Errorf("save key %s: %w", name, err)
	}
	return nil
}

func (k Key) lock(passphrase []byte, work int) (*pem.Block, error) {
	if len(passphrase) < MinPassphrase {
		return nil, fmt.Errorf("the passphrase has %d bytes; take at least %d", len(passphrase), MinPassphrase)
	}
	salt := make([]byte, saltSize)
	if _, err := rand.Read(salt); err != nil {
		return nil, err
	}
	block := &pem.Block{Type: lockedType, Headers: map[string]string{
		useHeader:    useOf(k.development),
		publicHeader: hex.EncodeToString(k.Public()),
		workHeader:   strconv.Itoa(work),
		saltHeader:   hex.EncodeToString(salt),
	}}
	box, err := boxOf(block, passphrase)
	if err != nil {
		return nil, err
	}
	block.Bytes = box.Seal(nil, make([]byte, box.NonceSize()), k.private.Seed(), stated(block))
	return block, nil
}

// boxOf makes the cipher that the headers of a block and a passphrase give.
func boxOf(block *pem.Block, passphrase []byte) (cipher.AEAD, error) {
	work, err := strconv.Atoi(block.Headers[workHeader])
	if err != nil || work < MinWork || work > MaxWork {
		return nil, fmt.Errorf("its work %q is not a number from %d to %d", block.Headers[workHeader], MinWork, MaxWork)
	}
	salt, err := hex.DecodeString(block.Headers[saltHeader])
	if err != nil || len(salt) != saltSize {
		return nil, fmt.Errorf("its salt is not %d bytes in hex", saltSize)
	}
	key, err := scrypt.Key(passphrase, salt, 1<<work, 8, 1, 32)
	if err != nil {
		return nil, err
	}
	c, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(c)
}

// stated is what the file says in the open, authenticated with the key.
func stated(block *pem.Block) []byte {
	return []byte("limpet key 1\n" + block.Headers[useHeader] + "\n" + block.Headers[publicHeader] + "\n")
}

// lockedKey is a key file that a passphrase protects. It is opened once, at its first
// signature.
type lockedKey struct {
	name        string
	block       *pem.Block
	public      ed25519.PublicKey
	development bool
	ask         Ask

	once sync.Once
	key  Key
	err  error
}

func openLocked(name string, ask Ask) (*lockedKey, error) {
	l := &lockedKey{name: name, ask: ask}
	if err := l.read(); err != nil {
		return nil, fmt.Errorf("load key %s: %w", name, err)
	}
	return l, nil
}

func (l *lockedKey) read() error {
	info, err := os.Stat(l.name)
	if err != nil {
		return errors.Unwrap(err)
	}
	if err := private(info); err != nil {
		return err
	}
	data, err := fsys.Read(fsys.Disk{}, l.name, maxKeyFile)
	if err != nil {
		return err
	}
	block, rest := pem.Decode(data)
	if block == nil || len(rest) > 0 {
		return errors.New("this is not a key file")
	}
	if l.development, err = readUse(block); err != nil {
		return err
	}
	public, err := hex.DecodeString(block.Headers[publicHeader])
	if err != nil || len(public) != ed25519.PublicKeySize {
		return errors.New("it does not say its public key")
	}
	l.block, l.public = block, public
	return nil
}

func (l *lockedKey) Public() ed25519.PublicKey { return l.public }

func (l *lockedKey) Development() bool { return l.development }

// Sign asks for the passphrase the first time. A wrong one stays wrong.
func (l *lockedKey) Sign(message []byte) ([]byte, error) {
	l.once.Do(func() { l.key, l.err = l.unlock() })
	if l.err != nil {
		return nil, fmt.Errorf("unlock key %s: %w", l.name, l.err)
	}
	return l.key.Sign(message)
}

func (l *lockedKey) unlock() (Key, error) {
	if l.ask == nil {
		return Key{}, errors.New("a passphrase protects it, and none can be asked for here")
	}
	passphrase, err := l.ask(l.name)
	if err != nil {
		return Key{}, err
	}
	box, err := boxOf(l.block, passphrase)
	if err != nil {
		return Key{}, err
	}
	seed, err := box.Open(nil, make([]byte, box.NonceSize()), l.block.Bytes, stated(l.block))
	if err != nil || len(seed) != ed25519.SeedSize {
		return Key{}, errors.New("the passphrase is wrong, or the file was changed")
	}
	key := Key{private: ed25519.NewKeyFromSeed(seed), development: l.development}
	if !key.Public().Equal(l.public) {
		return Key{}, errors.New("it is not the key that it says it is")
	}
	return key, nil
}
