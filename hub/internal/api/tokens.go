package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/enrol"
	"github.com/limpet-monitoring/limpet/hub/internal/journal"
)

const maxTokenBody = 4 << 10 // three short fields

func (a *API) tokens(w http.ResponseWriter, r *http.Request, _ identity) error {
	tokens, err := a.o.Register.Tokens(r.Context())
	if err != nil {
		return err
	}
	return answer(w, list(tokens))
}

func (a *API) createToken(w http.ResponseWriter, r *http.Request, _ identity) error {
	var q struct {
		Uses  int    `json:"uses"`
		TTLMS int64  `json:"ttl_ms"`
		Note  string `json:"note"`

		EphemeralMS int64 `json:"ephemeral_ms"`
	}
	if err := readJSON(w, r, maxTokenBody, &q); err != nil {
		return err
	}
	const most = 366 * 24 * time.Hour
	if q.TTLMS < 0 || q.TTLMS > most.Milliseconds() {
		return badRequest("ttl_ms is out of range")
	}
	if q.EphemeralMS < 0 || q.EphemeralMS > most.Milliseconds() {
		return badRequest("ephemeral_ms is out of range")
	}
	document, err := a.o.Document()
	if err != nil {
		return &refusal{http.StatusConflict, "no token can be made: " + err.Error(), "a token names whom a box may trust, and that is not complete yet", nil}
	}
	t, token, err := a.o.Register.CreateToken(r.Context(), document, enrol.Request{
		Uses: q.Uses, TTL: time.Duration(q.TTLMS) * time.Millisecond, Note: q.Note, Ephemeral: time.Duration(q.EphemeralMS) * time.Millisecond,
	})
	if err != nil {
		return err
	}
	return answer(w, struct {
		ID       string       `json:"id"`
		Token    string       `json:"token"`
		Expires  journal.Time `json:"expires"`
		UsesLeft int          `json:"uses_left"`
		Install  string       `json:"install"`

		EphemeralMS int64 `json:"ephemeral_ms,omitempty"`
	}{t.ID, token, t.Expires, t.UsesLeft, strings.Join(a.o.Install(token), "\n"), t.EphemeralMS})
}

func (a *API) revokeToken(w http.ResponseWriter, r *http.Request, _ identity) error {
	if err := a.o.Register.RevokeToken(r.Context(), r.PathValue("id")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
