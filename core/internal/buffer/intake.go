package buffer

import (
	"errors"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// intake is what runs hand to the keeper. What has gathered when it looks is written in one piece: with thousands of runs a second, writing
// is a good part of what each of them costs.
type intake struct {
	mu     sync.Mutex // guards what follows
	list   []handed
	closed bool
	came   chan struct{} // holds one: the list is not empty
}

// handed is one item, or one start mark.
type handed struct {
	item  item
	done  func(seq uint64, err error) // once synced or failed; nil for a mark
	waits bool                        // in memory, where there is no place for it on disk

	run    run
	mark   []byte     // its payload
	marked chan error // once written or failed; holds one
}

// put adds one; false when the buffer is closed.
func (i *intake) put(h handed) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return false
	}
	i.list = append(i.list, h)
	select {
	case i.came <- struct{}{}:
	default:
	}
	return true
}

// take empties the list; spare is where the next one is gathered.
func (i *intake) take(spare []handed) []handed {
	i.mu.Lock()
	defer i.mu.Unlock()
	list := i.list
	i.list = spare[:0]
	return list
}

// end takes no more, and returns what is left.
func (i *intake) end() []handed {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.closed = true
	return i.list
}

// takeIn writes what was handed in, in that order, behind what waits in memory.
func (k *keeper) takeIn(list []handed) {
	for len(list) > 0 {
		clear := k.putHeld(false)
		if clear {
			if n := k.together(list); n > 0 {
				list = list[n:]
				continue
			}
		}
		switch h := list[0]; {
		case h.done == nil:
			h.marked <- k.mark(h.run, h.mark)
		case clear || !k.holdBack(h, placeError{errors.New(k.stats.LastError)}):
			k.append(h)
		}
		list = list[1:]
	}
}

// maxTogether is the most bytes that are written in one piece.
const maxTogether = maxScratch

// together writes as many of the first as fit into one piece and into the segment, and says how many; 0: the first is one to be written
// alone, as it needs more than the place where the last one ended, or would fail.
func (k *keeper) together(list []handed) int {
	w := k.live
	if len(list) < 2 || w.file == nil || k.rested() != nil || k.o.Lock != nil && w.g.lock == nil {
		return 0
	}
	frames, n, seq := w.scratch[:0], 0, w.next
	runs, items := len(k.runs.list), len(k.waiting)
	for _, h := range list {
		size := len(h.item.payload) + len(h.item.large) + len(h.mark) + 2*recordHeader
		if len(frames)+size > maxTogether || w.offset+int64(len(frames)) >= w.limit || runs >= maxRuns || items >= maxWaiting {
			break
		}
		if h.done == nil {
			frames = w.frame(frames, entry{kind: kindMark, payload: h.mark})
			runs++
		} else {
			frames = w.frame(frames, entry{kind: kindItem, seq: seq, check: h.item.check, payload: numbered(h.item.payload, seq)})
			seq++
			items++
		}
		n++
	}
	if n == 0 || w.put(frames) != nil {
		return 0 // one by one, so that each says what is wrong
	}
	for _, h := range list[:n] {
		if h.done == nil {
			h.marked <- k.runs.begin(h.run, h.mark)
		} else {
			k.accept(h.item, h.done)
		}
	}
	k.scheduleSync()
	k.tellLost()
	return n
}

// numbered is an item's payload with its seq behind it.
func numbered(payload []byte, seq uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(payload, 1, protowire.VarintType), seq)
}

// accept takes an item that has been written into the books.
func (k *keeper) accept(it item, done func(seq uint64, err error)) {
	seq := k.live.next
	k.live.next++
	k.live.g.unsynced++
	k.runs.end(it.check, it.start)
	if len(k.waiting) == 0 {
		k.waitingSince = time.Now()
	}
	k.waiting = append(k.waiting, waiter{k.live.g, seq, done})
}
