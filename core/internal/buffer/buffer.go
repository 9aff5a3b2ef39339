// Package buffer keeps every result on disk until the hub has it: a segmented log in generations, one
// for each start of a core, with group-synced appends and a cursor for each generation.
// docs/buffer-format.md is its format, with the crash argument; docs/results.md says what it is for.
//
// It owns the folder state/buffer. One goroutine, the keeper, owns all that changes; readers work on
// what it hands them. It knows nothing of the line: the session asks for batches, and tells what
// became of them.
package buffer

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// Defaults of Options.
const (
	DefaultMaxBytes     = 256 << 20
	DefaultMaxAge       = 7 * 24 * time.Hour
	DefaultRetain       = 10 * time.Minute
	DefaultSegmentBytes = 1 << 20
)

// maxRejected bounds the records of one generation that wait to be passed over.
const maxRejected = 1024

// Options say where the buffer is and how much it may keep. Zero values take the defaults.
type Options struct {
	Dir          string        // state/buffer
	Owner        uint64        // whose results these are: see Owner; 0 = nobody asks
	BootID       string        // of this boot of the machine; "" takes platforms.BootID on the system's disk
	TimeFloor    time.Time     // a time that is surely past; epochs do not fall behind it
	MaxBytes     int64         // on disk, all generations; what was acknowledged goes first, then the oldest
	MaxAge       time.Duration // of what is not acknowledged
	Retain       time.Duration // how long acknowledged segments stay, for a hub that lost what it confirmed
	SegmentBytes int64

	FS   fsys.FS                              // nil: the system's
	Lock func(path string) (io.Closer, error) // nil: platforms.Take, or no lock where FS is not the system's
	Now  func() time.Time                     // nil: time.Now; wall time
	Log  *slog.Logger
}

// Stats is how the buffer stands, for status and for the agent's own check.
type Stats struct {
	Generations    int
	Foreign        int   // generations of another core that still lives, to be taken over
	Bytes          int64 // on disk
	UnackedRecords uint64
	UnackedBytes   int64     // about
	OldestUnacked  time.Time // when the segment of the oldest unacknowledged record was begun; zero = none
	Appended       uint64    // items since Open
	Syncs          uint64    // since Open
	Refused        uint64    // appends that failed since Open
	Held           int       // results in memory: the folder takes no files
	LastError      string    // of the latest failed append, "" after one that worked
	Dropped        uint64    // records lost to a cap, to corruption or refused by the hub, since Open
}

// Buffer is open from Open to Close. Its methods may be called by several goroutines, but Next, Ack,
// Reject and Resume of one epoch by one at a time.
type Buffer struct {
	k       *keeper
	foreign atomic.Int64  // generations not taken over yet
	again   chan struct{} // holds one: look for generations to take over
}

// Append keeps an item: it returns nil once the item is synced to disk, the sync begun at most 50 ms
// after the call. It sets item.Seq. An error says that the item is not accepted (disk full,
// ErrTooLarge, ErrClosed); the buffer tells the hub of it itself once it can write again.
func (b *Buffer) Append(item *wire.Item) error {
	type outcome struct {
		seq uint64
		err error
	}
	done := make(chan outcome, 1)
	b.appendThen(item, false, func(seq uint64, err error) { done <- outcome{seq, err} })
	o := <-done
	if o.err == nil {
		item.Seq = o.seq
	}
	return o.err
}

// AppendThen is Append for who does not wait: then is called once, with what Append would return, in a goroutine of the buffer's. It must not
// wait for anybody. The item is not touched after AppendThen has returned. Where the folder takes no files the cause is ErrHeld: the item waits in memory, behind
// the bounds of held.go, and is written when the folder takes files again.
func (b *Buffer) AppendThen(item *wire.Item, then func(error)) {
	b.appendThen(item, true, func(_ uint64, err error) { then(err) })
}

// AppendResult is AppendThen for a result whose Perfdata is given beside it.
func (b *Buffer) AppendResult(r *wire.Result, values []check.Perfdata, then func(error)) {
	it, err := encodeResult(r, values)
	b.hand(it, err, true, func(_ uint64, err error) { then(err) })
}

func (b *Buffer) appendThen(item *wire.Item, waits bool, then func(uint64, error)) {
	it, err := encode(item)
	b.hand(it, err, waits, then)
}

func (b *Buffer) hand(it item, err error, waits bool, then func(uint64, error)) {
	if err != nil {
		then(0, err)
		return
	}
	done := func(seq uint64, err error) {
		if err != nil {
			err = fmt.Errorf("append: %w", err)
		}
		then(seq, err)
	}
	if !b.k.intake.put(handed{item: it, done: done, waits: waits}) {
		done(0, ErrClosed)
	}
}

// encode marshals an item without its seq, which the keeper puts behind it: a protobuf message may
// have its fields in any order.
func encode(i *wire.Item) (item, error) {
	if r := i.GetResult(); r != nil {
		return encodeResult(r, nil)
	}
	bare := &wire.Item{Kind: i.GetKind()}
	size := wire.Size(bare)
	payload, err := wire.Append(make([]byte, 0, size+12), bare)
	if err != nil {
		return item{}, fmt.Errorf("append: %w", err)
	}
	x, _ := runOf(i)
	return item{payload, "", x.check, x.start}, nil
}

// largeText is a text, in bytes, that is written from where it lies.
const largeText = 128 << 10

