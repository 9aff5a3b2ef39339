package session

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/updater/dial"
)

const (
	dialTimeout  = 45 * time.Second // the ladder, TLS and the upgrade
	closeTimeout = time.Second      // for the hub to have read the last words

	socketBuffer = 4 << 10  // of the websocket, each way
	keptBuffer   = 64 << 10 // a frame's bytes are kept for the next one up to this

	queue     = 32 // frames that wait to be written
	queueCall = 16 // of which output of calls may take this many; what does not fit is left out
)

var errStrangeHub = errors.New("the hub's key is not one this agent trusts")

// writeBuffers is shared by all lines, so that an idle one holds none.
var writeBuffers sync.Pool

// line is one websocket. Its reader and writer are goroutines of its own; it is broken once, and then
// for good.
type line struct {
	ws    *websocket.Conn
	state tls.ConnectionState
	out   chan *wire.Frame
	in    chan *wire.Frame
	over  chan struct{} // closed when broken
	once  sync.Once
	err   error // why; read after over
	done  sync.WaitGroup
}

// connect dials the hub, knocks with the agent's key, and upgrades to a websocket.
func connect(ctx context.Context, d *dial.Dialer, h hub, key ed25519.PrivateKey) (*line, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	secure, err := d.DialTLSContext(ctx, "tcp", h.addr())
	if err != nil {
		return nil, fmt.Errorf("connect to hub: %w: %w", errUnreached, err)
	}
	state := secure.(*tls.Conn).ConnectionState()
	knock, err := knockOn(state, key)
	if err != nil {
		secure.Close()
		return nil, fmt.Errorf("connect to hub: %w", err)
	}
	ws := websocket.Dialer{
		NetDialTLSContext: func(context.Context, string, string) (net.Conn, error) { return secure, nil },
		Subprotocols:      []string{wire.Subprotocol},
		ReadBufferSize:    socketBuffer,
		WriteBufferSize:   socketBuffer,
		WriteBufferPool:   &writeBuffers,
	}
	c, answer, err := ws.DialContext(ctx, "wss://"+h.addr()+wire.Path, http.Header{wire.KnockHeader: {knock}})
	if err != nil {
		secure.Close()
		return nil, answerError(err, answer)
	}
	if c.Subprotocol() != wire.Subprotocol {
		c.Close()
		return nil, fmt.Errorf("connect to hub: it does not speak %s: %w", wire.Subprotocol, websocket.ErrBadHandshake)
	}
	c.SetReadLimit(wire.MaxHubFrame)
	return &line{
		ws:    c,
		state: state,
		out:   make(chan *wire.Frame, queue),
		in:    make(chan *wire.Frame),
		over:  make(chan struct{}),
	}, nil
}

func knockOn(state tls.ConnectionState, key ed25519.PrivateKey) (string, error) {
	binding, err := wire.Binding(state)
	if err != nil {
		return "", err
	}
	return wire.Knock(key, binding)
}

// answerError is what came instead of a websocket. Who is busy, a hub or what stands before it, may say when to come again.
func answerError(err error, answer *http.Response) error {
	if answer == nil {
		return fmt.Errorf("connect to hub: %w", err)
	}
	if code := answer.StatusCode; code == http.StatusServiceUnavailable || code == http.StatusTooManyRequests {
		if seconds, bad := strconv.ParseUint(answer.Header.Get("Retry-After"), 10, 32); bad == nil && seconds > 0 {
			return &refusal{code: wire.RefuseBusy, message: "it is busy (HTTP " + answer.Status + ")", hint: "the agent comes again by itself",
				retry: time.Duration(seconds) * time.Second}
		}
	}
	return fmt.Errorf("connect to hub: %w (HTTP %s)", err, answer.Status)
}

// start lets reader and writer run; until then the handshake reads and writes by itself. Silence of
// the given length breaks the line.
func (l *line) start(silence time.Duration) {
	l.done.Go(func() { l.readAll(silence) })
	l.done.Go(l.writeAll)
}

