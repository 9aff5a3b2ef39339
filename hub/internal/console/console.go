// Package console is the hub's pages for people: HTML rendered here, a little script that keeps it live, everything embedded,
// nothing fetched from elsewhere. Pages only read; whatever a button changes goes through the HTTP interface like any other
// program's request. Who may see a page is decided before a request arrives here.
package console

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/desired"
	"github.com/limpet-monitoring/limpet/hub/internal/enrol"
	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
	"github.com/limpet-monitoring/limpet/hub/internal/rollout"
)

//go:embed templates assets
var files embed.FS

// Fleet is what the pages show of the agents.
type Fleet interface {
	Agents() []fleet.Agent
	Find(name string) (fleet.Agent, error)
	Agent(fingerprint string) (fleet.Detail, error)
	Samples(fingerprint string) (list []fleet.Sample, more bool, err error)
	Log(limit int) []fleet.Event
}

// Options are what New needs.
type Options struct {
	Version      string
	Development  bool          // the releases this hub serves come from a development root
	TokenCommand string        // the command that makes a token on this machine
	InstallLine  func() string // the line for a box, with … for the token
	Fleet        Fleet
	Desired      func() desired.Applied
	Tokens       func(context.Context) ([]enrol.Token, error)
	Rollouts     func() []rollout.Rollout // stopped ones first
	Now          func() time.Time         // nil = time.Now
	Log          *slog.Logger
}

// Console renders the pages. It keeps nothing but its templates.
type Console struct {
	o         Options
	templates *template.Template
	assets    map[string]asset
}

type asset struct {
	body []byte
	etag string
	kind string
}

// kinds are the file types among the assets.
var kinds = map[string]string{"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}

// New reads the embedded files; an error is a mistake in them.
func New(o Options) (*Console, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	t, err := template.New("").Funcs(functions(o.Now)).ParseFS(files, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("read templates: %w", err)
	}
	c := &Console{o: o, templates: t, assets: map[string]asset{}}
	entries, err := fs.ReadDir(files, "assets")
	if err != nil {
		return nil, fmt.Errorf("read assets: %w", err)
	}
	for _, e := range entries {
		body, err := files.ReadFile("assets/" + e.Name())
		if err != nil {
			return nil, fmt.Errorf("read asset %s: %w", e.Name(), err)
		}
		sum := sha256.Sum256(body)
		_, ext, _ := bytes.Cut([]byte(e.Name()), []byte("."))
		c.assets[e.Name()] = asset{body: body, etag: `"` + hex.EncodeToString(sum[:8]) + `"`, kind: kinds[string(ext)]}
	}
	return c, nil
}

// Register adds the pages to mux, each wrapped by signedIn, and the assets, which anyone may read.
func (c *Console) Register(mux *http.ServeMux, signedIn func(http.Handler) http.Handler) {
	for pattern, h := range map[string]http.HandlerFunc{
		"GET /{$}":            c.fleet,
		"GET /agents/{agent}": c.agent,
		"GET /checks":         c.checks,
		"GET /tokens":         c.tokens,
		"GET /log":            c.log,
		"/":                   c.missing,
	} {
		mux.Handle(pattern, signedIn(h))
	}
	mux.HandleFunc("GET /assets/{name}", c.asset)
}

func (c *Console) asset(w http.ResponseWriter, r *http.Request) {
	a, ok := c.assets[r.PathValue("name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", a.kind)
	w.Header().Set("Cache-Control", "no-cache") // asked again each time, answered with 304
	w.Header().Set("ETag", a.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.body))
}

// page is what every page's template finds beside its own.
type page struct {
	Title, Page, Version string
	Development          bool
	Scripts              []string
}

func (c *Console) page(name, title string, scripts ...string) page {
	return page{Title: title, Page: name, Version: c.o.Version, Development: c.o.Development, Scripts: append([]string{"shell.js"}, scripts...)}
}

// render writes a page whole or not at all.
func (c *Console) render(w http.ResponseWriter, status int, name string, data any) {
	var b bytes.Buffer
	if err := c.templates.ExecuteTemplate(&b, name, data); err != nil {
		c.o.Log.Error("page not rendered", "page", name, "err", err)
		http.Error(w, "this page could not be made; the hub's log says why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(plain(b.Bytes())) // a reader that went away
}

// SignIn shows how to get a link, to one who has no session. problem says why what they tried did not work, or is "".
func (c *Console) SignIn(w http.ResponseWriter, status int, problem string) {
	c.render(w, status, "signin", struct {
		page
		Problem string
	}{c.page("signin", "Sign in"), problem})
}

func (c *Console) missing(w http.ResponseWriter, r *http.Request) {
	c.notFound(w, "There is no such page")
}

func (c *Console) notFound(w http.ResponseWriter, problem string) {
	c.render(w, http.StatusNotFound, "missing", struct {
		page
		Problem string
	}{c.page("missing", "Not found"), problem})
}