// encodeResult is encode for a result, and for values that are not among its own. A large text stands at the end of the message.
func encodeResult(r *wire.Result, values []check.Perfdata) (item, error) {
	large, field := &r.Text, protowire.Number(textField)
	if len(r.Long) > len(r.Text) {
		large, field = &r.Long, longField
	}
	var text string
	if len(*large) >= largeText {
		text = *large
		*large = ""
		defer func() { *large = text }()
	}
	if !utf8.ValidString(text) {
		return item{}, errors.New("append: text that is no UTF-8")
	}
	size := wire.Size(r) + wire.SizePerfdata(values)
	var end []byte
	if text != "" {
		end = protowire.AppendVarint(protowire.AppendTag(nil, field, protowire.BytesType), uint64(len(text)))
	}
	payload := make([]byte, 0, size+len(end)+2*protowire.SizeVarint(uint64(len(text)+size))+12)
	payload = protowire.AppendTag(payload, resultField, protowire.BytesType)
	payload = protowire.AppendVarint(payload, uint64(size+len(end)+len(text)))
	from := len(payload)
	payload, err := wire.Append(payload, r)
	if err != nil {
		return item{}, fmt.Errorf("append: %w", err)
	}
	payload = wire.AppendPerfdata(payload, values)
	if len(payload) != from+size {
		return item{}, errors.New("append: a result that is not as long as it said")
	}
	return item{append(payload, end...), text, r.GetCheck(), r.GetStartNs()}, nil
}

// Numbers of fields, as wire.proto has them.
const (
	resultField      = 2 // of Item
	lostRunField     = 4
	checkField       = 1 // of Result and of LostRun
	textField        = 3 // of Result
	longField        = 4
	resultStartField = 7
	lostStartField   = 2 // of LostRun
)

// Generations lists every generation kept for the hub, oldest first; the one that is not closed is live.
func (b *Buffer) Generations() []*wire.Generation {
	var all []*wire.Generation
	b.k.do(func() {
		for _, g := range b.k.generations {
			if b.k.strange(g) {
				continue
			}
			all = append(all, &wire.Generation{
				Epoch:    g.epoch,
				Written:  g.written,
				Acked:    g.cursor.acked,
				AckedCrc: g.cursor.crc,
				Closed:   g.closed && g.unsynced == 0,
			})
		}
	})
	return all
}

// Live is the epoch of the generation being written.
func (b *Buffer) Live() (epoch uint64) {
	b.k.do(func() { epoch = b.k.live.g.epoch })
	return epoch
}

// Ack moves the cursor of a generation: everything up to seq is on the bus. An ack of what is
// acknowledged already does nothing; one of what was never written is an error.
func (b *Buffer) Ack(epoch, seq uint64) error {
	err := ErrClosed
	b.k.do(func() {
		var g *generation
		if g, err = b.k.find(epoch); err != nil || seq <= g.cursor.acked {
			return
		}
		if seq > g.written {
			err = fmt.Errorf("ack %d of generation %016x: only %d are written", seq, epoch, g.written)
			return
		}
		b.k.acknowledge(g, seq, g.reading.crc, g.reading.last == seq)
	})
	return err
}

// acknowledge moves the cursor. One that cannot be written costs no more than the watermark's moving it
// again in the next life.
func (k *keeper) acknowledge(g *generation, seq uint64, crc uint32, crcOK bool) {
	g.cursor.acked, g.cursor.crc, g.cursor.crcOK = seq, crc, crcOK
	g.lostFrom = 0
	for r := range g.rejected {
		if r <= seq {
			delete(g.rejected, r)
		}
	}
	if err := g.keepCursor(k.disk, false); err != nil && !g.warned {
		g.warned = true
		k.log.Warn("cursor not kept", "generation", generationName(g.epoch), "err", err)
	}
	k.scheduleSweep()
}

// Reject says that the bus can never take a record: a gap record takes its place, and Next goes on
// behind it.
func (b *Buffer) Reject(epoch, seq uint64) error {
	err := ErrClosed
	b.k.do(func() {
		var g *generation
		if g, err = b.k.find(epoch); err != nil {
			return
		}
		if seq <= g.cursor.acked || seq > g.written || len(g.rejected) >= maxRejected {
			err = fmt.Errorf("reject %d of generation %016x: not one that waits", seq, epoch)
			return
		}
		if g.rejected == nil {
			g.rejected = map[uint64]bool{}
		}
		g.rejected[seq] = true
	})
	return err
}

// Split begins a new live generation when more than backlog bytes of the present one are
// unacknowledged, so that new results do not queue behind them.
func (b *Buffer) Split(backlog int64) error {
	err := ErrClosed
	b.k.do(func() {
		err = nil
		if b.k.live.g.backlog() > backlog {
			err = b.k.split()
		}
	})
	return err
}

// Notify receives when there may be something new for Next or Generations. It holds one.
func (b *Buffer) Notify() <-chan struct{} { return b.k.notify }

// Stats says how the buffer stands.
func (b *Buffer) Stats() Stats {
	var s Stats
	b.k.do(func() {
		s = b.k.stats
		s.Generations = len(b.k.generations)
		s.Bytes = b.k.bytes()
		s.Held = len(b.k.held.items)
		for _, g := range b.k.generations {
			s.UnackedRecords += g.unacked()
			s.UnackedBytes += g.backlog()
			if t := g.oldest(); !t.IsZero() && (s.OldestUnacked.IsZero() || t.Before(s.OldestUnacked)) {
				s.OldestUnacked = t
			}
		}
	})
	s.Foreign = int(b.foreign.Load())
	return s
}

// Close syncs and ends the buffer: appends under way are finished, later ones fail. It is called
// once.
func (b *Buffer) Close() error {
	close(b.k.quit)
	<-b.k.gone
	return nil
}
