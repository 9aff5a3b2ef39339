package desired

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/bus"
	"github.com/limpet-monitoring/limpet/hub/internal/site"
)

// ErrBusy says that somebody else applied a document at the same moment.
var ErrBusy = errors.New("another document was applied just now")

// Applied is a document as it was applied. The zero value is the state before the first.
type Applied struct {
	Revision uint64
	Text     string
	At       time.Time
	By       string // who, in words for people
}

// Outcome says what applying a document did, or would do.
type Outcome struct {
	Revision uint64   // of the document
	Agents   int      // that the hub knows
	Changed  int      // whose part is another than before
	Notes    []string // what the author may not have meant, for people
}

// Names in the bucket.
const (
	bucketName  = "desired"
	documentKey = "document"
	agentPrefix = "agent."
)

// given is the newest revision number an agent was given, and for what content.
type given struct {
	Revision uint64 `json:"revision"`
	Hash     []byte `json:"hash"` // SHA-256 of the part without its number
}

// Store keeps the document and which revision number stands for what at which agent. A number is on the bus before an agent
// gets it, so a hub that was killed goes on counting where it stood. Its methods may be called from anywhere.
type Store struct {
	bucket  *bus.Bucket
	changed func()
	log     *slog.Logger

	mu       sync.Mutex // guards what follows; never held while the bus is asked
	applied  Applied
	document *Document
	written  uint64 // bucket revision of the document
	given    map[string]given
	compiled map[string]compiled // by fingerprint, of the current document
	site     *site.View          // what the site's owner has signed
}

type compiled struct {
	target Target
	part   *wire.Desired
	hash   []byte
}

// Open reads what is on the bus and follows it until ctx ends. changed is called after every change of the document, also by
// another hub, from a goroutine of the store.
func Open(ctx context.Context, b *bus.Bus, changed func(), log *slog.Logger) (*Store, error) {
	bucket, err := b.Bucket(ctx, bucketName, 0)
	if err != nil {
		return nil, fmt.Errorf("open desired state: %w", err)
	}
	s := &Store{bucket: bucket, changed: func() {}, log: log, document: &Document{Defaults: true}, site: &site.View{},
		given: map[string]given{}, compiled: map[string]compiled{}}
	if err := bucket.Watch(ctx, s.take); err != nil {
		return nil, fmt.Errorf("read desired state: %w", err)
	}
	s.mu.Lock()
	s.changed = changed
	s.mu.Unlock()
	return s, nil
}

// take puts one entry of the bucket into memory.
func (s *Store) take(e bus.Entry) {
	if e.Deleted {
		return
	}
	if fingerprint, ok := strings.CutPrefix(e.Key, agentPrefix); ok {
		var g given
		if err := json.Unmarshal(e.Value, &g); err != nil {
			s.log.Error("revision of an agent not read", "agent", fingerprint, "err", err)
			return
		}
		s.mu.Lock()
		s.remember(fingerprint, g)
		s.mu.Unlock()
		return
	}
	if e.Key == documentKey {
		s.takeDocument(e)
	}
}

func (s *Store) takeDocument(e bus.Entry) {
	var a Applied
	err := json.Unmarshal(e.Value, &a)
	document, problems := Parse([]byte(a.Text))
	if err != nil || document == nil { // written by a hub that reads more than this one
		s.log.Error("applied document not read; the one before stays", "err", err, "problems", problems)
		return
	}
	s.mu.Lock()
	if e.Revision <= s.written {
		s.mu.Unlock()
		return
	}
	s.applied, s.document, s.written = a, document, e.Revision
	clear(s.compiled)
	changed := s.changed
	s.mu.Unlock()
	changed()
}

// remember keeps the newest number given to an agent. s.mu is held.
func (s *Store) remember(fingerprint string, g given) {
	if g.Revision > s.given[fingerprint].Revision {
		s.given[fingerprint] = g
	}
}

// SetSite says what the site's owner has signed, and tells whoever waits: parts that name a plugin of the catalog, and those of agents that
// run signed things alone, are others with it.
func (s *Store) SetSite(v *site.View) {
	s.mu.Lock()
	s.site = v
	clear(s.compiled)
	changed := s.changed
	s.mu.Unlock()
	changed()
}

// Current is the document as it was applied last.
func (s *Store) Current() Applied {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.applied
}

// Revision is the number of what is meant for an agent. It asks nobody.
func (s *Store) Revision(t Target) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	revision, _ := s.number(t)
	return revision
}

// For is what is meant for an agent, with its number. It writes only when the number is a new one; with an error the part is
// whole all the same, but its number is not kept: after a restart it may stand for something else.
func (s *Store) For(ctx context.Context, t Target) (*wire.Desired, error) {
	s.mu.Lock()
	revision, c := s.number(t)
	known := s.given[t.Fingerprint].Revision
	s.mu.Unlock()
	part := wire.Clone(c.part)
	part.Revision = revision
	if revision <= known {
		return part, nil
	}
	g := given{Revision: revision, Hash: c.hash}
	value, err := json.Marshal(g)
	if err != nil {
		return part, err
	}
	if _, err := s.bucket.Put(ctx, agentPrefix+t.Fingerprint, value); err != nil {
		return part, fmt.Errorf("number the revision of %s: %w", t.Fingerprint, err)
	}
	s.mu.Lock()
	s.remember(t.Fingerprint, g)
	s.mu.Unlock()
	return part, nil
}

