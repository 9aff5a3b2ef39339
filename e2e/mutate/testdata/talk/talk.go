// Package talk logs; the mutation tool leaves that alone.
package talk

import "log/slog"

type logger struct{}

func (l logger) say(n int) { l.write(n) }

func (logger) write(int) {}

// Talk is what a log is told in three ways, and one that is no log.
func Talk(to *logger, other *slog.Logger, list []int) {
	to.say(len(list) + 1)
	other.Info("said", "n", len(list)+1)
	slog.Default().Warn("said")
	clear(list)
}
