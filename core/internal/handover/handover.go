// Package handover is what one core leaves for the next on the same box: a book of where its checks stand (docs/handover-format.md),
// and notes of the runs that it still finishes. state/checks is a book too, for when nobody could hand over.
//
// It owns the format and the files below state/handover; the agent decides when to write and what to believe. A book means something
// during one boot alone, so it is not synced: what a power cut takes was of no use any more. What of it means something afterwards, where checks stand with their attempts, is kept apart
// and synced (KeepStandings).
package handover

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/schedule"
	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

const (
	maxBook = 16 << 20 // bytes: wire.MaxChecks checks with their states stay far below
	maxText = 512      // bytes of a result's text: what a status shows
)

// ErrOtherBoot is the cause when a book was written before the machine last started: its times mean nothing now.
var ErrOtherBoot = errors.New("written in another boot of this machine")

// Book is where a core's checks stand.
type Book struct {
	Core     string        // version of the core that wrote it
	Epoch    uint64        // of its live generation of the buffer
	Revision uint64        // that it ran
	At       time.Duration // since boot, when it was written: the later of two books is the one to believe
	Plan     schedule.Plan
	States   []check.Result // the last result of each check: Check, State, Text, Start and Duration
}

// Clock ties this process's monotonic time to the time since boot, which all processes share.
type Clock struct {
	Now    time.Time // with a monotonic reading
	Since  time.Duration
	BootID string
}

// ReadClock reads both at once.
func ReadClock() Clock {
	return Clock{Now: time.Now(), Since: platforms.SinceBoot(), BootID: bootID()}
}

// bootID is the same for as long as a process lives.
var bootID = sync.OnceValue(func() string {
	id, err := platforms.BootID()
	if err != nil {
		return "unknown" // within one boot this is as good; the time since boot tells most others
	}
	return id
})

// At is a moment as the time since boot.
func (c Clock) At(t time.Time) time.Duration { return c.since(t) }

func (c Clock) since(t time.Time) time.Duration { return c.Since + t.Sub(c.Now) }

func (c Clock) time(since time.Duration) time.Time { return c.Now.Add(since - c.Since) }

// Write puts a book at path in one step: whatever kills the writer, there is a whole one. One writer at a time, and no reader beside it: who
// reads holds the schedule's lock. A book that stood there stands in path.new afterwards, and is written over by the next Write: making a
// file anew each time, and taking the old one away, costs many times as much.
func Write(path string, b Book, c Clock) error {
	next := path + ".new"
	if err := writeOver(next, b.marshal(c)); err != nil {
		os.Remove(next) // best effort: the next Write writes over it
		return fmt.Errorf("write book: %w", err)
	}
	if platforms.Exchange(next, path) == nil {
		return nil
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("write book: %w", err)
	}
	return nil
}

// writeOver makes data the content of a file.
func writeOver(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Truncate(int64(len(data)))
	}
	return errors.Join(err, f.Close())
}

// Read reads the book at path. ErrOtherBoot, or an error that says what is damaged: then there is nothing in it to believe.
func Read(path string, c Clock) (Book, error) {
	data, err := fsys.Read(fsys.Disk{}, path, maxBook)
	if err != nil {
		return Book{}, fmt.Errorf("read book: %w", err)
	}
	b, err := parse(data, c)
	if err != nil {
		return Book{}, fmt.Errorf("read book %s: %w", filepath.Base(path), err)
	}
	return b, nil
}

// Name is the file name of the book that a core with this live epoch hands over.
func Name(epoch uint64) string { return fmt.Sprintf("%016x", epoch) }
