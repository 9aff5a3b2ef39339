package api

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/desired"
	"github.com/limpet-monitoring/limpet/hub/internal/enrol"
	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
	"github.com/limpet-monitoring/limpet/hub/internal/rpc"
)

// refusal is an answer that says what was wrong and what to do.
type refusal struct {
	status   int
	message  string
	hint     string
	problems []desired.Problem
}

func (r *refusal) Error() string { return r.message }

// failure is how a refusal looks on the line.
type failure struct {
	Error    string            `json:"error"`
	Hint     string            `json:"hint"`
	Problems []desired.Problem `json:"problems,omitempty"`
}

func (r *refusal) failure() failure { return failure{r.message, r.hint, r.problems} }

// known gives the refusals for what the packages behind the interface say.
func known(err error) *refusal {
	var ref *refusal
	var invalid *desired.Invalid
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &ref):
		return ref
	case errors.As(err, &invalid):
		return &refusal{http.StatusUnprocessableEntity, "the document holds mistakes: " + invalid.Error(), "nothing was applied; correct them and apply again", invalid.Problems}
	case errors.As(err, &tooLarge):
		return &refusal{http.StatusRequestEntityTooLarge, "the request's body is longer than " + strconv.FormatInt(tooLarge.Limit, 10) + " bytes", "send less at once", nil}
	case errors.Is(err, desired.ErrBusy):
		return &refusal{http.StatusConflict, err.Error(), "look at what is applied now, then apply again", nil}
	case errors.Is(err, fleet.ErrUnknownAgent), errors.Is(err, enrol.ErrUnknownAgent):
		return &refusal{http.StatusNotFound, "no such agent", "limpet-hub agents lists them", nil}
	case errors.Is(err, fleet.ErrAmbiguous):
		return &refusal{http.StatusConflict, "more than one agent is called that", "name it by the first characters of its fingerprint", nil}
	case errors.Is(err, fleet.ErrUnknownCheck):
		return &refusal{http.StatusNotFound, "this agent has no such check", "limpet-hub agent show AGENT lists its checks", nil}
	case errors.Is(err, enrol.ErrRequest):
		_, text, _ := strings.Cut(err.Error(), enrol.ErrRequest.Error()+": ")
		return &refusal{http.StatusBadRequest, text, "ask for less, or for more tokens", nil}
	case errors.Is(err, enrol.ErrTokenUnknown):
		return &refusal{http.StatusNotFound, "no such token", "limpet-hub token list lists them", nil}
	case errors.Is(err, rpc.ErrOffline):
		return &refusal{http.StatusConflict, "the agent is not connected", "limpet-hub agents says since when and why", nil}
	case errors.Is(err, rpc.ErrLost):
		return &refusal{http.StatusBadGateway, "the agent's session ended before the run did", "the run may go on; its result comes with the next session", nil}
	default:
		return nil
	}
}

// refuse answers with an error. What is no known refusal is the hub's own trouble, and logged.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, err error) {
	ref := known(err)
	if ref == nil {
		if r.Context().Err() != nil {
			return // whoever asked has gone
		}
		a.o.Log.Error("request not answered", "method", r.Method, "path", r.URL.Path, "err", err)
		ref = &refusal{http.StatusInternalServerError, "the hub could not do this", "its log says why", nil}
	}
	switch ref.status {
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "10")
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="limpet-hub"`)
	}
	writeJSON(w, ref.status, ref.failure())
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	data, err := json.Marshal(value)
	if err != nil { // only values of our own
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n')) // a reader that went away
}

func answer(w http.ResponseWriter, value any) error {
	writeJSON(w, http.StatusOK, value)
	return nil
}

// bodyWithin is how long a body may take to arrive.
const bodyWithin = 30 * time.Second

// body is the request's body, bounded in size and time.
func body(w http.ResponseWriter, r *http.Request, most int64) io.Reader {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyWithin)) // every connection of ours can
	return http.MaxBytesReader(w, r.Body, most)
}

// readJSON reads a small body strictly.
func readJSON(w http.ResponseWriter, r *http.Request, most int64, into any) error {
	dec := json.NewDecoder(body(w, r, most))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return err
		}
		return badRequest("the body is not the JSON that is wanted here: " + strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

func badRequest(message string) error {
	return &refusal{http.StatusBadRequest, message, "docs/api.md says what is wanted", nil}
}

// limit reads the query's limit.
func limit(r *http.Request, otherwise, most int) (int, error) {
	s := r.FormValue("limit")
	if s == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return 0, badRequest("limit is no number above 0")
	}
	return min(n, most), nil
}

// maxSince is further back than any stream reaches.
const maxSince = 366 * 24 * time.Hour

// since reads the query's duration.
func since(r *http.Request, otherwise time.Duration) (time.Duration, error) {
	s := r.FormValue("since")
	if s == "" {
		return otherwise, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 || d > maxSince {
		return 0, badRequest("since is no duration like 90s or 24h")
	}
	return d, nil
}

func cutSpace(s string) (before, after string, found bool) { return strings.Cut(s, " ") }
