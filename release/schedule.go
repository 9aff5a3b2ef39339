package main

import (
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// schedule is when a release opens to which share of the fleet, as it is written on a
// command line: "1%,1h,10%,6h,50%,1d,100%" is 1 % at once, 10 % an hour later, and so on.
type schedule struct{ text, start string }

func scheduleFlags(f *flag.FlagSet) *schedule {
	s := &schedule{}
	f.StringVar(&s.text, "waves", "", "`shares` and the times between, such as \"1%,1h,10%,6h,50%,1d,100%\" (default: open to all at once)")
	f.StringVar(&s.start, "start", "", "`time` of the first wave, such as 2030-05-01T12:00:00Z (default: now)")
	return s
}

// given reports whether the command line says anything about waves.
func (s *schedule) given() bool { return s.text != "" }

// waves reads the schedule; nil = open to all at once.
func (s *schedule) waves(now time.Time) ([]tuf.Wave, error) {
	from := now.UTC().Truncate(time.Second)
	if s.start != "" {
		var err error
		if from, err = time.Parse(time.RFC3339, s.start); err != nil {
			return nil, usageError("--start " + s.start + " is no time such as 2030-05-01T12:00:00Z")
		}
		if s.text == "" {
			return nil, usageError("--start says when the first of --waves opens, and there are none")
		}
	}
	if s.text == "" {
		return nil, nil
	}
	out, err := parseWaves(s.text, from.UTC())
	if err != nil {
		return nil, usageError(fmt.Sprintf("--waves %q: %v", s.text, err))
	}
	return out, nil
}

func parseWaves(text string, from time.Time) ([]tuf.Wave, error) {
	var out []tuf.Wave
	for i, word := range strings.Split(text, ",") {
		word = strings.TrimSpace(word)
		if i%2 == 1 {
			pause, err := parsePause(word)
			if err != nil {
				return nil, err
			}
			from = from.Add(pause)
			continue
		}
		number, ok := strings.CutSuffix(word, "%")
		percent, err := strconv.Atoi(number)
		switch {
		case !ok || err != nil || percent < 0 || percent > 100:
			return nil, fmt.Errorf("%q is not a share from 0%% to 100%%, whole", word)
		case len(out) > 0 && percent < out[len(out)-1].Percent:
			return nil, fmt.Errorf("%s after %d%%: a later wave is not smaller", word, out[len(out)-1].Percent)
		}
		out = append(out, tuf.Wave{From: from, Percent: percent})
	}
	if strings.Count(text, ",")%2 == 1 {
		return nil, errors.New("it ends with a time; the last is a share, such as 100%")
	}
	return out, nil
}

// parsePause reads a time between two waves, in days, too.
func parsePause(word string) (time.Duration, error) {
	pause, err := time.ParseDuration(word)
	if days, ok := strings.CutSuffix(word, "d"); ok {
		n, err2 := strconv.Atoi(days)
		pause, err = time.Duration(n)*24*time.Hour, err2
	}
	if err != nil || pause < time.Second || pause%time.Second != 0 || pause > 365*24*time.Hour {
		return 0, fmt.Errorf("%q is not a time between waves, such as 30m, 6h or 1d", word)
	}
	return pause, nil
}

// alike reports whether two lists of waves have the same shares after the same times,
// whenever they begin: a command that runs again starts nothing anew.
func alike(a, b []tuf.Wave) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Percent != b[i].Percent || a[i].From.Sub(a[0].From) != b[i].From.Sub(b[0].From) {
			return false
		}
	}
	return true
}
