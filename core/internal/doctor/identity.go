package doctor

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing/trust"
)

// known is what the box knows of its hub.
type known struct {
	ok   bool // there is a trust document or a token that names one
	ca   string
	keys []ed25519.PublicKey
}

// identity looks at key, trust document and token, and reads them without making any.
func (p *patient) identity() known {
	l := p.o.Layout
	if _, err := os.ReadFile(l.Key()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		if errors.Is(err, fs.ErrPermission) {
			p.warn("identity", "run limpet doctor as the user of the agent (root)", "the agent's key cannot be read with your rights")
		} else {
			p.bad("identity", "the agent's key is who this box is: bring it back from a backup", "%v", err)
		}
	}
	token := p.token()
	data, err := fsys.Read(fsys.Disk{}, l.TrustDocument(), trust.MaxDocument)
	switch {
	case errors.Is(err, fs.ErrNotExist) && token:
		p.good("identity", "not enrolled yet; there is a token")
		return known{ok: true}
	case errors.Is(err, fs.ErrNotExist):
		p.bad("identity", "on the hub: limpet-hub token create; here: put it into "+l.Token(), "this box trusts no hub yet and has no token")
		return known{}
	case err != nil:
		p.bad("identity", "enrol the box again with a new token", "%v", err)
		return known{}
	}
	document, err := trust.ParseDocument(data, sha256.Sum256(data))
	if err != nil {
		p.bad("identity", "enrol the box again with a new token", "the trust document is damaged: %v", err)
		return known{}
	}
	finger, _ := os.ReadFile(l.Finger())
	p.good("identity", "agent %.16s; trusts the hub with key %s", strings.TrimSpace(string(finger)), keyName(document.HubKey))
	return known{true, document.CA, append([]ed25519.PublicKey{document.HubKey}, learned(l.TrustDocument())...)}
}

func keyName(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:8])
}

// learned are the hub keys that successions led to: state/trust/hub-keys, a line of hex each.
func learned(document string) (keys []ed25519.PublicKey) {
	data, err := fsys.Read(fsys.Disk{}, filepath.Join(filepath.Dir(document), "hub-keys"), 16<<10)
	if err != nil {
		return nil
	}
	for _, word := range strings.Fields(string(data)) {
		if key, err := hex.DecodeString(word); err == nil && len(key) == ed25519.PublicKeySize {
			keys = append(keys, key)
		}
	}
	return keys
}

// token says whether there is one that can be read. No part of it is shown but its name.
func (p *patient) token() bool {
	text, where := p.o.Token, "the environment"
	if text == "" {
		data, err := fsys.Read(fsys.Disk{}, p.o.Layout.Token(), 4<<10)
		if err != nil {
			return false
		}
		text, where = string(data), p.o.Layout.Token()
	}
	token, err := trust.ParseToken(text)
	if err != nil {
		p.bad("token", "on the hub: limpet-hub token create; put the whole of it into "+p.o.Layout.Token(), "what is in %s is no token: %v", where, err)
		return false
	}
	p.good("token", "%s holds one, id %s; whether it is still good only the hub knows", where, token.ID())
	return true
}
