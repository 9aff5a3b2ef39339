// Package logfile is the check "log": lines of a log file that fit a pattern, each found once. It keeps on disk where it left off, and finds what was
// written before a rotation or after a truncation. Its options are those of check_log, which copies the whole file instead.
package logfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/patience"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/reach"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/threshold"
)

// maxShown is what the first line quotes of a line found.
const maxShown = 200

// Check runs the check.
type Check struct {
	store store
	scans patience.Calls[outcome]
}

// New gives a check that keeps its state in a folder; "" = in memory, so that what it finds is found again by others.
func New(dir string) *Check { return &Check{store: store{dir: dir}} }

// outcome is what one reading of the file gave.
type outcome struct {
	scan  *scan
	state state
}

// Run runs it once.
func (c *Check) Run(ctx context.Context, args []string) check.Result {
	o, err := parse(args)
	if err != nil {
		return unknown(err)
	}
	name := key(args)
	before, known, stateErr := c.store.load(name)
	ctx, cancel := patience.Within(ctx, 0)
	defer cancel()
	out, err := c.scans.Do(ctx, o.path, func() (outcome, error) {
		s := &scan{options: o, left: maxRead}
		after, err := s.follow(ctx, before, !known || before.Path != o.path)
		return outcome{s, after}, err
	})
	switch {
	case errors.Is(err, fs.ErrNotExist) && o.missing:
		return check.Result{Text: fmt.Sprintf("LOG OK - %s does not exist", o.path)}
	case err != nil:
		return unknown(err)
	}
	out.state.Path = o.path
	r := o.judge(out.scan, &out.state, known, time.Now())
	if stateErr != nil {
		r.Problems = append(r.Problems, stateErr.Error())
	}
	if err := c.store.save(name, out.state); err != nil {
		r.Problems = append(r.Problems, err.Error())
	}
	return r
}

// judge makes the result, and writes into the state what is to stick.
func (o options) judge(s *scan, st *state, known bool, now time.Time) check.Result {
	state := o.limits.State(float64(s.hits))
	perf := o.limits.Perf("lines", float64(s.hits), "", 0, math.NaN())
	r := check.Result{State: state, Problems: s.problems, Long: strings.Join(s.samples, "\n"), Perfdata: []check.Perfdata{perf}}
	text := fmt.Sprintf("%d of %d new lines of %s found", s.hits, s.lines, o.path)
	switch {
	case !known && !o.begin:
		text = fmt.Sprintf("%s is followed from now on", o.path)
	case s.hits > 0:
		text += ": " + reach.OneLine(s.samples[len(s.samples)-1], maxShown)
	}
	if state != check.OK {
		st.Hit, st.State, st.Text = now, threshold.Worst(state, o.stuck(*st, now)), text
	} else if still := o.stuck(*st, now); still != check.OK {
		r.State = still
		text = fmt.Sprintf("%s ago: %s", now.Sub(st.Hit).Round(time.Second), st.Text)
	}
	r.State = threshold.Worst(r.State, o.stuck(*st, now))
	r.Text = fmt.Sprintf("LOG %s - %s", r.State, text)
	return r
}

// stuck is the state that lines found earlier still call for.
func (o options) stuck(st state, now time.Time) check.State {
	if o.sticky <= 0 || st.Hit.IsZero() || now.Sub(st.Hit) > o.sticky {
		return check.OK
	}
	return st.State
}

func unknown(err error) check.Result {
	return check.Result{State: check.Unknown, Text: "LOG UNKNOWN - " + err.Error()}
}
