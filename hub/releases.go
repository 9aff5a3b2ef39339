package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/bus"
	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
	"github.com/limpet-monitoring/limpet/hub/internal/install"
	"github.com/limpet-monitoring/limpet/hub/internal/mirror"
	"github.com/limpet-monitoring/limpet/hub/internal/offer"
	"github.com/limpet-monitoring/limpet/hub/internal/rollout"
)

// releases is everything about the release repository: the files, where they come from, what is held, what is offered.
type releases struct {
	files  *mirror.Mirror
	places *mirror.Places
	holds  *mirror.Holds
	shelf  *offer.Shelf
	fares  *rollout.Rollouts // how they fare; there once the bus is
}

// openReleases opens the folder dir: given by the command line, or the hub's own copy.
func openReleases(data, dir string, given bool, log *slog.Logger) (*releases, error) {
	hint := "the hub's user must be able to write " + data
	copied := ""
	if !given {
		copied = dir
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fault(err, "make the release repository's folder", hint)
		}
	}
	r := &releases{}
	var err error
	if r.files, err = mirror.Open(dir); err != nil {
		return nil, fault(err, "open release repository "+dir, hint)
	}
	if r.holds, err = mirror.OpenHolds(filepath.Join(data, "hold")); err != nil {
		return nil, fault(err, "", hint)
	}
	r.shelf = offer.Open(dir, r.held, log)
	r.places, err = mirror.OpenPlaces(filepath.Join(data, "mirrors.json"), copied, func() {}, log)
	if err != nil {
		return nil, fault(err, "", hint)
	}
	return r, nil
}

// watch opens what is known of how releases fare, before anybody asks what is offered.
func (r *releases) watch(life context.Context, b *bus.Bus, log *slog.Logger) (err error) {
	if r.fares, err = rollout.Open(life, b, log); err != nil {
		return err
	}
	r.holds.With(r.fares.Held)
	return nil
}

// held says why the hub holds a release back, "" when it does not.
func (r *releases) held(version, hash string) string {
	if why := r.fares.Stopped(version); why != "" {
		return "the hub stopped its rollout: " + why
	}
	if r.holds.Has(version, hash) {
		return "held by the hub"
	}
	return ""
}

// run keeps the copy fresh, watches how releases fare and tells of changes until ctx ends.
func (r *releases) run(ctx context.Context, view *fleet.Fleet, look func(context.Context, string) error) {
	changed := view.Recount
	go r.places.Run(ctx)
	r.holds.OnChange(changed)
	go r.fares.Run(ctx, rollout.Watched{Agents: view.Each, Versions: r.shelf.Version, Look: look, Changed: changed})
	news := make(chan struct{}, 1)
	go tellReleases(ctx, news, view, look)
	r.shelf.Run(ctx, changed, func() {
		select {
		case news <- struct{}{}:
		default: // told already, and not heard yet
		}
	})
}

// tellEvery is the time between two agents that are told of a new release: ten thousand come for it over less than a minute.
const tellEvery = 5 * time.Millisecond

// tellReleases has every agent that is connected look for a newer release whenever there is news, until ctx ends. One that cannot be told, or whose word is lost, looks by itself
// within a quarter of an hour.
func tellReleases(ctx context.Context, news <-chan struct{}, view *fleet.Fleet, look func(context.Context, string) error) {
	pace := time.NewTicker(tellEvery)
	defer pace.Stop()
	for {
		select {
		case <-news:
		case <-ctx.Done():
			return
		}
		for _, a := range view.Agents() {
			if a.Presence == fleet.Offline {
				continue
			}
			select {
			case <-pace.C:
			case <-ctx.Done():
				return
			}
			go func() { _ = look(ctx, a.Fingerprint) }() // it ends within seconds
		}
	}
}

