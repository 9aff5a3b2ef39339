package bus

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// startServer runs an embedded server that only in-process connections reach, and waits until its store is open.
func startServer(ctx context.Context, dir string, log *slog.Logger) (*server.Server, error) {
	srv, err := server.NewServer(&server.Options{
		ServerName:         "limpet-hub",
		DontListen:         true,
		NoSigs:             true, // signals are main's
		JetStream:          true,
		StoreDir:           dir,
		JetStreamMaxStore:  storeCeiling,
		JetStreamMaxMemory: 64 << 20, // nothing of ours is kept in memory; ephemeral consumers need a little
		MaxPayload:         MaxPayload,
		MaxPending:         4 * MaxPayload, // of one connection, before it counts as a slow reader
		SyncInterval:       SyncEvery,
	})
	if err != nil {
		return nil, err
	}
	srv.SetLoggerV2(natsLog{log}, false, false, false)
	srv.Start()
	deadline := time.Now().Add(startWithin)
	for !srv.ReadyForConnections(50 * time.Millisecond) {
		if ctx.Err() != nil || time.Now().After(deadline) {
			srv.Shutdown()
			return nil, fmt.Errorf("not ready within %s", startWithin)
		}
	}
	if !srv.JetStreamEnabled() {
		srv.Shutdown()
		return nil, fmt.Errorf("its store could not be opened; the hub's log says why")
	}
	return srv, nil
}

// natsLog gives the server's lines to slog. Its notices are of interest only to someone who debugs.
type natsLog struct{ log *slog.Logger }

func (l natsLog) Noticef(f string, a ...any) { l.log.Debug("bus server", "text", fmt.Sprintf(f, a...)) }
func (l natsLog) Warnf(f string, a ...any)   { l.log.Warn("bus server", "text", fmt.Sprintf(f, a...)) }
func (l natsLog) Errorf(f string, a ...any)  { l.log.Error("bus server", "text", fmt.Sprintf(f, a...)) }
func (l natsLog) Fatalf(f string, a ...any)  { l.log.Error("bus server", "text", fmt.Sprintf(f, a...)) }
func (l natsLog) Debugf(f string, a ...any)  { l.log.Debug("bus server", "text", fmt.Sprintf(f, a...)) }
func (l natsLog) Tracef(f string, a ...any)  { l.log.Debug("bus server", "text", fmt.Sprintf(f, a...)) }
