package buffer

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/limpet-monitoring/limpet/core/wire"
)

// Owner is how the cursor of a generation names the agent with this fingerprint. Results of another one lie here when a box takes a new key: they are
// not sent, a gap record states what of them the hub may not have.
func Owner(fingerprint string) uint64 {
	sum := sha256.Sum256([]byte(fingerprint))
	return binary.LittleEndian.Uint64(sum[:]) | 1
}

// strange says whether a generation is another agent's.
func (k *keeper) strange(g *generation) bool {
	return g.cursor.owner != 0 && g.cursor.owner != k.o.Owner
}

// adopt makes a generation that names nobody ours: a core wrote it that did not say.
func (g *generation) adopt(owner uint64) {
	if g.cursor.owner == 0 {
		g.cursor.owner = owner
	}
}

// Leave prepares a change of keys: what this life has appended and the hub does not have is kept for the agent that owner stands for, and what is
// appended from now on. All else stays the former's, and goes when Left is called, or at the next start. marks are what the hub holds under the former
// key. It is called between sessions; after an error everything is as it was.
func (b *Buffer) Leave(owner uint64, marks []*wire.Watermark) error {
	for _, m := range marks {
		b.catchUp(m)
	}
	former := b.k.o.Owner // changed here alone
	err := b.leave(owner)
	if err != nil {
		b.k.do(func() { b.k.stay(former, owner) })
		return fmt.Errorf("leave the former key: %w", err)
	}
	return nil
}

func (b *Buffer) leave(owner uint64) error {
	if err := b.sign(owner); err != nil {
		return err
	}
	// When this event is synced, so is everything written before it.
	if err := b.Append(copyEvent(b.k.o.Now().UnixNano())); err != nil {
		return err
	}
	for _, epoch := range b.own() {
		if err := b.carry(epoch); err != nil {
			return fmt.Errorf("carry generation %016x: %w", epoch, err)
		}
	}
	return nil
}

// stay takes a change of keys back: all is the former's.
func (k *keeper) stay(former, owner uint64) {
	k.o.Owner = former
	for _, g := range k.generations {
		if g.cursor.owner == owner {
			g.cursor.owner = former
			if err := g.keepCursor(k.disk, true); err != nil {
				k.log.Warn("cursor not kept", "generation", generationName(g.epoch), "err", err)
			}
		}
	}
}

// catchUp moves a cursor to what the hub holds, where that is the same record.
func (b *Buffer) catchUp(m *wire.Watermark) {
	w := watermark{m.GetSeq(), m.GetCrc()}
	if s, err := b.standing(m.GetEpoch(), w); err == nil && judge(s, w) == Ahead {
		if err := b.moveTo(m.GetEpoch(), w); err != nil {
			b.k.log.Warn("watermark not taken", "epoch", m.GetEpoch(), "err", err)
		}
	}
}

// sign has every generation say durably whose it is, and begins one for the new owner.
func (b *Buffer) sign(owner uint64) error {
	err := ErrClosed
	b.k.do(func() {
		for _, g := range b.k.generations {
			if err = g.keepCursor(b.k.disk, true); err != nil {
				return
			}
		}
		b.k.o.Owner, b.k.recount = owner, true
		err = b.k.split()
	})
	return err
}

// own lists the former's generations that this life began and of which the hub does not have all.
func (b *Buffer) own() (epochs []uint64) {
	b.k.do(func() {
		for _, g := range b.k.generations {
			if b.k.strange(g) && g.ours && g.unacked() > 0 {
				epochs = append(epochs, g.epoch)
			}
		}
	})
	return epochs
}

// carry writes what of a generation the hub does not have into one of the new owner's.
func (b *Buffer) carry(epoch uint64) error {
	v, err := b.view(epoch)
	if err != nil {
		return err
	}
	var fresh uint64
	b.k.do(func() { fresh = b.k.newEpoch() })
	made, err := b.copy(v, fresh)
	if err != nil {
		return err
	}
	b.k.do(func() {
		b.k.adopt(made)
		v.g.cursor.acked, v.g.cursor.crcOK, v.g.unsure = v.upto, false, true
	})
	return nil
}

// Left ends a change of keys: what is the former's goes, and a gap record says what the hub may not have of it.
func (b *Buffer) Left() { b.dropStrange() }

// dropStrange removes what is another agent's. What cannot be stated now stays until the next start.
func (b *Buffer) dropStrange() {
	var all []*generation
	b.k.do(func() {
		for _, g := range b.k.generations {
			if b.k.strange(g) {
				all = append(all, g)
			}
		}
	})
	for _, g := range all {
		if err := b.drop(g); err != nil {
			b.k.log.Error("results of this box's former key not removed", "generation", filepath.Base(g.dir), "err", err)
		}
	}
}

func (b *Buffer) drop(g *generation) error {
	var first, last uint64
	b.k.do(func() { first, last = g.cursor.acked+1, g.written })
	if first <= last {
		if err := b.skip(g, first, last, causeCopy); err != nil {
			return err
		}
	}
	b.k.do(func() {
		if !slices.Contains(b.k.generations, g) {
			return // a cap was quicker
		}
		for len(g.segments) > 0 && b.k.removeFirst(g) {
		}
		if b.k.spent(g) {
			b.k.removeGeneration(g)
		}
		b.k.scheduleSweep()
	})
	return nil
}

func copyEvent(at int64) *wire.Item {
	return &wire.Item{Kind: &wire.Item_Event{Event: &wire.Event{
		Kind: "copy", Text: "this box had the key of an agent that is somewhere else: it is a copy, and has a key of its own now", AtNs: at,
	}}}
}
