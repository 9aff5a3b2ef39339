// Package cron reads the five-field cron expressions of checks and says when they are due. It bounds what robfig/cron is
// given, because expressions come from outside, and refuses those that can never be due.
package cron

import (
	"errors"
	"fmt"
	"strings"
	"time"

	robfig "github.com/robfig/cron/v3"
)

// MaxLength is the longest expression read; lists of every minute fit well.
const MaxLength = 512

// Times says when a check with a cron expression is due.
type Times struct{ schedule robfig.Schedule }

var parser = robfig.NewParser(robfig.Minute | robfig.Hour | robfig.Dom | robfig.Month | robfig.Dow)

// Parse reads minute, hour, day of month, month and day of week, optionally after "CRON_TZ=ZONE ". Without a zone the times
// are those of the box's own.
func Parse(expr string) (Times, error) {
	if len(expr) > MaxLength {
		return Times{}, fmt.Errorf("cron expression of %d bytes: the longest read is %d", len(expr), MaxLength)
	}
	zone, fields, err := splitZone(strings.TrimSpace(expr))
	if err != nil {
		return Times{}, fmt.Errorf("cron expression %q: %w", expr, err)
	}
	if n := len(strings.Fields(fields)); n != 5 {
		return Times{}, fmt.Errorf("cron expression %q has %d fields, not 5: minute hour day-of-month month day-of-week", expr, n)
	}
	if zone != "" {
		fields = "CRON_TZ=" + zone + " " + fields
	}
	s, err := parser.Parse(fields)
	if err != nil {
		return Times{}, fmt.Errorf("cron expression %q: %w", expr, err)
	}
	t := Times{s}
	if t.Next(time.Now()).IsZero() {
		return Times{}, fmt.Errorf("cron expression %q: %w", expr, ErrNever)
	}
	return t, nil
}

// ErrNever is an expression whose day does not exist (30 February).
var ErrNever = errors.New("never due")

// Next returns the first time after t, with whole seconds and no monotonic reading, or the zero time when there is none in five years.
func (t Times) Next(after time.Time) time.Time { return t.schedule.Next(after.Round(0)) }

// splitZone takes "CRON_TZ=Zone" or "TZ=Zone" off an expression; zone is empty without it.
func splitZone(expr string) (zone, fields string, err error) {
	rest, found := strings.CutPrefix(expr, "CRON_TZ=")
	if !found {
		rest, found = strings.CutPrefix(expr, "TZ=")
	}
	if !found {
		return "", expr, nil
	}
	zone, fields, _ = strings.Cut(rest, " ")
	if zone == "" {
		return "", "", errors.New("no time zone after the equals sign")
	}
	return zone, fields, nil
}
