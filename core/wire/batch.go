package wire

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/encoding/protowire"
)

// Limits of what travels with results, in bytes.
const (
	MaxBatch     = 512 << 10          // a batch before compression, unless it is one record
	MaxRecord    = 8<<20 - 64<<10     // one record: with what wraps it, it stays below the bus's max_payload of 8 MiB
	MaxHubFrame  = 4 << 20            // a websocket message from a hub
	MaxFrame     = 1 << 20            // one from an agent, unless it carries a single record
	MaxFrameEver = MaxRecord + 32<<10 // one from an agent in any case: what a hub sets as its read limit
)

// compressFrom is the length in bytes from which a batch is compressed. An encoder's tables are half a
// megabyte, and an agent at rest sends a result at a time: below this it saves a packet or two and
// would cost a tenth of the agent's memory.
const compressFrom = 4 << 10

// encoderWindow bounds what an encoder keeps; a batch is rarely longer.
const encoderWindow = 128 << 10

// itemsTag is the tag of field 1 of Items, length-delimited: what stands before each record's length.
const itemsTag = 1<<3 | 2

// ErrBatch is the cause when a batch is not what docs/wire.md says a batch is.
var ErrBatch = errors.New("malformed batch")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Crc is the checksum by which agent and hub tell records apart: CRC-32C of a record's bytes as
// stored, which are those of its Item message as it was marshalled once.
func Crc(record []byte) uint32 { return crc32.Checksum(record, castagnoli) }

// Record is one record of a batch: its number and the bytes of its Item message as the agent stored
// them, never marshalled anew.
type Record struct {
	Seq uint64
	Raw []byte
}

// Item decodes the record.
func (r Record) Item() (*Item, error) {
	item := new(Item)
	if err := Unmarshal(r.Raw, item); err != nil {
		return nil, fmt.Errorf("decode record %d: %w", r.Seq, err)
	}
	return item, nil
}

// itemsRoom is what a batch begins with: a round of default checks needs little more.
const itemsRoom = 2 << 10

// Packer builds a batch out of records in order. The zero value is ready; it is reused after Batch.
type Packer struct {
	items       []byte
	unpacked    int // length of what is compressed in items; 0 = it is not
	first, last uint64
	crc         uint32
	count       int
}

// Add puts a record in and says whether it did: it does not when the batch would grow past most bytes
// (at most MaxBatch; the first record always goes in), or when seq does not follow the last one.
func (p *Packer) Add(seq uint64, raw []byte, most int) bool {
	if p.unpacked > 0 || p.count > 0 && (seq != p.last+1 || len(p.items)+recordSize(raw) > min(most, MaxBatch)) {
		return false
	}
	if p.count == 0 {
		p.first = seq
		p.items = make([]byte, 0, max(itemsRoom, recordSize(raw)))
	}
	p.items = appendRecord(p.items, raw)
	p.last, p.crc = seq, Crc(raw)
	p.count++
	return true
}

// AddLarge is Add for a record that makes a batch of its own and is never in memory as a whole: length bytes from body, whose checksum is crc. It says whether
// it did: it does not where records are in already, or body gives something else.
func (p *Packer) AddLarge(seq uint64, crc uint32, length int, body io.Reader) bool {
	if p.count > 0 {
		return false
	}
	enc := encoder()
	defer encoders.Put(enc)
	piece := protowire.AppendVarint(append(make([]byte, 0, largePiece), itemsTag), uint64(length))
	unpacked := len(piece) + length
	packed := make([]byte, 0, unpacked/8*7) // what is not written to takes no memory; this fits where the record was before it was on the disk
	sum := uint32(0)
	for left := length; left > 0; {
		from := len(piece)
		n, err := io.ReadFull(body, piece[from:min(cap(piece), from+left)])
		if err != nil {
			return false
		}
		piece = piece[:from+n]
		sum = crc32.Update(sum, castagnoli, piece[from:])
		packed = enc.EncodeAll(piece, packed)
		piece, left = piece[:0], left-n
	}
	if sum != crc {
		return false
	}
	*p = Packer{items: packed, unpacked: unpacked, first: seq, last: seq, crc: crc, count: 1}
	return true
}

