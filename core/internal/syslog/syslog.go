// Package syslog gives what a core warns of, beside its own log file, to the log of the system: systemd's journal, else whoever listens on /dev/log. There an administrator
// looks first, and it goes where all of the box's logs go.
//
// It only sends, and never waits: what the system does not take at once stands in the file alone.
package syslog

import (
	"context"
	"log/slog"
)

// Handler is a handler that hands everything to inner, and warnings and errors also to the system's log under name. Where the system has none it is inner.
func Handler(inner slog.Handler, name string) slog.Handler {
	s := open(name)
	if s == nil {
		return inner
	}
	return &both{inner, slog.NewTextHandler(s, &slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: withoutTime})}
}

// both is two handlers; each takes what it is enabled for.
type both struct{ file, system slog.Handler }

func (b *both) Enabled(ctx context.Context, l slog.Level) bool { return b.file.Enabled(ctx, l) }

func (b *both) Handle(ctx context.Context, r slog.Record) error {
	if b.system.Enabled(ctx, r.Level) {
		_ = b.system.Handle(ctx, r.Clone()) // it is in the file
	}
	return b.file.Handle(ctx, r)
}

func (b *both) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &both{b.file.WithAttrs(attrs), b.system.WithAttrs(attrs)}
}

func (b *both) WithGroup(name string) slog.Handler {
	return &both{b.file.WithGroup(name), b.system.WithGroup(name)}
}

// withoutTime: the system's log notes its own.
func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}
