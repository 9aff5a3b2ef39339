// Package bus is the hub's store and post: streams that keep what agents sent, buckets of keys for what the hub itself knows,
// and plain messages between the parts of one hub or several. It is the only package that knows NATS; by default a JetStream
// server runs inside the hub and listens on nothing.
//
// An append is confirmed when the server has handed it to the operating system: it survives a kill of the hub at any moment,
// and a power cut up to SyncEvery later may take it back. Callers compare with Last after a restart and send again.
package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Errors a caller may branch on. Any other error of an append leaves its outcome unknown.
var (
	ErrConflict = errors.New("somebody else wrote first") // the expected sequence or revision is not the newest
	ErrTooLarge = errors.New("larger than the bus can ever take")
	ErrNone     = errors.New("nothing there")
)

// Limits.
const (
	// MaxPayload is the largest message in bytes, headers included: one oversized record of an agent.
	MaxPayload = 8 << 20
	// SyncEvery is how long an append may wait for its fsync.
	SyncEvery = 10 * time.Second

	startWithin  = 60 * time.Second // the server reads its whole store first
	answerWithin = 30 * time.Second // one request to the server (docs/decisions/176-patience-with-the-bus.md)
	healthWithin = 5 * time.Second  // of the question whether it answers
	quietAfter   = 5 * time.Second  // without a message, a reader asks whether there is one
	mostQuiet    = 12               // times in a row that there is one, and none comes
	anewAfter    = 2                // such times the reader asks for it anew: the library may have dropped it, or it is large and on its way
	storeCeiling = 1 << 50          // the streams' own limits bound the disk; the account's must not refuse them at start
)

// Limit bounds a stream; its oldest messages go first.
type Limit struct {
	Bytes int64
	Age   time.Duration
}

// Options say where the bus lives and how much it keeps.
type Options struct {
	Dir     string // of the embedded server; made when missing
	Results Limit  // zero fields = 2 GiB, 7 days
	Events  Limit  // zero fields = 64 MiB, 30 days
	Log     *slog.Logger
}

// Bus is a hub's connection. Its methods may be called from anywhere.
type Bus struct {
	server *server.Server
	conn   *nats.Conn
	js     jetstream.JetStream
	lock   *os.File
	log    *slog.Logger
}

// Open starts the embedded server on its directory, new or left behind by a stop or a kill, and makes the streams that are
// missing. A directory in use by another hub is an error.
func Open(ctx context.Context, o Options) (*Bus, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make bus directory: %w", err)
	}
	lock, err := lockFile(filepath.Join(o.Dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("lock bus directory %s: %w", o.Dir, err)
	}
	b := &Bus{log: logger(o.Log), lock: lock}
	if err := b.start(ctx, o); err != nil {
		_ = b.Close()
		return nil, err
	}
	return b, nil
}

func (b *Bus) start(ctx context.Context, o Options) error {
	srv, err := startServer(ctx, o.Dir, b.log)
	if err != nil {
		return fmt.Errorf("start bus in %s: %w", o.Dir, err)
	}
	b.server = srv
	b.conn, err = nats.Connect("", nats.InProcessServer(srv), nats.Name("limpet-hub"), nats.MaxReconnects(-1),
		nats.ReconnectWait(100*time.Millisecond), nats.ErrorHandler(b.trouble))
	if err != nil {
		return fmt.Errorf("connect to bus: %w", err)
	}
	if b.js, err = jetstream.New(b.conn, jetstream.WithDefaultTimeout(answerWithin)); err != nil {
		return fmt.Errorf("connect to bus: %w", err)
	}
	return b.makeStreams(ctx, o)
}

// trouble hears of what goes wrong on the connection outside any call.
func (b *Bus) trouble(_ *nats.Conn, sub *nats.Subscription, err error) {
	subject := ""
	if sub != nil {
		subject = sub.Subject
	}
	b.log.Warn("bus trouble", "subject", subject, "err", err)
}

// Health is nil when the bus answers within seconds.
func (b *Bus) Health(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, healthWithin)
	defer cancel()
	_, err := b.Bounds(ctx, Results)
	return err
}

// Close stops the embedded server after it has written and synced what it holds. Close everything that uses the bus first.
func (b *Bus) Close() error {
	if b.conn != nil {
		b.conn.Close()
	}
	if b.server != nil {
		b.server.Shutdown()
		b.server.WaitForShutdown()
	}
	return b.lock.Close()
}

func logger(l *slog.Logger) *slog.Logger {
	if l == nil {
		return slog.New(slog.DiscardHandler)
	}
	return l
}
