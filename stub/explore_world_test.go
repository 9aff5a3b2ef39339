package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
	"github.com/limpet-monitoring/limpet/updater/boot"
	"github.com/limpet-monitoring/limpet/updater/store"
)

// nature is how a release behaves; the stub finds out.
type nature int

const (
	healthy   nature = iota
	dead             // exits at its start
	deadLater        // exits once it schedules
	deaf             // never says ready
	hangs            // falls silent once it schedules
	breaks           // a check that held does not hold under it
	victim           // healthy; somebody kills its first life
	rots             // healthy until it is committed, then it dies whenever it runs
	stubborn         // healthy, but never hands over
)

var natures = [...]string{"healthy", "dead", "deadLater", "deaf", "hangs", "breaks", "victim", "rots", "stubborn"}

func (n nature) String() string { return natures[n] }

// good reports whether a box should end on such a release; may, whether it may ever be committed.
func (n nature) good() bool { return n == healthy || n == victim || n == stubborn }
func (n nature) may() bool  { return n.good() || n == rots }

// happening is the one thing that befalls a box in a story, at any step of it.
type happening int

const (
	nothing  happening = iota
	outage             // the session is gone, for trial and good alike, and so is the mirror
	dark               // the same, and a check that looks over the network does not hold either
	news               // the next release is published while this one is on its way
	killed             // somebody kills the core that schedules
	held               // the box's owner says hold
	withdrew           // the publisher withdraws the newest release
	hubHeld            // the hub says hold, once
)

var happenings = [...]string{"nothing", "outage", "dark", "news", "killed", "held", "withdrew", "hubHeld"}

func (h happening) String() string { return happenings[h] }

// story is what a box lives through: the releases in their order (the first came with bootstrap), what
// befalls it once, and whether a call to the disk fails once.
type story struct {
	releases  []nature
	happening happening
	fails     bool // one changing call fails
	fresh     bool // there is no record yet
	asked     bool // the owner said hold, and then resume, while the stub did not run
	cuts      int  // power cuts in all
}

func (s story) String() string {
	text := fmt.Sprintf("%v", s.releases)
	if s.happening != nothing {
		text += " " + s.happening.String()
	}
	if s.fails {
		text += " EIO"
	}
	if s.fresh {
		text += " fresh"
	}
	if s.asked {
		text += " asked"
	}
	return strings.NewReplacer("[", "", "]", "", " ", "-").Replace(text)
}

const most = 4 // releases of a story, counted from 1

// facts are what the world remembers from one life of the box to the next. They are comparable.
type facts struct {
	published int
	pending   bool        // the story's happening has not come yet
	out       bool        // there is an outage
	gone      int         // the release that was withdrawn
	trial     int         // the release on trial
	spared    bool        // the victim was killed once
	fails     bool        // a call may still fail
	hold      bool        // the owner's request lies there, or is in the record
	starts    [most]uint8 // since it is on trial
	own       [most]uint8 // ends by its own doing, since then
	settled   [most]bool  // was good
	barred    [most]bool
}

const (
	rootOfWorld = "/dev/null/limpet" // what goes past the disk finds nothing there, and can make nothing
	soakOfWorld = 10                 // seconds
	dayOne      = 1_790_000_000 / 3600 * 3600
)

var worldLayout = func() platforms.Layout {
	l, err := platforms.At(rootOfWorld)
	if err != nil {
		panic(err)
	}
	return l
}()

// world is a machine, the publisher, and what happens around one box during one life of its stub.
type world struct {
	facts
	story  story
	broken broken
	choose crashdisk.Chooser
	cut    func(disk func(crashdisk.Chooser) *crashdisk.Disk) // what a power cut now leaves; nil where none may come any more
	power  *crashdisk.Disk
	layer  fsys.FS // power, or something that spoils it
	up     time.Duration
	wall   int64 // Unix seconds
	ends   int   // ticks until the outage is over, 0 = it stays
	s      *supervisor
	cores  []*fake
	heard  []event
	asks   bool // the hub said hold in this life
	unmet  int  // ticks in which no core scheduled
	asked  int  // ticks for which a handover has been awaited
	ticks  int
	over   atomic.Bool
	bad    string   // the first rule that was broken
	phase  string   // at the last tick
	said   []string // to the cores

	// Of a box in a fleet.
	listing func(now int64) []signed // what is listed, instead of what the story has published
	refused bool                     // the hub refuses its session; the mirror answers
	luck    func() float64           // instead of the middle
}

