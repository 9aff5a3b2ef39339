package gateway

import (
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/gorilla/websocket"

	"github.com/limpet-monitoring/limpet/core/wire"
)

// Sizes of the line.
const (
	maxGreeting = 4 << 10 // bytes of a Hello: it comes from anybody
)

// errFrame is the cause when an agent sends what is no frame, or none that fits.
var errFrame = errors.New("malformed frame")

// line is the websocket. One goroutine reads, one writes.
type line struct {
	conn *websocket.Conn
	tls  *tls.ConnectionState // nil behind a balancer that ends TLS
}

// read waits for the next frame, at most so long.
func (l *line) read(within time.Duration) (*wire.Frame, error) {
	if err := l.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		return nil, fmt.Errorf("read frame: %w", err)
	}
	kind, data, err := l.conn.ReadMessage()
	if err != nil {
		return nil, fmt.Errorf("read frame: %w", err)
	}
	if kind != websocket.BinaryMessage {
		return nil, fmt.Errorf("read frame: %w: not binary", errFrame)
	}
	return parseFrame(data)
}

// parseFrame reads a frame and checks what does not depend on the session's state.
func parseFrame(data []byte) (*wire.Frame, error) {
	f := new(wire.Frame)
	if err := wire.Unmarshal(data, f); err != nil {
		return nil, fmt.Errorf("read frame: %w: %w", errFrame, err)
	}
	if b := f.GetBatch(); len(data) > wire.MaxFrame && (b == nil || b.GetFirst() != b.GetLast() || len(b.GetAlike()) > 0) {
		return nil, fmt.Errorf("read frame: %w: %d bytes", errFrame, len(data))
	}
	return f, nil
}

func (l *line) write(f *wire.Frame) error {
	data, err := wire.Marshal(f)
	if err != nil {
		return fmt.Errorf("write frame: %w", err)
	}
	if err := l.conn.SetWriteDeadline(time.Now().Add(wire.WriteDeadline)); err != nil {
		return fmt.Errorf("write frame: %w", err)
	}
	if err := l.conn.WriteMessage(websocket.BinaryMessage, data); err != nil {
		return fmt.Errorf("write frame: %w", err)
	}
	return nil
}

// close ends the websocket in good order as far as that is quick.
func (l *line) close() {
	bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	_ = l.conn.WriteControl(websocket.CloseMessage, bye, time.Now().Add(time.Second))
	_ = l.conn.Close()
}
