package rpc

import (
	"fmt"
	"sync"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/bus"
)

// piece is one thing that came for a call: output, or its end.
type piece struct {
	data   []byte
	stderr bool
	end    *wire.RunEnd
	err    error
}

// queue holds what came between the bus, which must not wait, and a reader, which may be slow.
type queue struct {
	ready chan struct{} // holds one when there is something to take, or a sign of life

	mu      sync.Mutex // guards what follows
	pieces  []piece
	waiting int // bytes in pieces
	dropped int // bytes since the last piece
}

func newQueue() *queue { return &queue{ready: make(chan struct{}, 1)} }

// hear takes a note of the bus.
func (q *queue) hear(n bus.Note) {
	if n.Nobody {
		q.put(piece{err: ErrOffline})
		return
	}
	f := new(wire.Frame)
	if err := wire.Unmarshal(n.Data, f); err != nil {
		return // nobody else knows the inbox
	}
	switch body := f.GetBody().(type) {
	case *wire.Frame_RunOutput:
		q.put(piece{data: body.RunOutput.GetData(), stderr: body.RunOutput.GetStderr()})
	case *wire.Frame_RunEnd:
		q.put(piece{end: body.RunEnd})
	case *wire.Frame_Bye:
		q.put(piece{err: fmt.Errorf("%w (%s)", ErrLost, body.Bye.GetCause())})
	}
}

func (q *queue) put(p piece) {
	q.mu.Lock()
	defer q.mu.Unlock()
	last := p.end != nil || p.err != nil
	if !last && (q.waiting+len(p.data) > maxWaiting || len(q.pieces) >= maxFrames) {
		q.dropped += len(p.data)
		return
	}
	if len(p.data) > 0 || last {
		q.stateDrop()
		q.pieces = append(q.pieces, p)
		q.waiting += len(p.data)
	}
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// stateDrop says, where output was dropped, that it was.
func (q *queue) stateDrop() {
	if q.dropped == 0 {
		return
	}
	line := fmt.Sprintf("\n[%d bytes of output dropped: the reader was too slow]\n", q.dropped)
	q.pieces = append(q.pieces, piece{data: []byte(line), stderr: true})
	q.waiting, q.dropped = q.waiting+len(line), 0
}

// take empties the queue.
func (q *queue) take() []piece {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := q.pieces
	q.pieces, q.waiting = nil, 0
	return out
}
