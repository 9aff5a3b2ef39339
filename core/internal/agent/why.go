package agent

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/config"
	"github.com/limpet-monitoring/limpet/core/internal/schedule"
	"github.com/limpet-monitoring/limpet/core/internal/session"
	"github.com/limpet-monitoring/limpet/core/wire"
)

// WhyQuestion, a blank and a check's name asks the core why that check is as it is. The answer is text for a person.
const WhyQuestion = "why"

// known is all that this core knows of one check.
type known struct {
	name     string
	revision uint64 // that runs
	runs     bool   // the check is in it; then entry is its place in the schedule, notes are what is to be known of it
	entry    schedule.Entry
	apart    time.Duration // for want of processor time it runs only so often; 0 = as it says
	missing  error         // why its plugin cannot be run now
	last     check.Result  // its last one; Start is zero before the first
	notes    []string      // of the running revision, about it
	turned   bool          // a check that runs by default, and the revision does not let it
	rejected uint64        // a newer revision, refused; 0 = none
	wanted   bool          // that has the check
	refusal  []string      // and why it was refused: what is about the check, else what is first
	offline  bool          // there is no session: the hub may want otherwise by now
}

// answerWhy is the core's part of `limpet why CHECK`.
func (a *agent) answerWhy(ctx context.Context, name string) ([]byte, error) {
	if !check.ValidName(name) {
		return nil, fmt.Errorf("%q is no name of a check", name)
	}
	entries, err := a.plan.List(ctx)
	if err != nil {
		return nil, err
	}
	k := known{name: name, offline: a.session.Status().State != session.Connected}
	if at := slices.IndexFunc(entries, func(e schedule.Entry) bool { return e.Check.Name == name }); at >= 0 {
		k.runs, k.entry = true, entries[at]
		k.missing = a.runs.plugins.Load().Ready(k.entry.Check)
		if every := a.stretched(k.entry.Check).Every; every > k.entry.Check.Every {
			k.apart = every
		}
		k.last = a.board.result(name)
	}
	done := make(chan struct{})
	a.request(func(context.Context) { a.decided(&k); close(done) })
	select {
	case <-done:
	case <-a.ended:
		return nil, fmt.Errorf("%w: the agent stops", schedule.ErrStopped)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	var text strings.Builder
	k.print(&text, time.Now())
	return []byte(check.Shown(text.String())), nil
}

// decided adds what was decided about desired state.
func (a *agent) decided(k *known) {
	k.revision = a.set.Revision
	k.notes = about(a.set.Notes, k.name)
	k.turned = slices.ContainsFunc(builtins{a.builtin}.Defaults(), func(c check.Check) bool { return c.Name == k.name })
	if a.rejected == nil {
		return
	}
	k.rejected = a.rejected.Revision
	k.wanted = slices.ContainsFunc(a.pending.GetChecks(), func(c *wire.Check) bool { return c.GetName() == k.name })
	k.refusal = about(a.rejected.Problems, k.name)
	if len(k.refusal) == 0 {
		k.refusal = a.rejected.Problems[:min(1, len(a.rejected.Problems))]
	}
}

// about are those lines of a document's judgement that are about one check.
func about(lines []string, name string) (own []string) {
	for _, line := range lines {
		if config.About(line, name) {
			own = append(own, line)
		}
	}
	return own
}

func (k known) print(w io.Writer, now time.Time) {
	say := func(what, format string, args ...any) {
		fmt.Fprintf(w, "%-9s %s\n", what, fmt.Sprintf(format, args...))
	}
	if !k.runs {
		say("check", "%s does not run on this box", k.name)
		k.absent(say)
		return
	}
	say("check", "%s (%s), %s", k.name, wire.Name(k.entry.Check), k.source())
	k.state(say, now)
	k.next(say, now)
	if k.missing != nil && k.missing.Error() != k.last.Text {
		say("plugin", "%v", k.missing)
	}
	for _, n := range k.notes {
		if k.missing == nil || !strings.Contains(n, k.missing.Error()) { // not twice
			say("note", "%s", n)
		}
	}
	if k.rejected != 0 {
		k.refused(say, "so it runs as it did")
	}
}

// source is who wants the check.
func (k known) source() string {
	switch {
	case k.entry.Check.Default:
		return "the defaults"
	case len(k.entry.Check.Command) > 0:
		return "this box's own checks"
	}
	return k.running()
}

// state says what the last result was, and where it puts the check.
func (k known) state(say func(string, string, ...any), now time.Time) {
	r := k.last
	if r.Start.IsZero() {
		say("state", "it has not run yet")
		return
	}
	text := r.State.String()
	if s := r.Standing; s.Attempt > 0 {
		kind := "soft"
		if s.IsHard() {
			kind = "hard"
		}
		text += fmt.Sprintf(" (%s), attempt %d of %d", kind, s.Attempt, s.Attempts)
		if !s.Since.IsZero() {
			text += fmt.Sprintf(", since %s (%s)", s.Since.Format(time.DateTime), age(now.Sub(s.Since)))
		}
		if s.Flapping {
			text += fmt.Sprintf(", flapping (%.0f %% of its results change)", s.Percent)
		}
	}
	say("state", "%s", text)
	if r.Text != "" {
		say("output", "%s", r.Text)
	}
	for _, p := range r.Problems {
		say("problem", "%s", p)
	}
	text = age(now.Sub(r.Start)) + " ago"
	if r.Duration > 0 { // not of one that the core before this one handed over
		text += fmt.Sprintf(", took %s", r.Duration.Round(time.Millisecond))
	}
	say("last run", "%s", text)
}

// next says when it runs next, and what keeps it from running.
func (k known) next(say func(string, string, ...any), now time.Time) {
	e := k.entry
	switch {
	case e.Running:
		say("now", "it runs, for %s so far", age(now.Sub(e.Began)))
	case e.Capped:
		say("now", "it is due, and waits: as many runs of its program are under way as limit.runs.NAME of the box file allows")
	case e.Queued:
		say("now", "it is due, and waits: as many checks run as may at once (limit.runs)")
	}
	how := "every " + e.Check.Every.String()
	if e.Check.Cron != "" {
		how = "at the times of " + e.Check.Cron
	}
	if e.Check.Retry > 0 {
		how += fmt.Sprintf(", every %s while a problem is soft", e.Check.Retry)
	}
	switch {
	case e.Next.IsZero():
		say("next run", "none is planned: %s", how)
	default:
		say("next run", "in %s; %s", age(e.Next.Sub(now)), how)
	}
	if k.apart > 0 {
		say("shed", "every %s at most for now: the agent and its plugins use the processor time that they may (limit.cpu)", k.apart)
	}
	if e.Shed > 0 {
		say("shed", "%d of its times were passed over for want of processor time since this core started", e.Shed)
	}
	if e.Skipped > 0 {
		say("skipped", "%d of its times passed while it still ran or waited, since this core started", e.Skipped)
	}
}

// absent says why a check does not run here at all.
func (k known) absent(say func(string, string, ...any)) {
	for _, n := range k.notes {
		say("reason", "%s", n)
	}
	switch {
	case k.wanted:
		k.refused(say, "and "+k.running()+" has no check of that name")
	case len(k.notes) > 0:
	case k.turned:
		say("reason", "it is one of the defaults, and %s turns it off (`disable`, or `defaults: false`)", k.running())
	case k.revision == 0:
		say("reason", "the hub has sent this box no checks yet: the defaults run")
	default:
		say("reason", "%s, which the hub made for this box, has no check of that name: no `on` of it means this box, or nobody wrote one", k.running())
	}
	if k.offline {
		say("hub", "there is no session right now: what it wants may have changed since (limpet doctor says why)")
	}
}

// refused says that a newer revision did not pass, and what of it is about this check.
func (k known) refused(say func(string, string, ...any), then string) {
	for _, line := range k.refusal {
		say("rejected", "revision %d: %s", k.rejected, line)
	}
	if !k.wanted {
		then = "and has no check of this name"
	}
	say("rejected", "revision %d was rejected as a whole, %s", k.rejected, then)
}

// running is the revision that runs, in words.
func (k known) running() string {
	if k.revision == 0 {
		return "what runs, the defaults,"
	}
	return fmt.Sprintf("revision %d", k.revision)
}
