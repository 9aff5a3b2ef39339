// Package api is the hub's HTTP interface for people's browsers and for programs, as docs/api.md states it: who may ask, and
// what is answered. It keeps nothing but who is signed in (on the bus, hashed); everything else it asks of the packages that
// own it. Pages are the console's.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/bus"
	"github.com/limpet-monitoring/limpet/hub/internal/desired"
	"github.com/limpet-monitoring/limpet/hub/internal/enrol"
	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
	"github.com/limpet-monitoring/limpet/hub/internal/mirror"
	"github.com/limpet-monitoring/limpet/hub/internal/rollout"
	"github.com/limpet-monitoring/limpet/hub/internal/rpc"
	"github.com/limpet-monitoring/limpet/hub/internal/site"
)

// Caller runs a check at an agent; rpc.Caller does.
type Caller interface {
	Look(ctx context.Context, fingerprint string) error
	RunNow(ctx context.Context, fingerprint, check string, out rpc.Output) (*wire.RunEnd, error)
}

// Options are what New needs. All but Now are required.
type Options struct {
	Version     string
	Started     time.Time
	URL         string // of the console, without a slash at its end
	Development bool
	AdminKey    string
	Bus         *bus.Bus
	Fleet       *fleet.Fleet
	Register    *enrol.Register
	Desired     *desired.Store
	Caller      Caller
	Mirrors     *mirror.Places
	Holds       *mirror.Holds
	Site        site.Place
	Rollouts    *rollout.Rollouts
	Document    func() ([32]byte, error)    // the trust document that new tokens name
	Install     func(token string) []string // the commands for a box
	SignInPage  func(w http.ResponseWriter, status int, problem string)
	Now         func() time.Time // nil = time.Now
	Log         *slog.Logger
}

// API answers under /api/v1, and signs people in.
type API struct {
	o       Options
	guard   *guard
	streams chan struct{} // a place for each event stream that is open
}

// maxStreams bounds the open event streams; each costs a subscription and its queue.
const maxStreams = 256

// New opens who is signed in on the bus.
func New(ctx context.Context, o Options) (*API, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	g, err := openGuard(ctx, o.Bus, o.AdminKey, o.Now)
	if err != nil {
		return nil, err
	}
	return &API{o: o, guard: g, streams: make(chan struct{}, maxStreams)}, nil
}

// Register adds everything but the pages to mux.
func (a *API) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /signin", a.signIn)
	mux.HandleFunc("GET /healthz", a.health)
	for pattern, h := range map[string]handler{
		"GET /hub":                                   a.hub,
		"GET /agents":                                a.agents,
		"GET /agents/{agent}":                        a.agent,
		"DELETE /agents/{agent}":                     a.forget,
		"GET /agents/{agent}/checks":                 a.checks,
		"GET /agents/{agent}/samples":                a.samples,
		"GET /agents/{agent}/checks/{check}":         a.check,
		"GET /agents/{agent}/checks/{check}/series":  a.series,
		"GET /agents/{agent}/checks/{check}/results": a.results,
		"POST /agents/{agent}/checks/{check}/run":    a.run,
		"GET /agents/{agent}/results":                a.everyResult,
		"POST /agents/{agent}/look":                  a.look,
		"POST /look":                                 a.lookAll,
		"GET /mirrors":                               a.mirrors,
		"POST /mirrors":                              a.addMirror,
		"DELETE /mirrors":                            a.removeMirror,
		"GET /holds":                                 a.holds,
		"PUT /holds/{what}":                          a.hold,
		"DELETE /holds/{what}":                       a.unhold,
		"GET /plugins":                               a.plugins,
		"PUT /plugins/{name}":                        a.putPlugin,
		"DELETE /plugins/{name}":                     a.removePlugin,
		"GET /rollouts":                              a.rollouts,
		"PUT /rollouts/limit":                        a.limitRollouts,
		"POST /rollouts/{version}/resume":            a.resumeRollout,
		"GET /problems":                              a.problems,
		"GET /events":                                a.events,
		"GET /log":                                   a.log,
		"GET /desired":                               a.desired,
		"PUT /desired":                               a.apply,
		"GET /tokens":                                a.tokens,
		"POST /tokens":                               a.createToken,
		"DELETE /tokens/{id}":                        a.revokeToken,
		"POST /signin":                               a.createLink,
		"DELETE /session":                            a.signOut,
	} {
		method, path, _ := cutSpace(pattern)
		mux.Handle(method+" /api/v1"+path, a.signedIn(h))
	}
	mux.Handle("/api/v1/", a.signedIn(func(http.ResponseWriter, *http.Request, identity) error {
		return &refusal{http.StatusNotFound, "no such method and path", "docs/api.md lists them", nil}
	}))
}

// handler answers a request of one who is signed in; an error becomes the answer where nothing was written yet.
type handler func(http.ResponseWriter, *http.Request, identity) error

func (a *API) signedIn(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		who, err := a.guard.identify(r)
		if err == nil {
			err = h(w, r, who)
		}
		if err != nil {
			a.refuse(w, r, err)
		}
	})
}

// Page lets signed-in people through to a page and shows the others how to sign in.
func (a *API) Page(page http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := a.guard.identify(r); err != nil {
			status := http.StatusUnauthorized
			if ref, ok := err.(*refusal); ok {
				status = ref.status
			}
			a.o.SignInPage(w, status, "")
			return
		}
		page.ServeHTTP(w, r)
	})
}

func (a *API) health(w http.ResponseWriter, r *http.Request) {
	if err := a.o.Bus.Health(r.Context()); err != nil {
		http.Error(w, "the bus does not answer", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
}

// Headers wraps the whole site: what a browser must not do with any answer of it.
func Headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "+
			"form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}
