package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/api"
	"github.com/limpet-monitoring/limpet/hub/internal/authority"
	"github.com/limpet-monitoring/limpet/hub/internal/bus"
	"github.com/limpet-monitoring/limpet/hub/internal/console"
	"github.com/limpet-monitoring/limpet/hub/internal/desired"
	"github.com/limpet-monitoring/limpet/hub/internal/enrol"
	"github.com/limpet-monitoring/limpet/hub/internal/ephemeral"
	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
	"github.com/limpet-monitoring/limpet/hub/internal/gateway"
	"github.com/limpet-monitoring/limpet/hub/internal/presence"
	"github.com/limpet-monitoring/limpet/hub/internal/rpc"
	"github.com/limpet-monitoring/limpet/hub/internal/site"
	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/updater/dial"
)

// Limits of the one listener. Bodies and streams have their own in api and gateway.
const (
	headerWithin = 10 * time.Second
	maxHeader    = 32 << 10
	idleFor      = 2 * time.Minute
	stopWithin   = 8 * time.Second // to say goodbye to agents and finish answers
)

// names is a flag that may be given several times.
type names []string

func (n *names) String() string     { return strings.Join(*n, ",") }
func (n *names) Set(s string) error { *n = append(*n, s); return nil }

// reservedThreads is what may wait in the kernel at once, for disks mostly (docs/decisions/121-reserved-threads.md).
const reservedThreads = 32

// serveOptions are what the command line says.
type serveOptions struct {
	data, listen, release, cert, key string
	names                            names
}

func serve(ctx context.Context, c *call) error {
	var o serveOptions
	c.flags.StringVar(&o.data, "data", "", "`folder` of everything the hub keeps; made when missing")
	c.flags.StringVar(&o.listen, "listen", "127.0.0.1:8700", "`address` to listen on; :8700 for every interface")
	c.flags.StringVar(&o.release, "release", "", "serve this `folder` as the release repository, instead of what `limpet-hub mirror add` copies")
	c.flags.Var(&o.names, "name", "a `name` or address by which agents and browsers call the hub; may be given again")
	c.flags.StringVar(&o.cert, "cert", "", "certificate chain (PEM `file`) instead of the hub's own CA")
	c.flags.StringVar(&o.key, "key", "", "the certificate's key (PEM `file`)")
	if err := c.parse(0); err != nil {
		return err
	}
	if o.data == "" {
		return &misuse{"serve needs --data", c.usage()}
	}
	platforms.ReserveThreads(reservedThreads)
	log := slog.New(slog.NewTextHandler(c.err, nil))
	h, err := open(ctx, o, log)
	if err != nil {
		return err
	}
	defer h.close()
	h.site.greet(c.out, o.data)
	return h.serve(ctx)
}

// hub is everything that runs; close undoes open, last first.
type hub struct {
	site     *home
	releases *releases
	server   *http.Server
	listener net.Listener
	gateway  *gateway.Gateway
	log      *slog.Logger
	closers  []func()
	wanted   atomic.Pointer[desired.Store] // nil before it is open
}

func (h *hub) later(f func()) { h.closers = append(h.closers, f) }

func (h *hub) close() {
	for i := len(h.closers) - 1; i >= 0; i-- {
		h.closers[i]()
	}
}

// closing makes a closer of what may fail to close.
func (h *hub) closing(what string, f func() error) {
	h.later(func() {
		if err := f(); err != nil {
			h.log.Error("not closed cleanly", "what", what, "err", err)
		}
	})
}

