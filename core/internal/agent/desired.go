package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin"
	"github.com/limpet-monitoring/limpet/core/internal/config"
	"github.com/limpet-monitoring/limpet/core/internal/imported"
	"github.com/limpet-monitoring/limpet/core/internal/plugin"
	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/platforms/boxfile"
)

// builtins is the registry as the gate asks it.
type builtins struct{ *builtin.Registry }

func (builtins) Defaults() []check.Check                  { return builtin.Defaults() }
func (b builtins) Valid(name string, args []string) error { return b.Check(name, args) }

// readBox reads the owner's word. A line that is wrong is left out and shown; a file that cannot be read leaves the former word standing.
func (a *agent) readBox() {
	box, problems, err := boxfile.Read(a.o.Layout.BoxFile())
	a.boxLines = nil
	if err != nil {
		a.boxLines = []string{err.Error() + "; what it said before still holds"}
		a.log.Error("box file not read", "err", err)
		return
	}
	for _, p := range problems {
		a.boxLines = append(a.boxLines, fmt.Sprintf("%s %s", a.o.Layout.BoxFile(), p))
		a.log.Warn("box file", "line", p.Line, "problem", p.Text)
	}
	a.box = box
	a.boxNow.Store(&box)
	a.usePlugins()
}

// usePlugins has plugins run as the box file says.
func (a *agent) usePlugins() {
	r := RunnerOf(a.box)
	r.Dirs, r.Slots, r.Known, r.Catalog = a.dirs(), a.slots, &plugin.Known{}, a.catalog.Program
	r.Spent = &a.runs.spent
	a.runs.plugins.Store(&r)
}

// RunnerOf is how plugins run on a box, without slots and catalog.
func RunnerOf(b boxfile.Box) plugin.Runner {
	return plugin.Runner{Dirs: b.PluginDirs, Output: b.Limit.OutputBytes, RunAs: b.RunAs, Nice: b.Nice, Rlimits: rlimits(b.Limit.Run), Macros: b.Macros}
}

func (a *agent) dirs() []string {
	if len(a.box.PluginDirs) > 0 {
		return a.box.PluginDirs
	}
	return plugin.DefaultDirs()
}

func (a *agent) rules(site config.Site) config.Rules {
	own, problems := imported.Checks(a.o.Layout.Imported())
	for _, err := range problems {
		a.log.Error("checks of the box's own", "err", err)
	}
	return config.Rules{
		Own: own,
		Box: config.Box{Trust: config.Trust(a.box.Trust.String()), PluginDirs: a.box.PluginDirs, AllowArgs: a.box.AllowArgs, Never: a.box.Never,
			Collectors: a.box.Collectors, Inputs: a.box.Inputs, AllowRunAs: a.box.AllowRunAs, RunsAs: len(a.box.RunAs) > 0, Macros: a.box.Macros},
		Builtins: builtins{a.builtin},
		Plugins: func(name string) error {
			_, err := plugin.Find(a.dirs(), name)
			return err
		},
		Site: site,
	}
}

// restore runs the last known good document, else the defaults.
func (a *agent) restore(ctx context.Context) error {
	a.catalog.Load() // the core before this one may have brought it up to date
	return a.goOn(ctx)
}

// goOn runs the last known good document as far as everything that has a say today lets it.
func (a *agent) goOn(ctx context.Context) error {
	doc, err := a.store.Load()
	if err != nil {
		a.log.Error("last known good not read; the defaults run until the hub sends it again", "err", err)
	}
	set, problems := config.Take(doc, a.rules(a.catalog.Kept()))
	if len(problems) > 0 {
		a.log.Warn("last known good does not pass any more", "problems", strings.Join(problems, "; "))
		a.rejected, a.pending = &wire.RevisionReport{Revision: doc.GetRevision(), Problems: problems}, doc
		if a.ran && a.active.Load() { // else the hub hears it with the session that begins
			a.session.Report(a.rejected)
		}
		set, problems = config.Take(nil, a.rules(nil))
	}
	if len(problems) > 0 {
		return fmt.Errorf("default checks: %s", strings.Join(problems, "; "))
	}
	return a.run(ctx, set)
}

// run makes a set the running one.
func (a *agent) run(ctx context.Context, set config.Set) error {
	if err := a.plan.Set(ctx, set.Checks); err != nil {
		return err
	}
	if a.ran {
		a.board.touch(config.Diff(a.set, set))
	}
	a.set, a.ran = set, true
	a.board.keep(set.Checks)
	poke(a.changed)
	a.want()
	a.show()
	a.refreshFacts()
	a.keepCollectors()
	return nil
}

