package mirror

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/journal"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/updater/dial"
	"github.com/limpet-monitoring/limpet/updater/fetch"
)

// Rhythm and limits.
const (
	lookEvery = 10 * time.Minute // and up to a tenth more
	maxPlaces = 16
	maxPlace  = 1 << 10 // bytes of an address
)

// Errors a caller may branch on.
var (
	ErrPlace   = errors.New("not a place to mirror")
	ErrFixed   = errors.New("this hub serves a folder that it was given")
	ErrUnknown = errors.New("not mirrored")
)

// Place is one repository that the hub copies from.
type Place struct {
	Place  string       `json:"place"`
	Added  journal.Time `json:"added"`
	Looked journal.Time `json:"looked"`          // the last attempt
	Fresh  journal.Time `json:"fresh"`           // the last one that went well
	Error  string       `json:"error,omitempty"` // of the last attempt
	Root   string       `json:"root_sha256,omitempty"`
}

// Places are what the hub copies from, into one folder, in their order, on a timer and at once when told. Its methods may be
// called from anywhere; one goroutine copies.
type Places struct {
	file    string
	copy    *Copy // nil where the hub serves a folder that it was given
	log     *slog.Logger
	changed func()
	wake    chan struct{}

	mu   sync.Mutex // guards list and the file
	list []Place
}

// OpenPlaces reads the list beside the copy's folder. changed is called when the copy has changed. dir "" = nothing may be added.
func OpenPlaces(file, dir string, changed func(), log *slog.Logger) (*Places, error) {
	p := &Places{file: file, log: log, changed: changed, wake: make(chan struct{}, 1)}
	if dir != "" {
		p.copy = NewCopy(dir, log)
	}
	data, err := fsys.Read(fsys.Disk{}, file, 1<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &p.list)
	}
	if err != nil {
		return nil, fmt.Errorf("read mirrors: %w", err)
	}
	return p, nil
}

// List is every place, in the order added.
func (p *Places) List() []Place {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Place{}, p.list...)
}

// Add begins to copy from a place: an http(s) address or a folder. Where the copy has no root yet the place's first root becomes
// it: over http only with its SHA-256 (hex, "" = not given). ErrPlace, ErrFixed.
func (p *Places) Add(ctx context.Context, place, root string) (Place, error) {
	if p.copy == nil {
		return Place{}, ErrFixed
	}
	from, err := open(place)
	if err != nil {
		return Place{}, err
	}
	sum, err := parseSum(root)
	if err != nil {
		return Place{}, err
	}
	added := Place{Place: place, Added: journal.At(time.Now()), Root: root}
	if !p.copy.Trusts() {
		if sum == nil && strings.HasPrefix(place, "http://") {
			return Place{}, fmt.Errorf("%w: over http:// the first root needs its SHA-256", ErrPlace)
		}
		got, err := p.copy.Trust(ctx, from, sum)
		if err != nil {
			return Place{}, fmt.Errorf("%w: %w", ErrPlace, err)
		}
		added.Root = hex.EncodeToString(got[:])
	}
	err = p.change(func(list []Place) ([]Place, error) {
		switch {
		case slices.ContainsFunc(list, func(l Place) bool { return l.Place == place }):
			return list, nil
		case len(list) >= maxPlaces:
			return nil, fmt.Errorf("%w: there are %d already", ErrPlace, len(list))
		}
		return append(slices.Clone(list), added), nil
	})
	p.Look()
	return added, err
}

// Remove ends copying from a place; what was copied stays. ErrUnknown.
func (p *Places) Remove(place string) error {
	return p.change(func(list []Place) ([]Place, error) {
		left := slices.DeleteFunc(slices.Clone(list), func(l Place) bool { return l.Place == place })
		if len(left) == len(list) {
			return nil, ErrUnknown
		}
		return left, nil
	})
}

// Look has every place looked at now.
func (p *Places) Look() {
	select {
	case p.wake <- struct{}{}:
	default: // it is going to be
	}
}

// Run copies until ctx ends.
func (p *Places) Run(ctx context.Context) {
	if p.copy == nil {
		return
	}
	for {
		p.round(ctx)
		timer := time.NewTimer(lookEvery + rand.N(lookEvery/10))
		select {
		case <-timer.C:
		case <-p.wake:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

func (p *Places) round(ctx context.Context) {
	for _, place := range p.List() {
		changed, err := p.bring(ctx, place.Place)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			p.log.Warn("release repository not mirrored", "from", place.Place, "err", err)
		}
		if e := p.note(place.Place, err); e != nil {
			p.log.Error("mirrors not written down", "err", e)
		}
		if changed {
			p.log.Info("release repository mirrored", "from", place.Place)
			p.changed()
		}
	}
}

func (p *Places) bring(ctx context.Context, place string) (bool, error) {
	from, err := open(place)
	if err != nil {
		return false, err
	}
	return p.copy.Bring(ctx, from)
}

// note writes down how an attempt went.
func (p *Places) note(place string, cause error) error {
	return p.change(func(list []Place) ([]Place, error) {
		list = slices.Clone(list)
		for i := range list {
			if list[i].Place != place {
				continue
			}
			list[i].Looked, list[i].Error = journal.At(time.Now()), ""
			if cause != nil {
				list[i].Error = cause.Error()
			} else {
				list[i].Fresh = list[i].Looked
			}
		}
		return list, nil
	})
}

func (p *Places) change(fn func([]Place) ([]Place, error)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	list, err := fn(p.list)
	if err != nil {
		return err
	}
	data, err := json.Marshal(list)
	if err != nil {
		return fmt.Errorf("write mirrors: %w", err)
	}
	if err := fsys.WriteNew(fsys.Disk{}, p.file, data, 0o600); err != nil {
		return fmt.Errorf("write mirrors: %w", err)
	}
	p.list = list
	return nil
}

// open is a place as a mirror.
func open(place string) (*fetch.Mirror, error) {
	if place == "" || len(place) > maxPlace {
		return nil, fmt.Errorf("%w: no address", ErrPlace)
	}
	if !strings.Contains(place, "://") && !filepath.IsAbs(place) {
		return nil, fmt.Errorf("%w: neither an http(s) address nor a folder with its full path", ErrPlace)
	}
	d, err := dial.New(dial.Options{})
	if err != nil {
		return nil, err
	}
	from, err := fetch.New(place, d.HTTPTransport())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPlace, err)
	}
	return from, nil
}

func parseSum(text string) (*[sha256.Size]byte, error) {
	if text == "" {
		return nil, nil
	}
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != sha256.Size {
		return nil, fmt.Errorf("%w: a SHA-256 has 64 hex digits", ErrPlace)
	}
	return (*[sha256.Size]byte)(raw), nil
}
