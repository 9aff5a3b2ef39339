package api

import (
	"errors"
	"net/http"

	"github.com/limpet-monitoring/limpet/hub/internal/bus"
	"github.com/limpet-monitoring/limpet/hub/internal/rollout"
)

const maxLimitBody = 1 << 10

func (a *API) rollouts(w http.ResponseWriter, _ *http.Request, _ identity) error {
	return answer(w, struct {
		Limit    rollout.Limit     `json:"limit"`
		Rollouts []rollout.Rollout `json:"rollouts"`
	}{a.o.Rollouts.Limit(), a.o.Rollouts.List()})
}

// limitRollouts changes what the body names.
func (a *API) limitRollouts(w http.ResponseWriter, r *http.Request, _ identity) error {
	limit := a.o.Rollouts.Limit()
	if err := readJSON(w, r, maxLimitBody, &limit); err != nil {
		return err
	}
	err := a.o.Rollouts.SetLimit(r.Context(), limit)
	if errors.Is(err, rollout.ErrLimit) {
		return &refusal{http.StatusUnprocessableEntity, err.Error(), "such as {\"percent\": 5, \"hosts\": 3}; a percent of 0 stops none", nil}
	}
	if err != nil {
		return err
	}
	return answer(w, limit)
}

func (a *API) resumeRollout(w http.ResponseWriter, r *http.Request, _ identity) error {
	err := a.o.Rollouts.Resume(r.Context(), r.PathValue("version"))
	switch {
	case errors.Is(err, rollout.ErrNotStopped):
		return &refusal{http.StatusNotFound, "this rollout is not stopped", "limpet-hub rollout list says which are; limpet-hub unhold ends a hold", nil}
	case errors.Is(err, bus.ErrConflict):
		return &refusal{http.StatusConflict, "somebody else changed it at the same moment", "look at limpet-hub rollout list, and ask again", nil}
	case err != nil:
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