func (w *world) violated(format string, args ...any) {
	if w.bad == "" {
		w.bad = fmt.Sprintf(format, args...)
	}
}

func coreOfWorld(counter int) ([]byte, boot.Core) {
	data := bytes.Repeat([]byte{byte(counter), 0xAA}, 32)
	return data, boot.Core{Counter: uint64(counter), Length: int64(len(data)), Hash: sha256.Sum256(data)}
}

func (w *world) nature(c boot.Core) nature { return w.story.releases[c.Counter-1] }

// The machine.

func (w *world) now() time.Time           { return time.Unix(w.wall, 0) }
func (w *world) sinceBoot() time.Duration { return w.up }
func (w *world) disk() fsys.FS            { return w.layer }
func (w *world) sweep(bool) int           { return 0 }
func (w *world) shrink()                  {}
func (w *world) tidy()                    {}

func (w *world) chance() float64 {
	if w.luck != nil {
		return w.luck()
	}
	return 0.5
}

func (w *world) open(c boot.Core) (*os.File, error) {
	data, err := fsys.Read(w.layer, worldLayout.CoreFile(c.Counter, hexOf(c.Hash)), 1<<10)
	if err != nil {
		return nil, err
	}
	if !w.broken.blind && (sha256.Sum256(data) != c.Hash || int64(len(data)) != c.Length) {
		return nil, store.ErrUnsound
	}
	return nil, nil
}

func (w *world) launch(_ *os.File, p *process) error {
	n := int(p.core.Counter)
	w.starting(n, p)
	f := &fake{w: w, p: p, number: p.number, core: p.core, nature: w.nature(p.core), active: p.nonce == ""}
	p.child, p.stdin, p.done = f, f, make(chan struct{})
	w.cores = append(w.cores, f)
	f.begin(p.role)
	return nil
}

// metadata is what the stored trust says: how many releases there are, and which was withdrawn.
func (w *world) metadata() verdict {
	data, err := fsys.Read(w.layer, worldLayout.TrustCore()+"/world.json", 1<<10)
	var n, gone int
	if err == nil {
		_, err = fmt.Sscanf(string(data), "{%d %d}", &n, &gone)
	}
	if err != nil {
		w.violated("the stored metadata is torn: %q %v", data, err)
		return verdict{refused: "unreadable"}
	}
	v := verdict{issued: dayOne - 3600}
	if w.listing != nil {
		v.cores = w.listing(w.wall)
		return v
	}
	for i := 1; i <= n; i++ {
		if _, c := coreOfWorld(i); i != gone {
			v.cores = append(v.cores, signed{Core: c, version: fmt.Sprintf("9.9.%d", i), channel: "stable", soak: soakOfWorld, open: 100})
		}
	}
	return v
}

func (w *world) verify() { w.s.verdicts <- w.metadata() }

func (w *world) look(errand) {
	if w.out {
		w.s.looking.found <- looked{trouble: "no mirror answers", word: "unreachable"}
		return
	}
	news := fmt.Appendf(nil, "{%d %d}", w.published, w.gone)
	old, _ := fsys.Read(w.layer, worldLayout.TrustCore()+"/world.json", 1<<10)
	if !bytes.Equal(news, old) {
		c := change{name: "world.json", from: "1.world.json", hash: sha256.Sum256(news), length: int64(len(news))}
		if err := takeOver(w.layer, worldLayout.TrustCore(), bytes.NewReader(news), c); err != nil {
			w.s.looking.found <- looked{trouble: err.Error(), word: "failed"}
			return
		}
	}
	w.s.looking.found <- looked{verdict: w.metadata()}
}

