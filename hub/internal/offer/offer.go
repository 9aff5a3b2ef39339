// Package offer says for each agent which release it is offered and why it does not run it yet. It reads the release repository
// that the hub serves, verified, and what the agent says of itself; it decides nothing, that is the stub's.
package offer

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing/repo"
	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// lookEvery is how often the repository's timestamp is compared with the one read last.
const lookEvery = time.Second

const defaultChannel = "stable"

// Shelf is the release repository as it was read last. Its methods may be called from anywhere.
type Shelf struct {
	dir  string
	held func(version, hash string) string
	log  *slog.Logger
	seen string                // the mark of what Open read
	set  atomic.Pointer[stock] // nil while there is none
}

// stock is one reading of the repository. Listing a channel takes long where it has many releases: each is listed once.
type stock struct {
	set    *tuf.Set
	listed sync.Map // folder of a channel and platform → *listing; none where nothing is listed
}

// listing is what one channel has for one platform.
type listing struct {
	newest   tuf.Core
	versions map[string]string // by the hash in hex
}

// list is what a channel has for a platform, nil for nothing.
func (s *stock) list(channel, platform string) *listing {
	dir := tuf.CoreDir(channel, platform)
	if l, known := s.listed.Load(dir); known {
		return l.(*listing)
	}
	cores, _ := s.set.Cores(channel, platform)
	if len(cores) == 0 {
		return nil
	}
	l := &listing{cores[0], map[string]string{}}
	for _, c := range cores {
		l.versions[hex.EncodeToString(c.SHA256[:])] = c.Version
	}
	s.listed.Store(dir, l) // what there is; agents' words alone fill no memory
	return l
}

// Open reads the repository; none is an empty shelf. held says why the hub holds a release back, "" when it does not.
func Open(dir string, held func(version, hash string) string, log *slog.Logger) *Shelf {
	s := &Shelf{dir: dir, held: held, log: log}
	s.seen = s.mark()
	s.read()
	return s
}

// Set is what is listed, nil while there is nothing.
func (s *Shelf) Set() *tuf.Set {
	if stock := s.set.Load(); stock != nil {
		return stock.set
	}
	return nil
}

// Version is what a core is called that a channel lists for a platform; "" when it does not.
func (s *Shelf) Version(channel, platform, hash string) string {
	stock := s.set.Load()
	if stock == nil {
		return ""
	}
	l := stock.list(cmp.Or(channel, defaultChannel), platform)
	if l == nil {
		return ""
	}
	return l.versions[hash]
}

func (s *Shelf) read() {
	r, err := repo.Open(fsys.Disk{}, s.dir, nil)
	switch {
	case err == nil:
		s.set.Store(&stock{set: r.Set()})
	case errors.Is(err, fs.ErrNotExist):
		s.set.Store(nil)
	default:
		s.log.Error("release repository not read, offers stay as they were", "err", err)
	}
}

// Run reads the repository again when it has changed, and calls changed then, and published where what it lists is another too, until ctx ends.
func (s *Shelf) Run(ctx context.Context, changed, published func()) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	before, listed := s.seen, s.listed() // what was published since Open is news, too
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if now := s.mark(); now != before {
			before = now
			s.read()
			changed()
			if now := s.listed(); now != listed {
				listed = now
				published()
			}
		}
	}
}

// listed tells one list of releases from another: a timestamp or a snapshot that is signed anew lists the same, and another
// repository in the folder's place may count its versions, and expire, just as this one.
func (s *Shelf) listed() string {
	set := s.Set()
	if set == nil {
		return ""
	}
	var b strings.Builder
	targets, _ := set.Under("") // a part that does not read is not offered either
	for _, t := range targets {
		fmt.Fprintf(&b, "%s %x\n", t.Path, t.SHA256)
	}
	for _, e := range set.Expiries() {
		if e.Role != "timestamp" && e.Role != "snapshot" {
			fmt.Fprintln(&b, e.Role, e.Version, e.Expires.Unix())
		}
	}
	return b.String()
}

// mark tells one timestamp.json from another.
func (s *Shelf) mark() string {
	info, err := os.Stat(filepath.Join(s.dir, "timestamp.json"))
	if err != nil {
		return ""
	}
	return strconv.FormatInt(info.ModTime().UnixNano(), 10) + " " + strconv.FormatInt(info.Size(), 10)
}

// For is what an agent is offered.
func (s *Shelf) For(a fleet.Agent, f fleet.Facts) fleet.Offer {
	o := fleet.Offer{Channel: cmp.Or(f.More["channel"], defaultChannel), Phase: f.More["phase"]}
	stock := s.set.Load()
	if stock == nil || a.OS == "" {
		return o
	}
	l := stock.list(o.Channel, a.OS+"-"+a.Arch)
	if l == nil {
		o.Why = "no release is listed for " + a.OS + "-" + a.Arch + " in channel " + o.Channel
		return o
	}
	newest := l.newest
	o.Version, o.Hash, o.Counter = newest.Version, hex.EncodeToString(newest.SHA256[:]), newest.Counter
	o.Cohort = tuf.Cohort(a.Fingerprint, newest.Version)
	opens, some := tuf.OpensTo(newest.Waves, o.Cohort)
	o.Opens = fleet.Time{Time: opens}
	later := ""
	switch {
	case tuf.Most(newest.Waves) == 0:
		later = "it is paused: open to nobody who does not have it"
	case !some:
		later = "its wave is not planned yet"
	case opens.After(time.Now()):
		later = "its wave opens at " + opens.UTC().Format(time.RFC3339)
	}
	o.Why = why(a, f.More, o, s.held(o.Version, o.Hash), later)
	return o
}

// why is why an agent does not run what it is offered, "" when it does: one line for people. What the agent says itself counts
// most, but for what only the hub knows (docs/stub-contract.md, status keys). held says why the hub holds it back, "" that it does
// not; later that its wave is not open, "" that it is.
func why(a fleet.Agent, more map[string]string, o fleet.Offer, held, later string) string {
	counter, _ := strconv.ParseUint(more["counter"], 10, 64)
	switch {
	case a.CoreHash == o.Hash:
		return ""
	case a.Presence == fleet.Offline:
		return "it has no session"
	case later != "" && more["why"] == "wave" && more["offered"] == o.Hash: // the box knows that, and not when
		return later
	case held != "" && more["why"] == "held-by-mirror" && more["offered"] == o.Hash: // and this
		return held
	case more["why_text"] != "" && more["offered"] == o.Hash: // it speaks of this very release
		return strings.ReplaceAll(more["why_text"], "_", " ")
	case has(more["barred"], o.Hash):
		return "it was rejected there"
	case more["pin"] != "" && more["pin"] != o.Version:
		return "pinned to " + more["pin"]
	case more["hold"] != "" && more["hold"] != "no":
		return "held by the box"
	case held != "":
		return held
	case counter > o.Counter:
		return "it runs a later release than is listed"
	case later != "" && more["pin"] == "":
		return later
	case more["why"] != "":
		return strings.ReplaceAll(more["why"], "-", " ")
	case more["phase"] != "" && more["phase"] != "none" && more["phase"] != "idle":
		return "on its way: " + more["phase"]
	}
	return "it has not looked yet"
}

// has finds a hash, or a beginning of it of 8 digits or more, in a list.
func has(list, hash string) bool {
	for _, entry := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' }) {
		entry, _, _ = strings.Cut(entry, ":") // the reason follows
		if len(entry) >= 8 && strings.HasPrefix(hash, entry) {
			return true
		}
	}
	return false
}