// largePiece is how much of a large record is compressed at a time: each piece is a zstd frame of its own.
const largePiece = encoderWindow

// Len is how many records are in.
func (p *Packer) Len() int { return p.count }

// Batch is what was added, compressed where that pays, and empties the packer. It is nil when nothing
// was added.
func (p *Packer) Batch(epoch uint64) *Batch {
	b := p.Loose(epoch)
	Compress(b)
	return b
}

// Loose is Batch without compression, but that of a large record: for a Teller, or for more to be done with it.
func (p *Packer) Loose(epoch uint64) *Batch {
	if p.count == 0 {
		return nil
	}
	b := &Batch{
		Epoch:    epoch,
		First:    p.first,
		Last:     p.last,
		Crc:      p.crc,
		Unpacked: uint32(len(p.items)),
		Items:    p.items,
	}
	if p.unpacked > 0 {
		b.Unpacked, b.Zstd = uint32(p.unpacked), true
	}
	*p = Packer{}
	return b
}

func recordSize(raw []byte) int { return 1 + protowire.SizeBytes(len(raw)) }

func appendRecord(b, raw []byte) []byte {
	return protowire.AppendBytes(append(b, itemsTag), raw)
}

// Unpack checks a batch from the line and gives its records in order: numbers first to last without
// a hole, each record saying its own number, the checksum that of the last, all within the limits
// before memory is taken for it. The cause of an error is ErrBatch. The records share the batch's
// memory where it was not compressed.
func Unpack(b *Batch) ([]Record, error) {
	if b.GetFirst() == 0 || b.GetLast() < b.GetFirst() {
		return nil, fmt.Errorf("unpack batch %d to %d: %w: numbers", b.GetFirst(), b.GetLast(), ErrBatch)
	}
	items, err := decompress(b)
	if err != nil {
		return nil, err
	}
	records, err := split(items, b.GetFirst(), b.GetLast())
	if err != nil {
		return nil, fmt.Errorf("unpack batch %d to %d: %w", b.GetFirst(), b.GetLast(), err)
	}
	if Crc(records[len(records)-1].Raw) != b.GetCrc() {
		return nil, fmt.Errorf("unpack batch %d to %d: %w: checksum", b.GetFirst(), b.GetLast(), ErrBatch)
	}
	return records, nil
}

// CutBefore is what a batch holds from seq on, as a batch: what is left to publish when the bus has
// the rest. It is nil when nothing is left, and b itself when nothing is cut off.
func CutBefore(b *Batch, seq uint64) (*Batch, error) {
	if seq <= b.GetFirst() {
		return b, nil
	}
	if seq > b.GetLast() {
		return nil, nil
	}
	records, err := Unpack(b)
	if err != nil {
		return nil, err
	}
	var p Packer
	for _, r := range records[seq-b.GetFirst():] {
		p.Add(r.Seq, r.Raw, MaxBatch)
	}
	rest := p.Batch(b.GetEpoch())
	rest.BootId = b.GetBootId()
	return rest, nil
}

func split(items []byte, first, last uint64) ([]Record, error) {
	want := last - first + 1
	if want > uint64(len(items)/2) { // a record takes two bytes at least
		return nil, fmt.Errorf("%w: %d records in %d bytes", ErrBatch, want, len(items))
	}
	records := make([]Record, 0, want)
	for seq := first; len(items) > 0; seq++ {
		if items[0] != itemsTag || seq > last {
			return nil, fmt.Errorf("%w: not the records it names", ErrBatch)
		}
		raw, n := protowire.ConsumeBytes(items[1:])
		if n < 0 {
			return nil, fmt.Errorf("%w: record %d is cut short", ErrBatch, seq)
		}
		if got, ok := recordSeq(raw); !ok || got != seq {
			return nil, fmt.Errorf("%w: record %d says it is %d", ErrBatch, seq, got)
		}
		records = append(records, Record{Seq: seq, Raw: raw})
		items = items[1+n:]
	}
	if uint64(len(records)) != want {
		return nil, fmt.Errorf("%w: %d records, %d named", ErrBatch, len(records), want)
	}
	return records, nil
}

