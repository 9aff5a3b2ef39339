package authority

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
)

// The files of the hub's key. Each line of the second is a step from one key to the next: old key, new key, signature, in hex.
const (
	keyFile        = "hub.key"
	successionFile = "hub.successions"
)

// voice is the hub's key and what leads to it; it is immutable.
type voice struct {
	key   ed25519.PrivateKey
	chain []*wire.Succession // the newest last, at most wire.MaxSuccession
	read  time.Time          // the key file's time
}

// HubKey is the key that proves the hub in each session.
func (a *Authority) HubKey() ed25519.PrivateKey { return a.voice.Load().key }

// Voice is the key with the signatures by which earlier keys of this hub lead to it.
func (a *Authority) Voice() (ed25519.PrivateKey, []*wire.Succession) {
	v := a.voice.Load()
	return v.key, v.chain
}

// Succeed makes the hub in this folder a new key, has the old one vouch for it, and destroys the old one. A hub that runs takes the new one up by itself within
// seconds. Cut short, the old key stays, and a step in the chain leads to a key that nobody has, which harms nothing.
func Succeed(dir string) (old, next ed25519.PublicKey, err error) {
	name := filepath.Join(dir, keyFile)
	if _, err := os.Stat(name); err != nil {
		return nil, nil, fmt.Errorf("succeed the hub's key: %w", err)
	}
	v, err := readVoice(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("succeed the hub's key: %w", err)
	}
	next, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, nil, fmt.Errorf("succeed the hub's key: %w", err)
	}
	chain := append(v.chain, wire.NewSuccession(v.key, next))
	chain = chain[max(0, len(chain)-wire.MaxSuccession):]
	var text strings.Builder
	for _, s := range chain {
		fmt.Fprintf(&text, "%x %x %x\n", s.GetOldKey(), s.GetNewKey(), s.GetSignature())
	}
	// First what vouches: a key that nothing leads to would cost every agent its hub.
	if err := replaceFile(filepath.Join(dir, successionFile), []byte(text.String())); err != nil {
		return nil, nil, fmt.Errorf("succeed the hub's key: %w", err)
	}
	if err := replaceKey(name, key); err != nil {
		return nil, nil, fmt.Errorf("succeed the hub's key: %w", err)
	}
	return v.key.Public().(ed25519.PublicKey), next, nil
}

// lookAtKey takes up a key that was put in place of the one in use.
func (a *Authority) lookAtKey() {
	info, err := os.Stat(filepath.Join(a.o.Dir, keyFile))
	if err != nil || info.ModTime().Equal(a.voice.Load().read) {
		return // gone: what is in use goes on
	}
	v, err := readVoice(a.o.Dir)
	if err != nil {
		a.log.Error("the hub's new key not read, the one in use stays", "err", err)
		return
	}
	if !v.key.Equal(a.HubKey()) {
		a.log.Info("the hub has a new key, vouched for by the one before")
	}
	a.voice.Store(v)
}

// readVoice reads the hub's key, made where there is none, and what leads to it. A damaged line costs that step.
func readVoice(dir string) (*voice, error) {
	name := filepath.Join(dir, keyFile)
	v := &voice{}
	var err error
	if v.key, err = hubKey(name); err != nil {
		return nil, err
	}
	if info, err := os.Stat(name); err == nil {
		v.read = info.ModTime()
	}
	data, err := os.ReadFile(filepath.Join(dir, successionFile))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	for line := range strings.Lines(string(data)) {
		if s := parseSuccession(line); s != nil {
			v.chain = append(v.chain, s)
		}
	}
	v.chain = v.chain[max(0, len(v.chain)-wire.MaxSuccession):]
	return v, nil
}

func parseSuccession(line string) *wire.Succession {
	words := strings.Fields(line)
	if len(words) != 3 {
		return nil
	}
	var parts [3][]byte
	for i, word := range words {
		var err error
		if parts[i], err = hex.DecodeString(word); err != nil {
			return nil
		}
	}
	if len(parts[0]) != ed25519.PublicKeySize || len(parts[1]) != ed25519.PublicKeySize || len(parts[2]) != ed25519.SignatureSize {
		return nil
	}
	return &wire.Succession{OldKey: parts[0], NewKey: parts[1], Signature: parts[2]}
}
