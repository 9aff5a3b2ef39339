package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
	"github.com/limpet-monitoring/limpet/hub/internal/journal"
)

// Times of an event stream.
const (
	keepOpen    = 15 * time.Second // between comment lines, so that nothing in between thinks the line dead
	writeWithin = 10 * time.Second // a reader that takes longer is disconnected
	retryAfter  = 2 * time.Second  // what a browser waits before it connects again
)

// events streams changes until the reader goes, is too slow, or the hub stops.
func (a *API) events(w http.ResponseWriter, r *http.Request, _ identity) error {
	if err := noBody(r); err != nil {
		return err
	}
	wanted, err := a.selection(r)
	if err != nil {
		return err
	}
	select {
	case a.streams <- struct{}{}:
		defer func() { <-a.streams }()
	default:
		return &refusal{http.StatusServiceUnavailable, "too many event streams are open", "close some of the console's windows", nil}
	}
	sub := a.o.Fleet.Subscribe()
	defer sub.Close()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	s := stream{w: w, control: http.NewResponseController(w)}
	hello := struct {
		Time journal.Time `json:"time"`
	}{journal.At(a.o.Now())}
	if s.raw(fmt.Sprintf("retry: %d\n", retryAfter.Milliseconds())) != nil || s.event("hello", hello) != nil {
		return nil
	}
	tick := time.NewTicker(keepOpen)
	defer tick.Stop()
	for {
		select {
		case c, open := <-sub.C():
			if !open {
				return nil
			}
			if wanted.has(c) && s.change(c) != nil {
				return nil
			}
		case <-tick.C:
			if s.raw(": still here\n\n") != nil {
				return nil
			}
		case <-r.Context().Done():
			return nil
		}
	}
}

// allKinds are what a reader may name; with "none" alone it only learns whether the hub is there.
var allKinds = []string{fleet.AgentChanged, fleet.AgentGone, fleet.CheckChanged, fleet.Logged, "none"}

// selection says which changes a reader wants to hear of.
type selection struct {
	kinds       []string // nil = all
	fingerprint string   // "" = every agent
}

func (a *API) selection(r *http.Request) (selection, error) {
	var s selection
	query := r.URL.Query()
	if kinds := query.Get("kinds"); kinds != "" {
		s.kinds = strings.Split(kinds, ",")
	}
	for _, k := range s.kinds {
		if !slices.Contains(allKinds, k) {
			return s, badRequest(fmt.Sprintf("there is no event %.20q; known are %s", k, strings.Join(allKinds, ", ")))
		}
	}
	if name := query.Get("agent"); name != "" {
		found, err := a.o.Fleet.Find(name)
		if err != nil {
			return s, err
		}
		s.fingerprint = found.Fingerprint
	}
	return s, nil
}

func (s selection) has(c fleet.Change) bool {
	return (s.kinds == nil || slices.Contains(s.kinds, c.Kind)) && (s.fingerprint == "" || s.fingerprint == about(c))
}

// about is the agent a change is about, or "".
func about(c fleet.Change) string {
	switch {
	case c.Agent != nil:
		return c.Agent.Fingerprint
	case c.Event != nil:
		return c.Event.Fingerprint
	default:
		return c.Fingerprint
	}
}

// stream writes server-sent events.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (s stream) change(c fleet.Change) error {
	switch c.Kind {
	case fleet.AgentChanged:
		return s.event(c.Kind, c.Agent)
	case fleet.CheckChanged:
		return s.event(c.Kind, struct {
			Fingerprint string             `json:"fingerprint"`
			Check       *fleet.CheckStatus `json:"check"`
		}{c.Fingerprint, c.Check})
	case fleet.Logged:
		return s.event(c.Kind, c.Event)
	default:
		return s.event(c.Kind, struct {
			Fingerprint string `json:"fingerprint"`
		}{c.Fingerprint})
	}
}

func (s stream) event(kind string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode event %s: %w", kind, err)
	}
	return s.raw("event: " + kind + "\ndata: " + string(data) + "\n\n")
}

func (s stream) raw(text string) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return fmt.Errorf("set write deadline: %w", err)
	}
	if _, err := s.w.Write([]byte(text)); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	return s.control.Flush()
}
