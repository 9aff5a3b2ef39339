// Package identity is who this agent is and whom it trusts: the agent's Ed25519 key and its
// fingerprint, the count of its sessions, the hub's keys and CA from the trust document, and the
// enrolment token until it is used up.
//
// It owns these files: the key and fingerprint in etc, the trust document, the hub keys that
// successions led to, and the session count in state. It never replaces a key that it cannot read: a box whose key is
// damaged says so, and does not come back as somebody else. It speaks to nobody: what must be fetched
// is fetched by the session and handed in.
package identity

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing/trust"
)

// ErrNoToken is the cause when something needs an enrolment token and there is none.
var ErrNoToken = errors.New("no enrolment token")

// Options say where the files are.
type Options struct {
	Layout platforms.Layout
	Token  string // a token given otherwise than by file (LIMPET_TOKEN); wins over the file; "" = none
	FS     fsys.FS
	Log    *slog.Logger
}

// Identity is an agent's. Its methods may be called by several goroutines.
type Identity struct {
	fs      fsys.FS
	layout  platforms.Layout
	log     *slog.Logger
	mu      sync.Mutex // guards all below, and the writing of the files
	key     ed25519.PrivateKey
	finger  string
	given   string // Options.Token until it is used up
	trusted *trust.Document
	learned []ed25519.PublicKey // hub keys that successions led to
	spare   uint64              // a count that was reserved and not shown to a hub yet, 0 = none
	counted uint64              // the last count reserved, kept here for a disk that took none
}

// Open reads the identity, and makes the key at the first start. A key that cannot be read or that
// does not belong to the fingerprint beside it is an error that says what to do; so is a trust
// document that cannot be read. A damaged session count is not: it begins anew.
func Open(o Options) (*Identity, error) {
	if o.FS == nil {
		o.FS = fsys.Disk{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	i := &Identity{fs: o.FS, layout: o.Layout, log: o.Log, given: strings.TrimSpace(o.Token)}
	if err := i.openKey(); err != nil {
		return nil, err
	}
	if err := i.openTrust(); err != nil {
		return nil, err
	}
	return i, nil
}

// Fingerprint names the agent: the SHA-256 of its public key, 64 hex digits. It changes where the box turns out to be a copy (see Part).
func (i *Identity) Fingerprint() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.finger
}

// Key is the agent's private key.
func (i *Identity) Key() ed25519.PrivateKey {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.key
}

// PublicKey is its public half.
func (i *Identity) PublicKey() ed25519.PublicKey { return i.Key().Public().(ed25519.PublicKey) }

// Fingerprint is how a public key is named: its SHA-256, 64 hex digits.
func Fingerprint(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:])
}

// CA is the hub's own CA as PEM, "" when its certificate is a public one or no hub is trusted yet.
func (i *Identity) CA() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.trusted == nil {
		return ""
	}
	return i.trusted.CA
}

// Hub names the hub that the trust document is of, whatever successions its key has had since: the fingerprint of the key that the document names. "" before the first one.
func (i *Identity) Hub() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.trusted == nil {
		return ""
	}
	return Fingerprint(i.trusted.HubKey)
}

// SiteRoot is the fleet owner's root as the trust document has it; nil before the first one.
func (i *Identity) SiteRoot() []byte {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.trusted == nil {
		return nil
	}
	return i.trusted.SiteRoot
}

// HubKeys are the keys of the hub that the agent trusts; none before the first trust document.
func (i *Identity) HubKeys() []ed25519.PublicKey {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.trusted == nil {
		return nil
	}
	return append([]ed25519.PublicKey{i.trusted.HubKey}, i.learned...)
}

func (i *Identity) keyFolder() string { return filepath.Dir(i.layout.Key()) }

func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

func (i *Identity) remove(name string) error {
	if err := i.fs.Remove(name); err != nil && !missing(err) {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return nil
}