func (w *world) bring(_ errand, c choice, _ boot.Core) {
	b := brought{choice: c, came: "as=full bytes=64"}
	data, core := coreOfWorld(int(c.core.Counter))
	switch _, err := w.open(core); {
	case err == nil:
		data = nil // it is here: Place syncs it
	case w.out:
		b.err, b.word = io.ErrUnexpectedEOF, "unreachable"
	}
	if b.err == nil {
		if b.err = w.s.store().Place(store.Entry{Counter: core.Counter, Hash: core.Hash}, core.Length, bytes.NewReader(data)); b.err != nil {
			b.word = "failed"
		}
	}
	w.s.looking.got <- b
}

// fake is a core.
type fake struct {
	w                          *world
	p                          *process
	number                     int
	core                       boot.Core
	nature                     nature
	active, ready, quiet, gone bool
	drains                     bool // was told to
}

func (f *fake) say(line string) {
	if !f.gone {
		f.w.heard = append(f.w.heard, event{number: f.number, line: line})
	}
}

func (f *fake) end(exit platforms.Exit) {
	if !f.gone {
		f.gone = true
		f.w.heard = append(f.w.heard, event{number: f.number, ended: true, exit: exit})
	}
}

// begin is its start.
func (f *fake) begin(role boot.Role) {
	w := f.w
	switch {
	case f.nature == dead:
		f.fails(3)
	case f.nature == deaf:
	case f.nature == victim && !w.spared && role == boot.TrialRole:
		w.spared = true
		f.end(platforms.Exit{Code: -1, Signal: 9})
	default:
		f.ready = true
		f.say("ready 9.9." + counter(f.core))
		f.speak()
		f.acts()
	}
}

// acts is what it does once it schedules.
func (f *fake) acts() {
	switch {
	case !f.active:
	case f.nature == deadLater:
		f.fails(7)
	case f.nature == hangs:
		f.quiet = true
	}
}

// fails is an end of its own doing.
func (f *fake) fails(code int) {
	if r := f.w.s.record; r.Trial == f.core {
		f.w.own[f.core.Counter-1]++
	}
	f.end(platforms.Exit{Code: code})
}

// speak is what a core says every few seconds.
func (f *fake) speak() {
	if f.gone || f.quiet || !f.ready {
		return
	}
	if f.nature == rots && f.w.settled[f.core.Counter-1] && f.active {
		f.fails(5)
		return
	}
	const local, network = 1 << 10, 1 << 20
	holds, judged := uint64(1|2|4|8|16|local|network), uint64(1|4|8|16)
	if f.active {
		judged |= 2 | local | network
	}
	if f.w.out || f.w.refused {
		holds &^= sessionBit
		if f.w.story.happening == dark {
			holds &^= network
		}
	}
	if f.nature == breaks && f.active {
		holds &^= local
	}
	f.say("alive")
	f.say(fmt.Sprintf("checks %016x %016x", holds, judged))
}

// Pid, Kill and the calls of its stdin are what the supervisor does to it.
func (f *fake) Pid() int { return 1000 + f.number }

func (f *fake) Kill() {
	if f.w.over.Load() {
		return
	}
	f.w.ending(f)
	f.end(platforms.Exit{Code: -1, Signal: 9})
}

func (f *fake) Close() error                     { return nil }
func (f *fake) SetWriteDeadline(time.Time) error { return nil }

func (f *fake) Write(b []byte) (int, error) {
	f.w.said = append(f.w.said, string(b))
	word, _, _ := strings.Cut(strings.TrimSpace(string(b)), " ")
	f.drains = f.drains || word == "drain"
	switch {
	case f.gone || f.quiet:
	case word == "drain" && f.nature != stubborn:
		f.say("handover book 0")
		f.say("drained")
		f.end(platforms.Exit{})
	case word == "activate":
		f.active = true
		f.acts()
	case word == "stop":
		f.end(platforms.Exit{})
	}
	return len(b), nil
}