// number compiles an agent's part and finds its number. s.mu is held.
func (s *Store) number(t Target) (uint64, compiled) {
	c, ok := s.compiled[t.Fingerprint]
	if !ok || !c.target.same(t) {
		c = compile(s.document, t, s.site)
		s.compiled[t.Fingerprint] = c
	}
	return next(s.given[t.Fingerprint], c.hash, s.applied.Revision), c
}

// next is the number of a part: the one it was given before as long as it says the same, else a higher one, the document's
// where that is higher. An agent that never had anything but the defaults stays at 0.
func next(last given, hash []byte, document uint64) uint64 {
	if last.Revision == 0 && bytes.Equal(hash, defaultsAlone) || bytes.Equal(hash, last.Hash) {
		return last.Revision
	}
	return max(document, last.Revision+1)
}

var defaultsAlone = compile(&Document{Defaults: true}, Target{}, &site.View{}).hash

func compile(d *Document, t Target, v *site.View) compiled {
	part, _ := d.For(t)
	finish(part, t, v)
	// Deterministic within one version of the library; another one costs each agent one push of the same.
	data, err := wire.Marshal(part)
	if err != nil { // only text that is no UTF-8, which Parse refuses
		panic(fmt.Sprintf("marshal a part: %v", err))
	}
	sum := sha256.Sum256(data)
	return compiled{target: t, part: part, hash: sum[:]}
}

// Check says what applying the text would do; targets are all agents. An *Invalid error holds the problems.
func (s *Store) Check(text []byte, targets []Target) (Outcome, error) {
	outcome, _, err := s.prepare(text, targets)
	return outcome, err
}

func (s *Store) prepare(text []byte, targets []Target) (Outcome, uint64, error) {
	document, problems := Parse(text)
	if document == nil {
		return Outcome{}, 0, &Invalid{Problems: problems}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o := Outcome{Revision: s.applied.Revision, Agents: len(targets), Notes: append(notes(document, targets), unsignedNotes(document, targets, s.site)...)}
	for _, t := range targets {
		if _, now := s.number(t); !bytes.Equal(now.hash, compile(document, t, s.site).hash) {
			o.Changed++
		}
	}
	if string(text) != s.applied.Text {
		for _, g := range s.given {
			o.Revision = max(o.Revision, g.Revision)
		}
		o.Revision++
	}
	return o, s.written, nil
}

// Apply makes the text the document, if it holds no mistake; targets are all agents, now is when. The same text again changes
// nothing. Errors: *Invalid, ErrBusy, or the bus's.
func (s *Store) Apply(ctx context.Context, text []byte, by string, now time.Time, targets []Target) (Outcome, error) {
	o, written, err := s.prepare(text, targets)
	if err != nil || o.Revision == s.Current().Revision {
		return o, err
	}
	var value bytes.Buffer
	enc := json.NewEncoder(&value)
	enc.SetEscapeHTML(false) // a text of nothing but brackets must not grow past what the bus takes
	if err := enc.Encode(Applied{Revision: o.Revision, Text: string(text), At: now.UTC(), By: by}); err != nil {
		return Outcome{}, err
	}
	revision, err := s.bucket.Update(ctx, documentKey, value.Bytes(), written)
	if errors.Is(err, bus.ErrConflict) {
		return Outcome{}, ErrBusy
	} else if err != nil {
		return Outcome{}, fmt.Errorf("apply desired state: %w", err)
	}
	s.takeDocument(bus.Entry{Key: documentKey, Value: value.Bytes(), Revision: revision})
	return o, nil
}

// notes are what a document says that its author may not have meant.
func notes(d *Document, targets []Target) []string {
	hosts := map[string][]string{} // of doubled checks
	for _, t := range targets {
		_, shadowed := d.For(t)
		for _, name := range shadowed {
			hosts[name] = append(hosts[name], cmp.Or(t.Hostname, t.Fingerprint))
		}
	}
	var notes []string
	for i, e := range d.Entries {
		if on := hosts[e.Name]; len(on) > 0 {
			notes = append(notes, fmt.Sprintf("check %q is meant twice for %s; the later entry stands there", e.Name, few(on)))
			delete(hosts, e.Name)
		}
		if e.On != nil && !anyFits(d.Entries[i].On, targets) && len(targets) > 0 {
			notes = append(notes, fmt.Sprintf("check %q in line %d fits no agent that is enrolled now", e.Name, e.Line))
		}
	}
	return notes
}

// unsignedNotes names what agents will reject because nobody signed for it.
func unsignedNotes(d *Document, targets []Target, v *site.View) []string {
	hosts, checks := map[string][]string{}, map[string]string{}
	for _, t := range targets {
		part, _ := d.For(t)
		finish(part, t, v)
		for name, line := range unsigned(part, t, v) {
			hosts[line] = append(hosts[line], cmp.Or(t.Hostname, t.Fingerprint))
			checks[line] = name
		}
	}
	var notes []string
	for _, line := range slices.Sorted(maps.Keys(hosts)) {
		notes = append(notes, fmt.Sprintf("%s runs %.200q, which nobody signed for, and %s run only what is signed: they go on with the revision they have until limpet-hub site sign --checks FILE signs for it",
			checks[line], line, few(hosts[line])))
	}
	if len(notes) > 0 && !v.Offline {
		notes = append(notes, "the hub itself holds the site's keys, so nothing counts as signed yet: limpet-hub site init takes them offline")
	}
	return notes
}

func anyFits(on *On, targets []Target) bool {
	for _, t := range targets {
		if on.fits(t) {
			return true
		}
	}
	return false
}

// few names three and counts the rest.
func few(names []string) string {
	const shown = 3
	if len(names) <= shown {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
}
