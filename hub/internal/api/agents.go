package api

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
	"github.com/limpet-monitoring/limpet/hub/internal/journal"
	"github.com/limpet-monitoring/limpet/hub/internal/trouble"
)

func (a *API) hub(w http.ResponseWriter, r *http.Request, _ identity) error {
	agents, online := a.o.Fleet.Agents(), 0
	for _, agent := range agents {
		if agent.Presence != fleet.Offline {
			online++
		}
	}
	return answer(w, struct {
		Version     string       `json:"version"`
		Started     journal.Time `json:"started"`
		Agents      int          `json:"agents"`
		Online      int          `json:"online"`
		URL         string       `json:"console_url"`
		Development bool         `json:"development"`
	}{a.o.Version, journal.At(a.o.Started), len(agents), online, a.o.URL, a.o.Development})
}

func (a *API) agents(w http.ResponseWriter, r *http.Request, _ identity) error {
	return answer(w, list(a.o.Fleet.Agents()))
}

// list makes no list an empty one.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

// detail is the agent that the path names.
func (a *API) detail(r *http.Request) (fleet.Detail, error) {
	found, err := a.o.Fleet.Find(r.PathValue("agent"))
	if err != nil {
		return fleet.Detail{}, err
	}
	return a.o.Fleet.Agent(found.Fingerprint)
}

func (a *API) agent(w http.ResponseWriter, r *http.Request, _ identity) error {
	d, err := a.detail(r)
	if err != nil {
		return err
	}
	d.Checks = list(d.Checks)
	return answer(w, d)
}

func (a *API) forget(w http.ResponseWriter, r *http.Request, _ identity) error {
	fingerprint := r.PathValue("agent")
	if found, err := a.o.Fleet.Find(fingerprint); err == nil {
		fingerprint = found.Fingerprint
	} else if known, e := a.o.Register.Agent(r.Context(), fingerprint); e != nil || known.Removed.IsZero() { // one that was removed is in no list
		return err
	}
	if err := a.o.Register.Forget(r.Context(), fingerprint); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *API) checks(w http.ResponseWriter, r *http.Request, _ identity) error {
	d, err := a.detail(r)
	if err != nil {
		return err
	}
	return answer(w, list(d.Checks))
}

func (a *API) samples(w http.ResponseWriter, r *http.Request, _ identity) error {
	found, err := a.o.Fleet.Find(r.PathValue("agent"))
	if err != nil {
		return err
	}
	samples, more, err := a.o.Fleet.Samples(found.Fingerprint)
	if err != nil {
		return err
	}
	return answer(w, struct {
		Samples []fleet.Sample `json:"samples"`
		More    bool           `json:"more"`
	}{samples, more})
}

func (a *API) check(w http.ResponseWriter, r *http.Request, _ identity) error {
	found, err := a.o.Fleet.Find(r.PathValue("agent"))
	if err != nil {
		return err
	}
	c, err := a.o.Fleet.Check(r.Context(), found.Fingerprint, r.PathValue("check"))
	if err != nil {
		return err
	}
	return answer(w, c)
}

func (a *API) series(w http.ResponseWriter, r *http.Request, _ identity) error {
	found, err := a.o.Fleet.Find(r.PathValue("agent"))
	if err != nil {
		return err
	}
	back, err := since(r, time.Hour)
	if err != nil {
		return err
	}
	s, err := a.o.Fleet.Series(r.Context(), found.Fingerprint, r.PathValue("check"), a.o.Now().Add(-back))
	if err != nil {
		return err
	}
	s.Labels, s.States = list(s.Labels), list(s.States)
	return answer(w, s)
}

func (a *API) results(w http.ResponseWriter, r *http.Request, _ identity) error {
	found, err := a.o.Fleet.Find(r.PathValue("agent"))
	if err != nil {
		return err
	}
	n, err := limit(r, 100, 1000)
	if err != nil {
		return err
	}
	results, err := a.o.Fleet.Results(r.Context(), found.Fingerprint, r.PathValue("check"), n)
	if err != nil {
		return err
	}
	return answer(w, list(results))
}

// everyResult gives what the bus got of an agent, a line each. The answer has begun by the time that something can go
// wrong: then it is cut off.
func (a *API) everyResult(w http.ResponseWriter, r *http.Request, _ identity) error {
	found, err := a.o.Fleet.Find(r.PathValue("agent"))
	if err != nil {
		return err
	}
	back, err := since(r, time.Hour)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	control, out := http.NewResponseController(w), bufio.NewWriterSize(w, 64<<10)
	err = a.o.Fleet.All(r.Context(), found.Fingerprint, a.o.Now().Add(-back), func(result fleet.Result) error {
		data, err := json.Marshal(result)
		if err != nil { // only values of our own
			panic(err)
		}
		if out.Available() <= len(data) {
			_ = control.SetWriteDeadline(time.Now().Add(writeWithin)) // a reader that is slower counts as gone
		}
		_, err = out.Write(append(data, '\n'))
		return err
	})
	if err != nil {
		panic(http.ErrAbortHandler) // the reader must not take the beginning for the whole
	}
	return out.Flush()
}

func (a *API) problems(w http.ResponseWriter, r *http.Request, _ identity) error {
	all := trouble.List(a.o.Fleet)
	n, err := limit(r, len(all), len(all))
	if err != nil {
		return err
	}
	w.Header().Set("X-Total-Count", strconv.Itoa(len(all)))
	return answer(w, all[:n])
}

func (a *API) log(w http.ResponseWriter, r *http.Request, _ identity) error {
	n, err := limit(r, 200, 1000)
	if err != nil {
		return err
	}
	return answer(w, list(a.o.Fleet.Log(n)))
}
