package wire

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/limpet-monitoring/limpet/core/wire/alike"
)

// Limits of what is told by difference (docs/wire.md).
const (
	MaxBase   = 2 << 10  // bytes of a record that others are told by
	MaxBases  = 256      // such records in a session
	BasesRoom = 32 << 10 // bytes of them together that a hub keeps for a session: it may have ten thousand
)

// stale is how many records an agent tells before a base that none of them was told by may go for another. While checks are many and the room is full, each that
// comes would else drive out the one that is needed next.
const stale = 4096

// Ways of a record in Batch.alike.
const (
	wayWhole = 0 // kept nowhere
	wayKept  = 1 // + 2 · place: whole, and kept there
	wayAlike = 2 // + 2 · place: by the difference to what is there, and kept there
)

// Teller tells a session's batches by their difference to what the session has carried. It keeps the newest record of each check that there is room for, belongs to one
// session, and to one goroutine: batches have to go out in the order of Tell.
type Teller struct {
	room   int
	held   int // bytes of all bases
	bases  []base
	count  uint64 // records told
	before tag
	diff   []byte // of the record under way
}

type base struct {
	key    uint64 // of what its records are of: a check
	used   uint64 // count at that time
	record []byte
}

// tag is what of a batch the next one leaves out.
type tag struct {
	epoch, next uint64
	boot        string
}

// NewTeller makes a teller for a hub that keeps so many bytes (Welcome.bases).
func NewTeller(bases uint32) *Teller { return &Teller{room: int(min(bases, BasesRoom))} }

// Tell is what to send for a batch that is not compressed (Packer.Loose), which becomes the teller's. One that is stays as it is.
func (t *Teller) Tell(b *Batch) *Batch {
	if t.room == 0 || len(b.GetItems()) > MaxBatch || b.GetZstd() {
		Compress(b)
		return b
	}
	told := &Batch{Alike: make([]byte, 4, 64+len(b.GetItems())/4)}
	crc := uint32(0)
	for items := b.GetItems(); len(items) > 0; {
		raw, n := protowire.ConsumeBytes(items[1:])
		items = items[1+n:]
		crc = crc32.Update(crc, castagnoli, raw)
		told.Alike = t.record(told.Alike, raw, len(items) == 0)
	}
	binary.LittleEndian.PutUint32(told.Alike, crc)
	if b.GetEpoch() != t.before.epoch || b.GetBootId() != t.before.boot {
		told.Epoch, told.First, told.BootId = b.GetEpoch(), b.GetFirst(), b.GetBootId()
	} else if b.GetFirst() != t.before.next {
		told.First = b.GetFirst()
	}
	t.before = tag{b.GetEpoch(), b.GetLast() + 1, b.GetBootId()}
	if packed := compressed(told.Alike); packed != nil {
		told.Alike, told.Zstd, told.Unpacked = packed, true, uint32(len(told.Alike))
	}
	return told
}

// record appends one record.
func (t *Teller) record(out, raw []byte, last bool) []byte {
	t.count++
	if len(raw) > MaxBase {
		return piece(out, wayWhole, raw, last)
	}
	key := keyOf(raw)
	place := slices.IndexFunc(t.bases, func(b base) bool { return b.key == key })
	if place < 0 || t.held+len(raw)-len(t.bases[place].record) > t.room {
		if place = t.place(len(raw)); place < 0 {
			return piece(out, wayWhole, raw, last)
		}
		t.keep(place, key, raw)
		return piece(out, uint64(wayKept+2*place), raw, last)
	}
	t.diff = alike.Encode(t.diff[:0], t.bases[place].record, raw)
	t.keep(place, key, raw)
	if len(t.diff) >= len(raw) {
		return piece(out, uint64(wayKept+2*place), raw, last)
	}
	return piece(out, uint64(wayAlike+2*place), t.diff, last)
}

// place is where a new base may stand, -1 = nowhere.
func (t *Teller) place(size int) int {
	if len(t.bases) < MaxBases && t.held+size <= t.room {
		t.bases = append(t.bases, base{})
		return len(t.bases) - 1
	}
	oldest, found := uint64(math.MaxUint64), -1
	for i, b := range t.bases {
		if b.used < oldest && b.used+stale < t.count && t.held+size-len(b.record) <= t.room {
			oldest, found = b.used, i
		}
	}
	return found
}

func (t *Teller) keep(place int, key uint64, raw []byte) {
	b := &t.bases[place]
	t.held += len(raw) - len(b.record)
	*b = base{key, t.count, append(b.record[:0], raw...)}
}

// piece appends one record's part of a batch.
func piece(out []byte, way uint64, data []byte, last bool) []byte {
	if last {
		return append(binary.AppendUvarint(out, way<<1|1), data...)
	}
	out = binary.AppendUvarint(out, way<<1)
	return append(binary.AppendUvarint(out, uint64(len(data))), data...)
}

// keyOf tells what a record is of: its kind, and what the first field of that says where it is a text (a check, an input, a kind of event). Two that have one key by chance
// are told by each other, at some more bytes.
func keyOf(raw []byte) uint64 {
	for len(raw) > 0 {
		num, typ, n := protowire.ConsumeTag(raw)
		if n < 0 {
			return 0
		}
		raw = raw[n:]
		if typ == protowire.BytesType {
			kind, _ := protowire.ConsumeBytes(raw)
			return uint64(num)<<32 | uint64(Crc(firstText(kind)))
		}
		if n = protowire.ConsumeFieldValue(num, typ, raw); n < 0 {
			return 0
		}
		raw = raw[n:]
	}
	return 0
}

func firstText(message []byte) []byte {
	num, typ, n := protowire.ConsumeTag(message)
	if n < 0 || num != 1 || typ != protowire.BytesType {
		return nil
	}
	text, _ := protowire.ConsumeBytes(message[n:])
	return text
}
