package api

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"

	"github.com/limpet-monitoring/limpet/hub/internal/journal"
	"github.com/limpet-monitoring/limpet/hub/internal/site"
)

func (a *API) plugins(w http.ResponseWriter, _ *http.Request, _ identity) error {
	v, err := a.o.Site.Read()
	if err != nil {
		return err
	}
	return answer(w, list(v.Plugins))
}

// putPlugin takes a plugin's file into the catalog, in the place of one of that name.
func (a *API) putPlugin(w http.ResponseWriter, r *http.Request, who identity) error {
	data, err := io.ReadAll(body(w, r, site.MaxPlugin))
	if err != nil {
		return known(err).orBad("the body could not be read: " + err.Error())
	}
	name, platform := r.PathValue("name"), r.FormValue("platform")
	changed, err := a.o.Site.AddPlugin(name, platform, data, a.o.Now())
	if err != nil {
		return pluginFault(err)
	}
	if changed {
		a.seeSite()
		a.notePlugin(r, fmt.Sprintf("plugin %s put into the catalog with %s (%d bytes)", name, who.by(), len(data)))
	}
	return answer(w, struct {
		Changed bool `json:"changed"`
	}{changed})
}

func (a *API) removePlugin(w http.ResponseWriter, r *http.Request, who identity) error {
	if err := a.o.Site.RemovePlugin(r.PathValue("name"), r.FormValue("platform"), a.o.Now()); err != nil {
		return pluginFault(err)
	}
	a.seeSite()
	a.notePlugin(r, fmt.Sprintf("plugin %s taken out of the catalog with %s", r.PathValue("name"), who.by()))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// seeSite has what is applied next count on the catalog as it is now. Without it a document that follows at once is compiled, and rejected by
// agents, as if the plugin were not there, until the hub looks at the repository by itself.
func (a *API) seeSite() {
	v, err := a.o.Site.Read()
	if err != nil {
		a.o.Log.Warn("catalog not read again", "err", err)
		return
	}
	a.o.Desired.SetSite(v)
}

// pluginFault says what a person can do.
func pluginFault(err error) error {
	switch {
	case errors.Is(err, site.ErrOffline):
		return &refusal{http.StatusConflict, "people sign what the catalog holds, and the hub cannot", "on the hub's machine: limpet-hub site sign --data DIR --plugin FILE (or --remove-plugin NAME)", nil}
	case errors.Is(err, site.ErrBusy):
		return &refusal{http.StatusConflict, err.Error(), "it takes a moment", nil}
	case errors.Is(err, fs.ErrNotExist):
		return &refusal{http.StatusNotFound, "the catalog has no such plugin", "limpet-hub plugin list shows what it has", nil}
	}
	return badRequest(err.Error())
}

func (a *API) notePlugin(r *http.Request, text string) {
	if err := journal.Write(r.Context(), a.o.Bus, journal.Event{Kind: journal.Desired, Text: text}); err != nil {
		a.o.Log.Warn("log entry not written", "err", err)
	}
}
