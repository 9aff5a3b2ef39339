package agent

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/catalog"
	"github.com/limpet-monitoring/limpet/core/internal/session"
	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/platforms/boxfile"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

const (
	bringSiteWithin = time.Minute      // before a document is judged with what is here
	siteEvery       = 6 * time.Hour    // a timestamp lives a week
	siteAgain       = 10 * time.Second // after a try that failed, doubled each time
	siteAgainMost   = 5 * time.Minute
	soonEnough      = time.Minute // a check that runs as often needs no run of its own when its plugin comes
)

// siteState is how the site's metadata stands, for other goroutines than those that bring it.
type siteState struct {
	needed atomic.Bool           // something that runs, or should, needs what the site signed
	waits  atomic.Bool           // a document is rejected that what comes may save
	failed atomic.Pointer[error] // of the last try, nil = it worked
	tried  atomic.Int64          // Unix ns of the last try, 0 = none yet
	wake   chan struct{}         // holds one: one of these changed, or the line is there
}

// problem is why the site's metadata could not be brought up to date; "" = it could, or there is no line to the hub, which is told elsewhere.
func (s *siteState) problem() string {
	if failed := s.failed.Load(); failed != nil && s.needed.Load() && !errors.Is(*failed, session.ErrAway) {
		return strings.ReplaceAll((*failed).Error(), "\n", "; ")
	}
	return ""
}

func (a *agent) openCatalog() {
	a.site.wake = make(chan struct{}, 1)
	a.catalog = catalog.New(catalog.Options{
		Disk: fsys.Disk{}, Trust: a.o.Layout.TrustSite(), Dir: a.o.Layout.Catalog(), Platform: runtime.GOOS + "-" + runtime.GOARCH,
		Root: a.id.SiteRoot,
		Get: func(ctx context.Context, name string, offset int64) (catalog.Piece, error) {
			p, err := a.session.Get(ctx, name, offset)
			return catalog.Piece{Data: p.GetData(), Size: p.GetSize(), Missing: p.GetMissing()}, err
		},
		Changed: func() { a.request(a.siteChanged) },
		Came:    func(p catalog.Plugin) { a.request(func(ctx context.Context) { a.came(ctx, p) }) },
		Log:     a.log,
	})
}

// request has the loop do something, unless it has ended. The loop itself must not call it.
func (a *agent) request(f func(context.Context)) {
	select {
	case a.requests <- f:
	case <-a.ended:
	}
}

// lineChanged is the session's hook.
func (a *agent) lineChanged(s session.Status) {
	poke(a.news)
	if s.State == session.Connected {
		a.catalog.Again()
		poke(a.site.wake)
	}
}

// bringSite brings what the site signed up to what a document was made with. What fails is told where the document does not pass.
func (a *agent) bringSite(doc *wire.Desired) {
	if doc.GetSite() == 0 {
		return
	}
	v := a.catalog.View()
	for _, c := range doc.GetChecks() {
		if hash := fmt.Sprintf("%x", c.GetPluginHash()); hash != "" && v.Listed(c.GetPlugin(), hash) != nil {
			v = &catalog.View{}
			break
		}
	}
	if v.Version >= doc.GetSite() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), bringSiteWithin)
	defer cancel()
	a.refreshSite(ctx)
}

// refreshSite brings the site's metadata up to date.
func (a *agent) refreshSite(ctx context.Context) {
	now := time.Now()
	if passed := a.passed(); passed.After(now) {
		now = passed
	}
	_, err := a.catalog.Refresh(ctx, now)
	a.site.tried.Store(time.Now().UnixNano())
	if err == nil {
		a.site.failed.Store(nil)
		return
	}
	before := a.site.failed.Swap(&err)
	if before == nil || (*before).Error() != err.Error() {
		a.log.Warn("site", "err", err)
	}
}

// followSite keeps the site's metadata fresh as long as something needs it, and tries again what failed. At rest it sleeps until it is woken.
func (a *agent) followSite(ctx context.Context) error {
	timer := time.NewTimer(siteAgain)
	defer timer.Stop()
	wait := siteAgain
	for {
		select {
		case <-timer.C:
		case <-a.site.wake:
		case <-ctx.Done():
			return nil
		}
		behind := a.site.failed.Load() != nil || a.site.waits.Load()
		due := time.Unix(0, a.site.tried.Load()).Add(siteEvery)
		if behind {
			due = time.Unix(0, a.site.tried.Load()).Add(wait)
		} else {
			wait = siteAgain
		}
		switch {
		case !a.active.Load() || !a.site.needed.Load() || a.session.Status().State != session.Connected:
			timer.Reset(siteEvery) // woken when that changes
			continue
		case time.Until(due) > 0:
			timer.Reset(time.Until(due))
			continue
		}
		a.refreshSite(ctx)
		if behind {
			wait = min(2*wait, siteAgainMost)
		}
		timer.Reset(siteAgain)
	}
}

// siteChanged judges anew what was rejected, and what runs, by what the site signs now.
func (a *agent) siteChanged(ctx context.Context) {
	if !a.active.Load() {
		return
	}
	if a.pending != nil {
		if report := a.decide(ctx, a.pending); report.Accepted {
			a.session.Report(report)
			return
		}
	}
	if err := a.goOn(ctx); err != nil {
		a.log.Error("judge anew what runs", "err", err)
	}
}

// want tells the catalog which plugins what runs, and what waits, names.
func (a *agent) want() {
	if !a.active.Load() && a.o.Standby != "" {
		return // the core that schedules says what is wanted
	}
	var all []catalog.Plugin
	add := func(name, hash string) {
		if p := (catalog.Plugin{Hash: hash, Name: name}); hash != "" && !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	for _, c := range a.set.Checks {
		add(c.Plugin, c.Hash)
	}
	for _, c := range a.pending.GetChecks() {
		if c, err := wire.ToCheck(c); err == nil {
			add(c.Plugin, c.Hash)
		}
	}
	for p := range a.asked {
		add(p.Name, p.Hash)
	}
	a.site.needed.Store(len(all) > 0 || a.box.Trust == boxfile.TrustSigned || a.pending.GetSite() > 0)
	a.site.waits.Store(a.pending.GetSite() > 0)
	a.catalog.Want(all)
	poke(a.site.wake)
}

// came runs at once the checks that waited for a plugin and would wait for long, one after the other.
func (a *agent) came(ctx context.Context, p catalog.Plugin) {
	a.show()
	if x := a.asked[p]; x != nil {
		x.came()
	}
	var late []string
	for _, c := range a.set.Checks {
		if c.Plugin == p.Name && c.Hash == p.Hash && (c.Cron != "" || c.Every > soonEnough) && a.board.is(c.Name, check.Unknown) {
			late = append(late, c.Name)
		}
	}
	go func() {
		for _, name := range late {
			if _, _, err := a.plan.RunNow(ctx, name, func(bool, []byte) {}); err != nil {
				a.log.Warn("not run when its plugin came", "check", name, "err", err)
			}
		}
	}()
}

// siteNotes are what the owner should know of the site's signatures.
func (a *agent) siteNotes() []string {
	if !a.site.needed.Load() {
		return nil
	}
	var notes []string
	for _, w := range a.catalog.View().Warnings(time.Now()) {
		notes = append(notes, "what the site's owner signed: "+w.String()+"; what runs goes on, nothing new is taken once it has expired")
	}
	return notes
}
