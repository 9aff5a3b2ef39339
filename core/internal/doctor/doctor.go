// Package doctor examines everything between this box and a healthy session: the box file, folders, disk, mounts, SELinux, the service, identity and token, the
// clock, the resolver, the proxy, TLS, and the hub itself. It changes nothing, needs no running core, and tells for each fault what to do.
// `limpet doctor` is its only user.
//
// What depends on something that is broken is skipped and says so: the first problem is the one to mend.
package doctor

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/boxfile"
)

// Verdicts of a finding.
const (
	OK      = "ok"
	Warning = "warning" // worth knowing; nothing stands still for it
	Problem = "problem"
	Skipped = "skipped" // rests on something that is a problem
)

// Finding is one thing that was looked at.
type Finding struct {
	What    string `json:"what"` // "box file", "disk", "time", ...
	Verdict string `json:"verdict"`
	Text    string `json:"text"`
	Do      string `json:"do"` // what to do, "" where there is nothing
}

// Report is all of them, in the order in which a session rests on them.
type Report struct {
	Healthy  bool      `json:"healthy"` // no problem was found
	Findings []Finding `json:"findings"`
}

// Options say which box.
type Options struct {
	Layout platforms.Layout
	Built  time.Time // of this program: surely past; zero = not known
	Token  string    // from the environment, "" = only the file
	System string    // where the system's own files lie, "" = "/": for another root, and for tests
	Now    func() time.Time
}

// patient is one examination under way.
type patient struct {
	o      Options
	box    boxfile.Box
	report Report
	past   time.Time // what is surely past: by this program's making, and by what the stub has proof of; zero = not known
	clock  bool      // the clock is wrong enough to be the cause of what follows
}

// Examine looks at everything. It takes at most about half a minute, less when ctx ends.
func Examine(ctx context.Context, o Options) Report {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.System == "" {
		o.System = "/"
	}
	p := &patient{o: o, past: o.Built}
	p.boxFile()
	p.folders()
	p.disk()
	p.mounts()
	p.security()
	p.service(ctx)
	p.time()
	identity := p.identity()
	p.lines(ctx, identity)
	p.report.Healthy = true
	for _, f := range p.report.Findings {
		p.report.Healthy = p.report.Healthy && f.Verdict != Problem
	}
	return p.report
}

func (p *patient) find(what, verdict, do, format string, args ...any) {
	p.report.Findings = append(p.report.Findings, Finding{What: what, Verdict: verdict, Text: fmt.Sprintf(format, args...), Do: do})
}

func (p *patient) good(what, format string, args ...any) { p.find(what, OK, "", format, args...) }
func (p *patient) bad(what, do, format string, args ...any) {
	p.find(what, Problem, do, format, args...)
}
func (p *patient) warn(what, do, format string, args ...any) {
	p.find(what, Warning, do, format, args...)
}
func (p *patient) skip(what, format string, args ...any) { p.find(what, Skipped, "", format, args...) }

// Print writes the report for a person: of what others said nothing that would move a terminal.
func (r Report) Print(w io.Writer) {
	width := 0
	for _, f := range r.Findings {
		width = max(width, len(f.What))
	}
	problems, warnings := 0, 0
	for _, f := range r.Findings {
		switch f.Verdict {
		case Problem:
			problems++
		case Warning:
			warnings++
		}
		fmt.Fprintf(w, "%-8s %-*s  %s\n", strings.ToUpper(f.Verdict), width, f.What, check.Shown(f.Text))
		if f.Do != "" {
			fmt.Fprintf(w, "%8s %-*s  → %s\n", "", width, "", check.Shown(f.Do))
		}
	}
	switch {
	case problems > 0:
		fmt.Fprintf(w, "\n%d of %d are problems; begin with the first one.\n", problems, len(r.Findings))
	case warnings > 0:
		fmt.Fprintf(w, "\nNothing stands between this box and its hub; %d warnings.\n", warnings)
	default:
		fmt.Fprintf(w, "\nNothing stands between this box and its hub.\n")
	}
}
