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
type Times struct {
	schedule  *robfig.SpecSchedule
	everyHour bool
}

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
	spec, ok := s.(*robfig.SpecSchedule)
	if !ok {
		return Times{}, fmt.Errorf("cron expression %q: %w", expr, ErrNever) // five fields make nothing else
	}
	t := Times{spec, spec.Hour&allHours == allHours}
	if t.Next(time.Now()).IsZero() {
		return Times{}, fmt.Errorf("cron expression %q: %w", expr, ErrNever)
	}
	return t, nil
}

// ErrNever is an expression whose day does not exist (30 February).
var ErrNever = errors.New("never due")

const allHours = 1<<24 - 1

// Next returns the first time after t, with whole seconds and no monotonic reading, or the zero time when there is none in five years.
//
// In the night in which clocks are set forward, a time that does not exist is due when they are set; in the one in which they are set back,
// a time that exists twice is due once, the first time. What is due every hour just goes on, an hour apart.
func (t Times) Next(after time.Time) time.Time {
	after = after.Round(0)
	next := t.schedule.Next(after)
	if t.everyHour || next.IsZero() {
		return next
	}
	if at, ok := t.missing(after, next); ok {
		return at
	}
	if t.again(next) {
		return t.Next(next)
	}
	return next
}

// missing finds a time between two others that does not exist because clocks are set forward over it.
func (t Times) missing(after, before time.Time) (time.Time, bool) {
	for at := after.In(t.zone(after)); ; {
		_, set := at.ZoneBounds()
		if set.IsZero() || !set.Before(before) {
			return time.Time{}, false
		}
		if gap := offset(set) - offset(set.Add(-1)); gap > 0 {
			old := *t.schedule
			old.Location = time.FixedZone("", int(offset(set.Add(-1))/time.Second))
			if due := old.Next(set.Add(-1)); due.Before(set.Add(gap)) {
				return set.In(after.Location()), true
			}
		}
		at = set
	}
}

// again says whether a clock showed this time before, until it was set back.
func (t Times) again(due time.Time) bool {
	set, _ := due.In(t.zone(due)).ZoneBounds()
	if set.IsZero() {
		return false
	}
	return due.Before(set.Add(offset(set.Add(-1)) - offset(set)))
}

// zone is the expression's time zone, else that of the time asked about, as with the parser's own.
func (t Times) zone(asked time.Time) *time.Location {
	if t.schedule.Location == time.Local {
		return asked.Location()
	}
	return t.schedule.Location
}

func offset(t time.Time) time.Duration {
	_, seconds := t.Zone()
	return time.Duration(seconds) * time.Second
}

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
