// Package buffer keeps every result on disk until the hub has it: a segmented log in generations, one
// for each start of a core, with group-synced appends and a cursor for each generation.
// docs/buffer-format.md is its format, with the crash argument; docs/results.md says what it is for.
//
// It owns the folder state/buffer. One goroutine owns all that changes; readers work on what it hands
// them. It knows nothing of the line: the session asks for batches, and tells what became of them.
package buffer

import (
	"io"
	"log/slog"
	"time"

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

// Options say where the buffer is and how much it may keep. Zero values take the defaults.
type Options struct {
	Dir          string        // state/buffer
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

// Verdict is what a hub's watermark means, see docs/results.md.
type Verdict string

// The verdicts.
const (
	Equal    Verdict = "equal"    // nothing happened
	Ahead    Verdict = "ahead"    // an ack was lost: the cursor moved
	Behind   Verdict = "behind"   // the hub lost something: it is sent again
	Restored Verdict = "restored" // this agent was restored: the rest goes to a new epoch
)

// Stats is how the buffer stands, for status and for the agent's own check.
type Stats struct {
	Generations    int
	Bytes          int64  // on disk
	UnackedRecords uint64 // synced and not acknowledged
	UnackedBytes   int64
	OldestUnacked  time.Time // when the segment of the oldest unacknowledged record was begun; zero = none
	Appended       uint64    // since Open
	Syncs          uint64    // since Open
	Refused        uint64    // appends that failed since Open
	LastError      string    // of the latest failed append, "" after one that worked
	Dropped        uint64    // records lost to a cap, to corruption or refused by the hub, since Open
}

// Buffer is open from Open to Close. Its methods may be called by several goroutines, but Next, Ack,
// Reject and Resume of one epoch by one at a time.
type Buffer struct{}

// Open opens the buffer in whatever state it is found, closes the generations of former cores (those
// whose cores still live are taken over later), and begins a new one. Runs that a kill cut off are
// appended as LostRun. It fails only where nothing could be kept anyway: the folder cannot be read.
// A full disk is no error here.
func Open(o Options) (*Buffer, error) { return nil, nil }

// Append keeps an item: it returns nil once the item is synced to disk, the sync begun at most 50 ms
// after the call. It sets item.Seq. An error says that the item is not accepted (disk full, too
// large: wire.MaxRecord, closed).
func (b *Buffer) Append(item *wire.Item) error { return nil }

// Mark says that a run of check begins at start: if the core is killed before a result of that check
// is appended, the next Open reports the run as lost. It is written, not synced.
func (b *Buffer) Mark(check string, start time.Time) error { return nil }

// Generations lists every generation kept, oldest first, the live one last.
func (b *Buffer) Generations() []*wire.Generation { return nil }

// Live is the epoch of the generation being written.
func (b *Buffer) Live() uint64 { return 0 }

// Next is the batch behind the cursor of a generation, at most max bytes unpacked or one record; nil
// when everything is acknowledged. It gives the same batch (or a longer one) until Ack, Reject or
// Resume moved the cursor. What cannot be read is passed over with a gap record.
func (b *Buffer) Next(epoch uint64, max int) (*wire.Batch, error) { return nil, nil }

// Ack moves the cursor of a generation: everything up to seq is on the bus.
func (b *Buffer) Ack(epoch, seq uint64) error { return nil }

// Reject says that the bus can never take a record: a gap record takes its place.
func (b *Buffer) Reject(epoch, seq uint64) error { return nil }

// Resume compares what the bus holds of a generation with the cursor, at the start of a session,
// before its first Next.
func (b *Buffer) Resume(epoch, seq uint64, crc uint32) (Verdict, error) { return "", nil }

// Split begins a new live generation when more than backlog bytes of the present one are
// unacknowledged, so that new results do not queue behind them.
func (b *Buffer) Split(backlog int64) error { return nil }

// Notify receives when there may be something new for Next or Generations. It holds one.
func (b *Buffer) Notify() <-chan struct{} { return nil }

// Stats says how the buffer stands.
func (b *Buffer) Stats() Stats { return Stats{} }

// Close syncs and ends the buffer; appends under way are finished, later ones fail.
func (b *Buffer) Close() error { return nil }