// take is the session's hook for a new document: the loop decides, the hub hears. A core that does not schedule decides nothing: the document is
// the other core's, and comes again once this one is active.
func (a *agent) take(doc *wire.Desired) *wire.RevisionReport {
	if !a.active.Load() {
		return nil
	}
	a.bringSite(doc)
	answer := make(chan *wire.RevisionReport, 1)
	select {
	case a.requests <- func(ctx context.Context) { answer <- a.decide(ctx, doc) }:
		return <-answer
	case <-a.ended:
		return &wire.RevisionReport{Revision: doc.Revision, Problems: []string{"the agent is stopping; send it again"}}
	}
}

// decide takes a document whole or not at all; what was taken is the last known good from then on.
func (a *agent) decide(ctx context.Context, doc *wire.Desired) *wire.RevisionReport {
	report := &wire.RevisionReport{Revision: doc.Revision}
	set, problems := config.Take(doc, a.rules(a.catalog.View()))
	if problem := a.site.problem(); len(problems) > 0 && doc.GetSite() > 0 && problem != "" {
		problems = append(problems, problem)
	}
	if len(problems) == 0 {
		a.pending = nil
		if err := a.run(ctx, set); err != nil {
			problems = []string{err.Error()}
		}
	}
	if len(problems) > 0 {
		report.Problems = problems
		a.rejected, a.pending = report, doc
		a.want()
		a.log.Warn("revision rejected", "revision", doc.Revision, "problems", strings.Join(problems, "; "))
		a.show()
		return report
	}
	a.rejected, a.pending, a.unsaved = nil, nil, ""
	if err := a.store.Save(doc); err != nil {
		a.unsaved = fmt.Sprintf("revision %d runs but could not be kept on disk: %s", doc.Revision, err)
		a.log.Error("revision not kept", "revision", doc.Revision, "err", err)
	}
	a.tookFrom()
	report.Accepted, report.Problems = true, set.Notes
	a.log.Info("revision taken", "revision", doc.Revision, "checks", len(set.Checks))
	a.show()
	return report
}

// saveAgain has the disk take what it did not take before: what runs is the last known good at the next start, too.
func (a *agent) saveAgain() {
	if a.unsaved == "" || a.store.Again() != nil {
		return
	}
	a.unsaved = ""
	a.log.Info("revision kept", "revision", a.set.Revision)
	a.show()
}

// reload reads the box file again and puts the running document through its gate once more.
func (a *agent) reload(ctx context.Context) {
	a.readBox()
	if a.judgeAgain(ctx) {
		a.session.Again()
		return
	}
	if err := a.restore(ctx); err != nil {
		a.log.Error("reload", "err", err)
	}
	a.refreshFacts()
	a.session.Again()
}

// judgeAgain puts a revision that was rejected through the gate once more, tells the hub, and says whether it runs now.
func (a *agent) judgeAgain(ctx context.Context) bool {
	if a.pending == nil || !a.active.Load() {
		return false
	}
	report := a.decide(ctx, a.pending)
	a.session.Report(report)
	return report.Accepted
}

// answerReload is reload on the word of a command on this box; it answers when that is done.
func (a *agent) answerReload(ctx context.Context) ([]byte, error) {
	done := make(chan struct{})
	select {
	case a.requests <- func(ctx context.Context) { a.reload(ctx); close(done) }:
		<-done
		return []byte("reloaded\n"), nil
	case <-a.ended:
		return nil, errors.New("the agent is stopping")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// show publishes what the status tells of the set.
func (a *agent) show() {
	v := &view{revision: a.set.Revision, trust: a.box.Trust.String(), notes: append(a.siteNotes(), a.set.Notes...)}
	v.problems = append(v.problems, a.boxLines...)
	v.problems = append(v.problems, a.notHeld()...)
	if a.unsaved != "" {
		v.problems = append(v.problems, a.unsaved)
	}
	if a.lowDisk != "" {
		v.problems = append(v.problems, a.lowDisk)
	}
	if a.shed.level > 0 {
		v.problems = append(v.problems, a.shed.text())
	}
	if a.late.on {
		v.problems = append(v.problems, a.late.text())
	}
	if a.rejected != nil {
		for _, p := range a.rejected.Problems {
			v.problems = append(v.problems, fmt.Sprintf("revision %d was rejected: %s", a.rejected.Revision, p))
		}
	}
	a.view.Store(v)
}

func sameFacts(x, y *wire.Facts) bool { return wire.Equal(x, y) }

// cloneFacts is a copy to which more can be put: as long as the stub has said nothing there is nothing more.
func cloneFacts(f *wire.Facts) *wire.Facts {
	c := wire.Clone(f)
	if c.More == nil {
		c.More = map[string]string{}
	}
	return c
}
