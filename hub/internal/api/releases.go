package api

import (
	"errors"
	"io/fs"
	"net/http"
	"sync"

	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
	"github.com/limpet-monitoring/limpet/hub/internal/mirror"
	"github.com/limpet-monitoring/limpet/hub/internal/rpc"
)

const (
	maxMirrorBody = 4 << 10 // an address and a hash
	looksAtOnce   = 64      // agents told to look side by side
)

func (a *API) look(w http.ResponseWriter, r *http.Request, _ identity) error {
	found, err := a.o.Fleet.Find(r.PathValue("agent"))
	if err != nil {
		return err
	}
	if err := a.o.Caller.Look(r.Context(), found.Fingerprint); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// lookAll tells every agent that is connected.
func (a *API) lookAll(w http.ResponseWriter, r *http.Request, _ identity) error {
	var told struct {
		Told int `json:"told"`
		Away int `json:"away"`
	}
	var mu sync.Mutex // guards told and failed
	var failed error
	var all sync.WaitGroup
	slots := make(chan struct{}, looksAtOnce)
	for _, agent := range a.o.Fleet.Agents() {
		if agent.Presence == fleet.Offline {
			told.Away++
			continue
		}
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			err := a.o.Caller.Look(r.Context(), agent.Fingerprint)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				told.Told++
			case errors.Is(err, rpc.ErrOffline), errors.Is(err, rpc.ErrLost):
				told.Away++
			default:
				failed = err
			}
		})
	}
	all.Wait()
	if failed != nil {
		return failed
	}
	return answer(w, told)
}

func (a *API) mirrors(w http.ResponseWriter, _ *http.Request, _ identity) error {
	return answer(w, a.o.Mirrors.List())
}

func (a *API) addMirror(w http.ResponseWriter, r *http.Request, _ identity) error {
	var q struct {
		Place string `json:"place"`
		Root  string `json:"root_sha256"`
	}
	if err := readJSON(w, r, maxMirrorBody, &q); err != nil {
		return err
	}
	added, err := a.o.Mirrors.Add(r.Context(), q.Place, q.Root)
	if err != nil {
		return mirrorRefusal(err)
	}
	return answer(w, added)
}

func (a *API) removeMirror(w http.ResponseWriter, r *http.Request, _ identity) error {
	if err := a.o.Mirrors.Remove(r.FormValue("place")); err != nil {
		return mirrorRefusal(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func mirrorRefusal(err error) error {
	switch {
	case errors.Is(err, mirror.ErrFixed):
		return &refusal{http.StatusBadRequest, err.Error(), "start the hub without --release, then it copies what it is told to", nil}
	case errors.Is(err, mirror.ErrUnknown):
		return &refusal{http.StatusNotFound, "this place is not mirrored", "limpet-hub mirror list lists them", nil}
	case errors.Is(err, mirror.ErrPlace):
		return &refusal{http.StatusUnprocessableEntity, err.Error(), "give the address of a release repository, or a folder on the hub's machine", nil}
	}
	return err
}

func (a *API) holds(w http.ResponseWriter, _ *http.Request, _ identity) error {
	return answer(w, a.o.Holds.List())
}

func (a *API) hold(w http.ResponseWriter, r *http.Request, _ identity) error {
	if err := a.o.Holds.Hold(r.PathValue("what")); err != nil {
		return holdRefusal(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *API) unhold(w http.ResponseWriter, r *http.Request, _ identity) error {
	if err := a.o.Holds.Unhold(r.PathValue("what")); err != nil {
		return holdRefusal(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func holdRefusal(err error) error {
	switch {
	case errors.Is(err, mirror.ErrNoHold):
		return &refusal{http.StatusUnprocessableEntity, err.Error(), "name a release by its version, or by the hash of its core", nil}
	case errors.Is(err, fs.ErrNotExist):
		return &refusal{http.StatusNotFound, "this release is not held", "GET /api/v1/holds lists what is", nil}
	}
	return err
}