// breakWith breaks the line; the first cause counts.
func (l *line) breakWith(err error) {
	l.once.Do(func() {
		l.err = err
		close(l.over)
		l.ws.Close()
	})
}

// end breaks the line and returns when its goroutines have ended.
func (l *line) end(err error) {
	l.breakWith(err)
	l.done.Wait()
}

func (l *line) readAll(silence time.Duration) {
	for {
		f, err := l.read(silence)
		if err != nil {
			l.breakWith(err)
			return
		}
		select {
		case l.in <- f:
		case <-l.over:
			return
		}
	}
}

// read is the next frame, due within the time given.
func (l *line) read(within time.Duration) (*wire.Frame, error) {
	l.ws.SetReadDeadline(time.Now().Add(within))
	kind, data, err := l.ws.ReadMessage()
	var slow net.Error
	switch {
	case errors.As(err, &slow) && slow.Timeout():
		return nil, fmt.Errorf("read from hub: silent for %s", within)
	case err != nil:
		return nil, fmt.Errorf("read from hub: %w", err)
	case kind != websocket.BinaryMessage:
		return nil, errors.New("read from hub: a message that is not binary")
	}
	f := new(wire.Frame)
	if err := wire.Unmarshal(data, f); err != nil {
		return nil, fmt.Errorf("read from hub: %w", err)
	}
	return f, nil
}

func (l *line) writeAll() {
	var buf []byte
	for {
		select {
		case f := <-l.out:
			var err error
			if buf, err = l.write(f, buf[:0]); err != nil {
				l.breakWith(err)
				return
			}
			if cap(buf) > keptBuffer {
				buf = nil
			}
			if f.GetBye() != nil {
				l.sayClose()
			}
		case <-l.over:
			return
		}
	}
}

// sayClose asks the hub to close, and no longer waits for it than closeTimeout: closing here while
// something of the hub's is unread would take back the last words.
func (l *line) sayClose() {
	deadline := time.Now().Add(closeTimeout)
	l.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), deadline)
	l.ws.SetReadDeadline(deadline)
}

// write writes a frame by way of buf, and gives that back, grown.
func (l *line) write(f *wire.Frame, buf []byte) ([]byte, error) {
	l.ws.SetWriteDeadline(time.Now().Add(wire.WriteDeadline))
	if b := f.GetBatch(); len(b.GetItems()) > keptBuffer {
		return buf, l.writeBatch(b)
	}
	data, err := wire.Append(buf, f)
	if err != nil {
		return nil, fmt.Errorf("write to hub: %w", err)
	}
	if err := l.ws.WriteMessage(websocket.BinaryMessage, data); err != nil {
		return nil, fmt.Errorf("write to hub: %w", err)
	}
	return data, nil
}

// writeBatch writes a large batch from where it lies.
func (l *line) writeBatch(b *wire.Batch) error {
	head, items, err := wire.BatchFrame(b)
	if err != nil {
		return fmt.Errorf("write to hub: %w", err)
	}
	w, err := l.ws.NextWriter(websocket.BinaryMessage)
	if err != nil {
		return fmt.Errorf("write to hub: %w", err)
	}
	for _, piece := range [][]byte{head, items} {
		if _, err := w.Write(piece); err != nil {
			return fmt.Errorf("write to hub: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("write to hub: %w", err)
	}
	return nil
}

// send queues a frame and waits for room; false when the line broke.
func (l *line) send(f *wire.Frame) bool {
	select {
	case l.out <- f:
		return true
	case <-l.over:
		return false
	}
}

// trySend queues a frame of a call's output if there is room for such. On a broken line it is gone.
func (l *line) trySend(f *wire.Frame) bool {
	select {
	case <-l.over:
		return true
	default:
	}
	if len(l.out) >= queueCall {
		return false
	}
	select {
	case l.out <- f:
		return true
	default:
		return false
	}
}
