package buffer

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// Open opens the buffer in whatever state it is found, closes the generations of former cores (those
// whose cores still live are taken over later), and begins a new one. Runs that a kill cut off are
// appended as LostRun. It fails only where nothing could be kept anyway: what the folder's name leads to is none, or its disk does not read.
// A full disk is no error here, nor is a folder that this agent may not use: it is looked at again until it may.
func Open(o Options) (*Buffer, error) {
	o = o.withDefaults()
	k := newKeeper(o)
	found, err := epochs(o.FS, o.Dir)
	if Closed(err) {
		k.unlisted = true // it may be given back: results wait in memory until then
		o.Log.Error("the buffer is closed to this agent", "err", err)
	} else if err != nil {
		return nil, err
	}
	var trails []trail
	var foreign []uint64
	for _, epoch := range found {
		k.newest = max(k.newest, epoch)
		g, t, err := load(o, epoch)
		switch {
		case errors.Is(err, platforms.ErrLocked):
			foreign = append(foreign, epoch)
		case Closed(err):
			foreign = append(foreign, epoch)
			o.Log.Error("generation closed to this agent, tried again", "generation", generationName(epoch), "err", err)
		case err != nil:
			o.Log.Error("generation not readable, left alone", "generation", generationName(epoch), "err", err)
		default:
			g.adopt(o.Owner)
			k.generations = append(k.generations, g)
			k.inherit(g)
			trails = append(trails, t)
		}
	}
	ageByClock(k.generations, o.Now())
	former := slices.Clone(k.generations)
	lost := lostRuns(o, former, trails)
	k.beginGeneration()
	k.sweep()
	go k.loop()
	b := &Buffer{k: k, again: make(chan struct{}, 1)}
	b.dropStrange()
	b.stateLost(former, lost)
	b.foreign.Store(int64(len(foreign)))
	if k.unlisted {
		b.foreign.Store(unknownForeign)
	}
	go b.takeOver()
	return b, nil
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.FS == nil {
		o.FS = fsys.Disk{}
	}
	if _, real := o.FS.(fsys.Disk); real && o.Lock == nil {
		o.Lock = take
	}
	if _, real := o.FS.(fsys.Disk); real && o.BootID == "" {
		o.BootID = bootID(o.Log)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.MaxBytes = or(o.MaxBytes, DefaultMaxBytes)
	o.MaxAge = or(o.MaxAge, DefaultMaxAge)
	o.Retain = or(o.Retain, DefaultRetain)
	o.SegmentBytes = or(o.SegmentBytes, DefaultSegmentBytes)
	return o
}

// bootID names this boot; results of a box that cannot tell carry none.
func bootID(log *slog.Logger) string {
	id, err := platforms.BootID()
	if err != nil {
		log.Warn("boot not known", "err", err)
	}
	return id
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// lock closes a platforms.Lock.
type lock struct{ *platforms.Lock }

func (l lock) Close() error { return l.Release() }

func take(path string) (io.Closer, error) {
	l, err := platforms.Take(path)
	if err != nil {
		return nil, err
	}
	return lock{l}, nil
}

func newKeeper(o Options) *keeper {
	k := &keeper{
		o:       o,
		disk:    o.FS,
		log:     o.Log,
		ops:     make(chan func()),
		intake:  intake{came: make(chan struct{}, 1)},
		synced:  make(chan error, 1),
		quit:    make(chan struct{}),
		gone:    make(chan struct{}),
		notify:  make(chan struct{}, 1),
		syncAt:  time.NewTimer(time.Hour),
		sweepAt: time.NewTimer(time.Hour),
		started: time.Now(),
	}
	k.syncAt.Stop()
	k.sweepAt.Stop()
	return k
}

// epochs are those of the generations on disk, in order.
func epochs(d fsys.FS, dir string) ([]uint64, error) {
	names, err := d.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open buffer: %w", err)
	}
	var found []uint64
	for _, name := range names { // sorted, and so are numbers of one width
		if epoch, ok := parseGeneration(name); ok {
			found = append(found, epoch)
		}
	}
	return found, nil
}

// load takes a former core's generation over. The cause of the error is platforms.ErrLocked when that
// core still lives.
func load(o Options, epoch uint64) (*generation, trail, error) {
	dir := filepath.Join(o.Dir, generationName(epoch))
	var held io.Closer
	if o.Lock != nil {
		var err error
		if held, err = o.Lock(filepath.Join(dir, lockName)); err != nil {
			return nil, trail{}, err
		}
	}
	g, err := list(o.FS, dir, epoch)
	if err != nil {
		if held != nil {
			held.Close()
		}
		return nil, trail{}, err
	}
	g.lock = held
	t := g.readEnd(o.FS)
	if g.cursor.owner != 0 && g.cursor.owner != o.Owner || g.cursor.settled {
		return g, trail{}, nil // its runs are not this agent's, or are stated
	}
	g.owed = true
	// What a killed core wrote and did not sync counts as written: it must not be sent before it is.
	if err := g.settle(o.FS); err != nil {
		o.Log.Warn("generation not synced", "generation", generationName(epoch), "err", err)
	}
	return g, t, nil
}

// readEnd finds what was written last and what the end says of runs.
func (g *generation) readEnd(d fsys.FS) trail {
	var t trail
	g.written = g.cursor.acked
	for _, s := range g.segments {
		g.written = max(g.written, s.first-1)
	}
	g.scanEnd(d, func(r record) {
		g.written = max(g.written, r.seq)
		if !g.cursor.settled {
			t.follow(r)
		}
	})
	return t
}

// scanEnd gives the records of the end to each: those of the last segment whose header was written whole, for every segment begins with the marks of the runs
// under way, and of those behind it.
func (g *generation) scanEnd(d fsys.FS, each func(record)) {
	i := len(g.segments) - 1
	for i > 0 && g.segments[i].begun.IsZero() {
		i--
	}
	for ; i >= 0 && i < len(g.segments); i++ {
		g.scanSegment(d, i, func(r record) bool {
			each(r)
			return true
		})
	}
}

// scanSegment gives the records of segment i to each, until it says false.
func (g *generation) scanSegment(d fsys.FS, i int, each func(record) bool) {
	f, err := d.Open(g.segmentPath(g.segments[i].first), os.O_RDONLY, 0)
	if err != nil {
		return
	}
	defer f.Close()
	s := newScan(f, g.segments[i].size, g.epoch, g.segments[i].first)
	for r, ok := s.next(); ok && each(r); r, ok = s.next() {
	}
}

// stateLost appends the runs that a kill cut off, then settles the generations that named them. On a disk that takes nothing it is tried
// again until it does.
func (b *Buffer) stateLost(named []*generation, lost []run) {
	lost = b.stateRuns(lost)
	if len(lost) == 0 {
		b.settleNamed(named)
		return
	}
	b.k.log.Error("lost runs not stated, tried again", "runs", len(lost))
	go func() {
		tick := time.NewTicker(takeoverEvery)
		defer tick.Stop()
		for len(lost) > 0 {
			select {
			case <-tick.C:
				if b.Stats().LastError == "" { // something was kept since
					lost = b.stateRuns(lost)
				}
			case <-b.k.gone:
				return
			}
		}
		b.settleNamed(named)
	}()
}

// stateRuns appends lost runs and returns those that could not be.
func (b *Buffer) stateRuns(lost []run) (left []run) {
	results := make([]chan error, len(lost))
	if !b.k.do(func() {
		for i, x := range lost {
			results[i] = make(chan error, 1)
			b.k.state(x.item(), func(err error) { results[i] <- err })
		}
	}) {
		return lost
	}
	for i, x := range lost {
		if <-results[i] != nil {
			left = append(left, x)
		}
	}
	return left
}

// settleNamed settles generations whose lost runs are stated.
func (b *Buffer) settleNamed(named []*generation) {
	b.k.do(func() {
		for _, g := range named {
			g.owed = false
		}
		b.k.settleClosed()
	})
}
