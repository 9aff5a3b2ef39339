package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/limpet-monitoring/limpet/core/wire/alike"
)

// ErrDifference is the cause when a batch that was told by difference does not make one. It is an ErrBatch too.
var ErrDifference = fmt.Errorf("%w: told by difference", ErrBatch)

// Hearer makes whole batches of those that a Teller told: the hub's half of docs/wire.md, "Results told by difference". The zero value is ready; it belongs to one session and to one
// goroutine, and hears batches in the order in which they came. It keeps at most BasesRoom bytes of records.
type Hearer struct {
	bases  [][]byte
	held   int // bytes of them
	before tag
}

// Hear is the whole batch, not compressed, or the batch itself where it is one already. After an error, whose cause is ErrDifference, nothing more can be heard.
func (h *Hearer) Hear(b *Batch) (*Batch, error) {
	if len(b.GetAlike()) == 0 {
		return b, nil
	}
	whole, err := h.hear(b)
	if err != nil {
		return nil, fmt.Errorf("hear batch of epoch %d from %d: %w", h.before.epoch, h.before.next, err)
	}
	return whole, nil
}

func (h *Hearer) hear(b *Batch) (*Batch, error) {
	if b.GetEpoch() != 0 {
		h.before = tag{b.GetEpoch(), b.GetFirst(), b.GetBootId()}
	} else if b.GetFirst() != 0 {
		h.before.next = b.GetFirst()
	}
	if h.before.epoch == 0 || h.before.next == 0 {
		return nil, fmt.Errorf("%w: of no epoch, or without a number", ErrDifference)
	}
	data := b.GetAlike()
	if b.GetZstd() {
		var err error
		if data, err = opened(b, data, MaxBatch); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDifference, err)
		}
	}
	if len(data) < 4 {
		return nil, fmt.Errorf("%w: cut short", ErrDifference)
	}
	p, err := h.records(data[4:], binary.LittleEndian.Uint32(data))
	if err != nil {
		return nil, err
	}
	whole := p.Loose(h.before.epoch)
	whole.BootId = h.before.boot
	h.before.next = whole.GetLast() + 1
	return whole, nil
}

// records makes the records of a batch, and compares their checksum.
func (h *Hearer) records(data []byte, want uint32) (*Packer, error) {
	p, crc := new(Packer), uint32(0)
	var room [MaxBase]byte
	for last := false; !last; {
		var way uint64
		var told []byte
		var err error
		if way, told, data, last, err = cutPiece(data); err != nil {
			return nil, err
		}
		raw, err := h.record(way, told, room[:0])
		if err != nil {
			return nil, err
		}
		crc = crc32.Update(crc, castagnoli, raw)
		if !p.Add(h.before.next+uint64(p.Len()), raw, MaxBatch) {
			return nil, fmt.Errorf("%w: more than a batch may have", ErrDifference)
		}
	}
	if crc != want {
		return nil, fmt.Errorf("%w: checksum", ErrDifference)
	}
	return p, nil
}

var errCut = fmt.Errorf("%w: cut short", ErrDifference)

// cutPiece takes one record's part off.
func cutPiece(data []byte) (way uint64, told, rest []byte, last bool, err error) {
	way, n := binary.Uvarint(data)
	if n <= 0 {
		return 0, nil, nil, false, errCut
	}
	data = data[n:]
	if way&1 == 1 {
		return way >> 1, data, nil, true, nil
	}
	length, n := binary.Uvarint(data)
	if n <= 0 || length > uint64(len(data)-n) {
		return 0, nil, nil, false, errCut
	}
	return way >> 1, data[n : n+int(length)], data[n+int(length):], false, nil
}

// record makes one record, in room where it has to be made, and keeps it.
func (h *Hearer) record(way uint64, told, room []byte) ([]byte, error) {
	if way == wayWhole {
		return told, nil
	}
	place := (way - 1) / 2
	raw := told
	if way%2 == 0 {
		if place >= uint64(len(h.bases)) {
			return nil, fmt.Errorf("%w: by a record that is not there", ErrDifference)
		}
		var err error
		if raw, err = alike.Decode(room, h.bases[place], told, MaxBase); err != nil {
			return nil, errors.Join(ErrDifference, err)
		}
	}
	return raw, h.keep(place, raw)
}

func (h *Hearer) keep(place uint64, raw []byte) error {
	if len(raw) > MaxBase || place >= MaxBases || place > uint64(len(h.bases)) {
		return fmt.Errorf("%w: %d bytes to be kept in place %d", ErrDifference, len(raw), place)
	}
	if place == uint64(len(h.bases)) {
		h.bases = append(h.bases, nil)
	}
	h.held += len(raw) - len(h.bases[place])
	if h.held > BasesRoom {
		return fmt.Errorf("%w: more than %d bytes to be kept", ErrDifference, BasesRoom)
	}
	h.bases[place] = append(h.bases[place][:0], raw...)
	return nil
}