// recordSeq reads the number out of an Item's bytes without decoding the rest: the last field 1 wins,
// as in protobuf.
func recordSeq(raw []byte) (seq uint64, ok bool) {
	for len(raw) > 0 {
		num, typ, n := protowire.ConsumeTag(raw)
		if n < 0 {
			return 0, false
		}
		raw = raw[n:]
		if num == 1 && typ == protowire.VarintType {
			seq, n = protowire.ConsumeVarint(raw)
		} else {
			n = protowire.ConsumeFieldValue(num, typ, raw)
		}
		if n < 0 {
			return 0, false
		}
		raw = raw[n:]
	}
	return seq, true
}

// encoders are kept between batches as long as the garbage collector lets them: an encoder's tables
// are most of what an agent at rest would hold.
var encoders sync.Pool

func encoder() *zstd.Encoder {
	if enc, ok := encoders.Get().(*zstd.Encoder); ok {
		return enc
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(encoderWindow), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false))
	if err != nil {
		panic("make zstd encoder: " + err.Error()) // the options are constants
	}
	return enc
}

// packedRoom is what a packed batch begins with: nearly all need no more.
const packedRoom = 64 << 10

// Compress makes a batch shorter where that pays. One that is compressed stays as it is; nil is none.
func Compress(b *Batch) {
	if b.GetZstd() {
		return
	}
	if packed := compressed(b.GetItems()); packed != nil {
		b.Items, b.Zstd = packed, true
	}
}

// compressed is data compressed, nil where that does not pay.
func compressed(data []byte) []byte {
	if len(data) < compressFrom {
		return nil
	}
	enc := encoder()
	defer encoders.Put(enc)
	packed := enc.EncodeAll(data, make([]byte, 0, min(len(data)/2, packedRoom)))
	if len(packed) >= len(data) {
		return nil
	}
	return packed
}

var decoder = sync.OnceValue(func() *zstd.Decoder {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(MaxRecord+64), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		panic("make zstd decoder: " + err.Error()) // the options are constants
	}
	return dec
})

func decompress(b *Batch) ([]byte, error) {
	limit := MaxBatch
	if b.GetFirst() == b.GetLast() {
		limit = MaxRecord + 8 // tag and length
	}
	return opened(b, b.GetItems(), limit)
}

// opened is what data of a batch stands for, which has the length that the batch says.
func opened(b *Batch, data []byte, limit int) ([]byte, error) {
	if int64(b.GetUnpacked()) > int64(limit) {
		return nil, fmt.Errorf("unpack batch: %w: %d bytes, at most %d", ErrBatch, b.GetUnpacked(), limit)
	}
	if b.GetZstd() {
		var err error
		data, err = decoder().DecodeAll(data, make([]byte, 0, b.GetUnpacked()))
		if err != nil {
			return nil, fmt.Errorf("unpack batch: %w: %w", ErrBatch, err)
		}
	}
	if len(data) != int(b.GetUnpacked()) {
		return nil, fmt.Errorf("unpack batch: %w: %d bytes, not the %d it says", ErrBatch, len(data), b.GetUnpacked())
	}
	return data, nil
}

// batchField is the number of Frame's batch, itemsField that of Batch's items.
const (
	batchField protowire.Number = 10
	itemsField protowire.Number = 7
)

// BatchFrame is a Frame with a batch, as it is marshalled, in two pieces: the second is the batch's items where they lie.
func BatchFrame(b *Batch) (head, items []byte, err error) {
	bare := &Batch{Epoch: b.Epoch, First: b.First, Last: b.Last, Crc: b.Crc, Unpacked: b.Unpacked, Zstd: b.Zstd, BootId: b.BootId}
	fields, err := Marshal(bare)
	if err != nil {
		return nil, nil, fmt.Errorf("marshal batch: %w", err)
	}
	fields = protowire.AppendTag(fields, itemsField, protowire.BytesType)
	fields = protowire.AppendVarint(fields, uint64(len(b.Items)))
	head = protowire.AppendTag(nil, batchField, protowire.BytesType)
	head = protowire.AppendVarint(head, uint64(len(fields)+len(b.Items)))
	return append(head, fields...), b.Items, nil
}