// open wires the hub. What is cheap to refuse comes first: folders, the port, then the store.
func open(ctx context.Context, o serveOptions, log *slog.Logger) (*hub, error) {
	h := &hub{log: log}
	if err := h.open(ctx, o, log); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

func (h *hub) open(ctx context.Context, o serveOptions, log *slog.Logger) error {
	var err error
	given := o.release != ""
	if given {
		if _, err := os.Stat(o.release); err != nil {
			return fault(err, "open release repository "+o.release, "limpet-release init --dir "+o.release+" makes one")
		}
	} else {
		o.release = filepath.Join(o.data, "release")
	}
	if h.site, err = openSite(o.data); err != nil {
		return err
	}
	if h.releases, err = openReleases(o.data, o.release, given, log); err != nil {
		return err
	}
	h.closing("release repository", h.releases.files.Close)
	config := net.ListenConfig{Control: dial.Persist}
	config.SetMultipathTCP(false) // its sockets take fewer options, and no agent speaks it
	if h.listener, err = config.Listen(ctx, "tcp", o.listen); err != nil {
		return listenFault(o.listen, err)
	}
	h.later(func() { _ = h.listener.Close() })
	b, err := bus.Open(ctx, bus.Options{Dir: filepath.Join(o.data, "bus"), Log: log})
	if err != nil {
		return fault(err, "", "one data folder is for one hub; stop the other one, or give another --data")
	}
	h.closing("bus", b.Close)
	who, err := authority.Open(authority.Options{Dir: filepath.Join(o.data, "keys"), Names: o.names, CertFile: o.cert, KeyFile: o.key,
		Release: o.release, SiteChanged: h.siteChanged, Log: log})
	if err != nil {
		return fault(err, "", "the folder is "+o.data+"; the hub's user must be able to write it")
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		who.Run(life)
	}()
	h.later(func() { end(); <-renewed }) // it writes below data, which the next hub may have at once
	if err := h.site.announce(h.listener.Addr(), o, who); err != nil {
		return err
	}
	return h.wire(ctx, life, b, who)
}

// wire opens what lives on the bus and puts it behind one listener.
func (h *hub) wire(ctx, life context.Context, b *bus.Bus, who *authority.Authority) error {
	changed := make(chan struct{}, 1)
	wanted, err := desired.Open(life, b, func() {
		select {
		case changed <- struct{}{}:
		default: // told already
		}
	}, h.log)
	if err != nil {
		return err
	}
	h.wanted.Store(wanted)
	wanted.SetSite(who.Site())
	register, err := enrol.Open(ctx, b)
	if err != nil {
		return err
	}
	board, err := presence.Open(ctx, b)
	if err != nil {
		return err
	}
	if err := h.releases.watch(life, b, h.log); err != nil {
		return err
	}
	view, err := fleet.Open(ctx, b, fleet.Options{Log: h.log, Register: register, Presence: board,
		Wanted: func(a fleet.Agent) uint64 { return wanted.Revision(api.Target(a)) },
		Offer:  h.releases.shelf.For})
	if err != nil {
		return err
	}
	h.closing("fleet", view.Close)
	h.gateway, err = gateway.New(gateway.Options{Bus: b, Register: register, Presence: board, Key: who.Voice,
		Desired: func(a fleet.Agent) *wire.Desired { return h.part(life, wanted, a) }, Site: who.Place().Piece,
		ConsoleURL: h.site.url, Addresses: h.site.addresses, Log: h.log})
	if err != nil {
		return err
	}
	go func() {
		for {
			select {
			case <-changed:
				view.Recount()
				h.gateway.DesiredChanged()
			case <-life.Done():
				return
			}
		}
	}()
	go ephemeral.Run(life, ephemeral.Options{Bus: b, Register: register, Presence: board, Fleet: view, Log: h.log})
	go h.releases.run(life, view, rpc.New(b).Look)
	return h.mount(ctx, life, b, who, parts{wanted, register, view})
}

// siteChanged passes on what the site's owner signs now.
func (h *hub) siteChanged(v *site.View) {
	if wanted := h.wanted.Load(); wanted != nil {
		wanted.SetSite(v)
	}
}

// part is what is meant for an agent. A number that could not be kept is the same at the next try, so the agent may have it.
func (h *hub) part(ctx context.Context, wanted *desired.Store, a fleet.Agent) *wire.Desired {
	part, err := wanted.For(ctx, api.Target(a))
	if err != nil {
		h.log.Error("revision not kept", "agent", a.Fingerprint, "err", err)
	}
	return part
}

// parts are what the interface and the pages ask.
type parts struct {
	desired  *desired.Store
	register *enrol.Register
	fleet    *fleet.Fleet
}

// mount makes the one server of everything.
func (h *hub) mount(ctx, life context.Context, b *bus.Bus, who *authority.Authority, p parts) error {
	pages, err := console.New(console.Options{Version: version, Development: who.Development(), TokenCommand: h.site.tokenCommand, InstallLine: func() string { return h.site.installLine("…") },
		Fleet: p.fleet, Desired: p.desired.Current, Tokens: p.register.Tokens, Rollouts: h.releases.fares.List, Log: h.log})
	if err != nil {
		return err
	}
	rest, err := api.New(ctx, api.Options{Version: version, Started: time.Now(), URL: h.site.url, Development: who.Development(),
		AdminKey: h.site.key, Bus: b, Fleet: p.fleet, Register: p.register, Desired: p.desired, Caller: rpc.New(b),
		Document: who.Document, Install: h.site.install, SignInPage: pages.SignIn, Log: h.log,
		Mirrors: h.releases.places, Holds: h.releases.holds, Rollouts: h.releases.fares, Site: who.Place()})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	rest.Register(mux)
	pages.Register(mux, rest.Page)
	mux.Handle("GET /agent/v1", h.gateway)
	mux.Handle("GET /release/", h.releases.files)
	mux.Handle("GET /release/hold", h.releases.holds)
	mux.HandleFunc("GET /install.sh", h.installer)
	mux.HandleFunc("GET /trust/{hash}", func(w http.ResponseWriter, r *http.Request) {
		document, ok := who.Served(r.PathValue("hash"))
		if !ok {
			http.Error(w, "there is no trust document with this hash here", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(document)
	})
	streams, end := context.WithCancel(life)
	h.later(end)
	h.server = &http.Server{
		Handler: api.Headers(mux), TLSConfig: who.TLS(), ReadHeaderTimeout: headerWithin, MaxHeaderBytes: maxHeader, IdleTimeout: idleFor,
		BaseContext: func(net.Listener) context.Context { return streams },
		ErrorLog:    slog.NewLogLogger(h.log.Handler(), slog.LevelDebug), // strangers' broken handshakes
	}
	h.server.RegisterOnShutdown(end) // event streams end by themselves never
	return nil
}

// serve answers until ctx ends, then says goodbye to the agents and finishes what it answers.
func (h *hub) serve(ctx context.Context) error {
	failed := make(chan error, 1)
	go func() { failed <- h.server.Serve(tls.NewListener(h.listener, h.server.TLSConfig)) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", h.site.url, err)
	case <-ctx.Done():
	}
	h.log.Info("stopping")
	bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	err := errors.Join(h.gateway.Close(bye), h.server.Shutdown(bye))
	if errors.Is(err, context.DeadlineExceeded) {
		h.log.Warn("some answers were cut off", "err", err)
		return h.server.Close()
	}
	return err
}
