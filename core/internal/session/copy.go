package session

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/limpet-monitoring/limpet/core/internal/buffer"
	"github.com/limpet-monitoring/limpet/core/internal/identity"
	"github.com/limpet-monitoring/limpet/core/wire"
)

// part takes a key of its own for a box of which the hub says that it is a copy, and moves to it what this life has brought about: docs/wire.md,
// "Copies". It reports whether that was so; an error leaves the box as it was, and it is said again.
func (s *Session) part(refused error) (parted bool, err error) {
	var r *refusal
	if !errors.As(refused, &r) || r.code != wire.RefuseClone || r.own == nil || s.o.Standby != "" && !s.active.Load() {
		return false, nil
	}
	key, err := identity.NewKey()
	if err != nil {
		return false, err
	}
	former := s.o.Identity.Fingerprint()
	fresh := identity.Fingerprint(key.Public().(ed25519.PublicKey))
	if err := s.o.Buffer.Leave(buffer.Owner(fresh), r.marks); err != nil {
		return false, err
	}
	if err := s.o.Identity.Part(key, r.own.GetTokenId(), r.own.GetTokenSecret()); err != nil {
		// On disk it may be either of the two; the next start finds out, and the buffer keeps what is that one's.
		return false, fmt.Errorf("%w: %w", errHalf, err)
	}
	s.o.Buffer.Left()
	s.o.Log.Warn("this box is a copy of another agent: it has a key of its own now", "former", former, "agent", fresh)
	return true, nil
}

// errHalf ends the core: it does not know who it is.
var errHalf = errors.New("the change of keys was cut short")