// installer answers with the script that puts Limpet on a box.
func (h *hub) installer(w http.ResponseWriter, _ *http.Request) {
	script, err := install.Script(h.site.url, h.releases.shelf.Set())
	if err != nil {
		h.log.Error("installer not made", "err", err)
		http.Error(w, "the installer cannot be made; the hub's log says why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/x-shellscript; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(script)
}

func look(ctx context.Context, c *call) error {
	var all bool
	c.flags.BoolVar(&all, "all", false, "every agent that is connected")
	words := 1
	for _, a := range c.args {
		if a == "--all" || a == "-all" {
			words = 0
		}
	}
	hub, err := c.dial(words)
	if err != nil {
		return err
	}
	if !all {
		if _, err := hub.Do(ctx, "POST", agentPath(c.args[0])+"/look", nil); err != nil {
			return named(c.args[0], err)
		}
		fmt.Fprintln(c.out, c.args[0]+" looks for a newer release now")
		return nil
	}
	data, err := hub.Do(ctx, "POST", "/look", nil)
	if err != nil {
		return err
	}
	var told struct{ Told, Away int }
	if err := json.Unmarshal(data, &told); err != nil {
		return fmt.Errorf("read the hub's answer: %w", err)
	}
	fmt.Fprintf(c.out, "%s told to look, %d not connected\n", count(told.Told, "agent"), told.Away)
	return nil
}

func mirrorAdd(ctx context.Context, c *call) error {
	var root string
	c.flags.StringVar(&root, "root-sha256", "", "SHA-256 of the repository's 1.root.json, where this hub has no root yet")
	hub, err := c.dial(1)
	if err != nil {
		return err
	}
	place := c.args[0]
	if !strings.Contains(place, "://") { // the hub's working folder is another
		if place, err = filepath.Abs(place); err != nil {
			return err
		}
	}
	body, err := json.Marshal(map[string]string{"place": place, "root_sha256": root})
	if err != nil {
		return err
	}
	data, err := hub.Do(ctx, "POST", "/mirrors", body)
	if err != nil {
		return err
	}
	if c.json {
		_, err := c.out.Write(data)
		return err
	}
	var added mirror.Place
	if err := json.Unmarshal(data, &added); err != nil {
		return fmt.Errorf("read the hub's answer: %w", err)
	}
	fmt.Fprintln(c.out, place+" is being mirrored; limpet-hub mirror list says how it goes")
	if added.Root != "" && root == "" {
		fmt.Fprintln(c.out, "its first root is trusted from now on: SHA-256 "+added.Root+"; compare it with the publisher's")
	}
	return nil
}

func mirrorList(ctx context.Context, c *call) error {
	hub, err := c.dial(0)
	if err != nil {
		return err
	}
	var list []mirror.Place
	if done, err := c.fetch(ctx, hub, "/mirrors", &list); done || err != nil {
		return err
	}
	if len(list) == 0 {
		fmt.Fprintln(c.out, "nothing is mirrored; limpet-hub mirror add URL begins")
		return nil
	}
	t := newTable(c.out, "PLACE", "FRESH", "LOOKED", "ERROR")
	for _, p := range list {
		t.row(p.Place, age(p.Fresh.Time), age(p.Looked.Time), p.Error)
	}
	return t.w.Flush()
}

func mirrorRemove(ctx context.Context, c *call) error {
	hub, err := c.dial(1)
	if err != nil {
		return err
	}
	if _, err := hub.Do(ctx, "DELETE", "/mirrors?place="+url.QueryEscape(c.args[0]), nil); err != nil {
		return named(c.args[0], err)
	}
	fmt.Fprintln(c.out, c.args[0]+" is not mirrored any more; what was copied stays")
	return nil
}

func holdRelease(ctx context.Context, c *call) error {
	return c.changeHold(ctx, "PUT", "is held: no box takes it up until limpet-hub unhold")
}

func unholdRelease(ctx context.Context, c *call) error {
	return c.changeHold(ctx, "DELETE", "is not held any more")
}

func (c *call) changeHold(ctx context.Context, method, text string) error {
	hub, err := c.dial(1)
	if err != nil {
		return err
	}
	if _, err := hub.Do(ctx, method, "/holds/"+url.PathEscape(c.args[0]), nil); err != nil {
		return named(c.args[0], err)
	}
	fmt.Fprintln(c.out, c.args[0]+" "+text)
	return nil
}

// offerOf says in a cell what an agent is offered and why it does not run it, "" when it does.
func offerOf(a fleet.Agent) string {
	if a.Offer.Why == "" {
		return ""
	}
	return strings.TrimPrefix(a.Offer.Version+": "+a.Offer.Why, ": ")
}
