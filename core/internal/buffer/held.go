package buffer

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"
)

const (
	// maxHeld and maxHeldBytes bound what waits in memory: a few minutes of a box's checks.
	maxHeld      = 1024
	maxHeldBytes = 256 << 10
)

// placeError is the cause when there was no file to write to: nothing of the item is on the disk then, and it may be written later without being there
// twice. After a write that failed nobody can say that.
type placeError struct{ error }

func (e placeError) Unwrap() error { return e.error }

// Closed says whether an error is one of a place that is closed to the agent, and may be opened again: what was asked for is worth another try.
func Closed(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

// held are results that wait in memory because the folder takes no files: somebody changed its owner or its mode, the file system is read-only. They are
// not accepted; a kill takes them. The oldest go where there are too many, counted as refused.
type held struct {
	items []item
	bytes int
	next  time.Time // when the disk is asked again
}

// holdBack keeps an item that had no place, where it may wait, and says whether it did.
func (k *keeper) holdBack(h handed, err error) bool {
	if !h.waits || !errors.As(err, new(placeError)) || len(h.item.payload) > maxHeldBytes/4 || h.item.large != "" {
		return false
	}
	if len(k.held.items) == 0 {
		k.held.next = time.Now().Add(restAfterFailure)
		k.log.Error("the buffer takes nothing: results wait in memory", "most", maxHeld, "err", err)
	}
	k.stats.LastError = err.Error()
	k.held.items = append(k.held.items, h.item)
	k.held.bytes += len(h.item.payload)
	for len(k.held.items) > maxHeld || k.held.bytes > maxHeldBytes {
		k.held.bytes -= len(k.held.items[0].payload)
		k.held.items = k.held.items[1:]
		k.refuse(err)
	}
	h.done(0, fmt.Errorf("%w: %w", ErrHeld, err))
	return true
}

// putHeld writes what waits in memory, in its order, and says whether nothing waits any more. now: whatever the disk said a moment ago.
func (k *keeper) putHeld(now bool) bool {
	if len(k.held.items) == 0 {
		return true
	}
	if !now && time.Now().Before(k.held.next) {
		return false
	}
	for len(k.held.items) > 0 {
		it := k.held.items[0]
		err := k.write(it)
		if errors.As(err, new(placeError)) || errors.Is(err, errBusy) {
			k.held.next = time.Now().Add(restAfterFailure)
			k.stats.LastError = err.Error()
			return false
		}
		k.held.bytes -= len(it.payload)
		k.held.items = k.held.items[1:]
		if err != nil {
			k.refuse(err)
			continue
		}
		k.accept(it, func(uint64, error) {}) // a sync that fails is counted where it fails
	}
	k.held = held{}
	k.stats.LastError = ""
	k.log.Info("the buffer takes results again: what waited in memory is written")
	k.scheduleSync()
	k.tellLost()
	return true
}
