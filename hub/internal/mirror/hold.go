package mirror

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// maxHolds bounds the file: boxes read all of it at each look.
const maxHolds = 256

// ErrNoHold is the cause when what shall be held is neither a version nor a hash.
var ErrNoHold = errors.New("neither a version nor the SHA-256 of a core")

// holdable is a version (docs/release-format.md) or 64 hex digits, which are a version's form, too.
var holdable = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$`)

// Holds is the unsigned file of releases that no box shall take up now: versions or hashes, one a line. It can only hold.
type Holds struct {
	name string
	mu   sync.Mutex // guards list, more, tell and the file
	list []string
	more func() []string // what the hub holds back beside the list
	tell func()
}

// With adds what the hub holds back by itself to what is served.
func (h *Holds) With(more func() []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.more = more
}

// OnChange has fn called after each change from now on.
func (h *Holds) OnChange(fn func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tell = fn
}

// OpenHolds reads the file; none is an empty one.
func OpenHolds(name string) (*Holds, error) {
	h := &Holds{name: name, more: func() []string { return nil }}
	data, err := fsys.Read(fsys.Disk{}, name, maxHolds*65)
	if errors.Is(err, fs.ErrNotExist) {
		return h, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what is held: %w", err)
	}
	for _, line := range strings.Fields(string(data)) {
		if holdable.MatchString(line) && !slices.Contains(h.list, line) && len(h.list) < maxHolds {
			h.list = append(h.list, line)
		}
	}
	return h, nil
}

// List is what is held, in order.
func (h *Holds) List() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string{}, h.list...)
}

// Has says whether a release is held, by its version or the hex of its hash.
func (h *Holds) Has(version, hash string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Contains(h.list, version) || slices.Contains(h.list, hash)
}

// Hold adds a version or a hash. ErrNoHold.
func (h *Holds) Hold(what string) error {
	if !holdable.MatchString(what) {
		return fmt.Errorf("hold %q: %w", what, ErrNoHold)
	}
	return h.change(func(list []string) ([]string, error) {
		if slices.Contains(list, what) {
			return list, nil
		}
		if len(list) >= maxHolds {
			return nil, fmt.Errorf("hold %s: %d releases are held already, which is all that fit", what, len(list))
		}
		list = append(slices.Clone(list), what)
		slices.Sort(list)
		return list, nil
	})
}

// Unhold takes one away; fs.ErrNotExist when it is not there.
func (h *Holds) Unhold(what string) error {
	return h.change(func(list []string) ([]string, error) {
		if !slices.Contains(list, what) {
			return nil, fmt.Errorf("unhold %q: %w", what, fs.ErrNotExist)
		}
		return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == what }), nil
	})
}

func (h *Holds) change(fn func([]string) ([]string, error)) error {
	tell, err := h.write(fn)
	if err == nil && tell != nil {
		tell() // it may ask Has
	}
	return err
}

func (h *Holds) write(fn func([]string) ([]string, error)) (tell func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	list, err := fn(h.list)
	if err != nil {
		return nil, err
	}
	if err := fsys.WriteNew(fsys.Disk{}, h.name, []byte(text(list)), 0o644); err != nil {
		return nil, fmt.Errorf("write what is held: %w", err)
	}
	h.list = list
	return h.tell, nil
}

func text(list []string) string {
	var b strings.Builder
	for _, line := range list {
		b.WriteString(line + "\n")
	}
	return b.String()
}

// ServeHTTP answers with the file, and what With adds.
func (h *Holds) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	h.mu.Lock()
	list, more := slices.Clone(h.list), h.more
	h.mu.Unlock()
	for _, version := range more() { // its owner has a lock of its own
		if !slices.Contains(list, version) {
			list = append(list, version)
		}
	}
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(text(list)))
}
