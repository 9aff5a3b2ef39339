package api

import (
	"fmt"
	"io"
	"net/http"

	"github.com/limpet-monitoring/limpet/hub/internal/desired"
	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
	"github.com/limpet-monitoring/limpet/hub/internal/journal"
)

// Target is what of an agent decides which checks are meant for it.
func Target(a fleet.Agent) desired.Target {
	return desired.Target{Fingerprint: a.Fingerprint, Hostname: a.Hostname, OS: a.OS, Arch: a.Arch, Trust: a.Trust, Tags: a.Tags}
}

func (a *API) desired(w http.ResponseWriter, r *http.Request, _ identity) error {
	d := a.o.Desired.Current()
	return answer(w, struct {
		Revision uint64       `json:"revision"`
		Text     string       `json:"text"`
		Applied  journal.Time `json:"applied"`
		By       string       `json:"by"`
	}{d.Revision, d.Text, journal.At(d.At), d.By})
}

func (a *API) apply(w http.ResponseWriter, r *http.Request, who identity) error {
	text, err := io.ReadAll(body(w, r, desired.MaxText))
	if err != nil {
		return known(err).orBad("the body could not be read: " + err.Error())
	}
	var targets []desired.Target
	for _, agent := range a.o.Fleet.Agents() {
		targets = append(targets, Target(agent))
	}
	var o desired.Outcome
	before := a.o.Desired.Current().Revision
	if dry := r.FormValue("dry-run"); dry != "" && dry != "0" {
		o, err = a.o.Desired.Check(text, targets)
	} else if o, err = a.o.Desired.Apply(r.Context(), text, who.by(), a.o.Now(), targets); err == nil && o.Revision != before {
		a.noteApplied(r, o, who)
	}
	if err != nil {
		return err
	}
	return answer(w, struct {
		Revision uint64   `json:"revision"`
		Agents   int      `json:"agents"`
		Changed  int      `json:"changed"`
		Notes    []string `json:"notes"`
	}{o.Revision, o.Agents, o.Changed, list(o.Notes)})
}

// noteApplied puts it into the log for people; the document is applied already, whatever comes of the note.
func (a *API) noteApplied(r *http.Request, o desired.Outcome, who identity) {
	text := fmt.Sprintf("revision %d applied with %s: %d of %d agents get something new", o.Revision, who.by(), o.Changed, o.Agents)
	if err := journal.Write(r.Context(), a.o.Bus, journal.Event{Kind: journal.Desired, Text: text}); err != nil {
		a.o.Log.Warn("log entry not written", "err", err)
	}
}

// orBad is the refusal, or a bad request where there is none.
func (r *refusal) orBad(message string) error {
	if r == nil {
		return badRequest(message)
	}
	return r
}
