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

// takeoverEvery is how often the generations of another core that still lives are tried again.
const takeoverEvery = 2 * time.Second

// Open opens the buffer in whatever state it is found, closes the generations of former cores (those
// whose cores still live are taken over later), and begins a new one. Runs that a kill cut off are
// appended as LostRun. It fails only where nothing could be kept anyway: the folder cannot be read.
// A full disk is no error here.
func Open(o Options) (*Buffer, error) {
	o = o.withDefaults()
	found, err := epochs(o.FS, o.Dir)
	if err != nil {
		return nil, err
	}
	k := newKeeper(o)
	var trails []trail
	var foreign []uint64
	for _, epoch := range found {
		k.newest = max(k.newest, epoch)
		g, t, err := load(o, epoch)
		switch {
		case errors.Is(err, platforms.ErrLocked):
			foreign = append(foreign, epoch)
		case err != nil:
			o.Log.Error("generation not readable, left alone", "generation", generationName(epoch), "err", err)
		default:
			k.generations = append(k.generations, g)
			trails = append(trails, t)
		}
	}
	former := slices.Clone(k.generations)
	k.beginGeneration()
	k.sweep()
	go k.loop()
	b := &Buffer{k: k}
	b.stateLost(former, trails)
	if len(foreign) > 0 {
		b.foreign.Store(int64(len(foreign)))
		go b.takeOver(foreign)
	}
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
	g, err := list(o.FS, dir, epoch, o.Now())
	if err != nil {
		if held != nil {
			held.Close()
		}
		return nil, trail{}, err
	}
	g.lock = held
	t := g.readEnd(o.FS)
	if g.cursor.settled {
		return g, trail{ended: t.ended}, nil
	}
	g.owed = true
	// What a killed core wrote and did not sync counts as written: it must not be sent before it is.
	if err := g.settle(o.FS); err != nil {
		o.Log.Warn("generation not synced", "generation", generationName(epoch), "err", err)
	}
	return g, t, nil
}

// readEnd finds what was written last and what the last segment says of runs: the last one whose
// header was written whole, for every segment begins with the marks of the runs under way.
func (g *generation) readEnd(d fsys.FS) trail {
	var t trail
	g.written = g.cursor.acked
	for i := len(g.segments) - 1; i >= 0; i-- {
		last := g.segments[i].first - 1
		g.scanSegment(d, i, func(r record) bool {
			if r.kind == kindItem {
				last = max(last, r.seq)
			}
			t.follow(r)
			return true
		})
		g.written = max(g.written, last)
		if !g.segments[i].begun.IsZero() {
			return t
		}
	}
	return t
}

// scanSegment gives the records of segment i to each, until it says false.
func (g *generation) scanSegment(d fsys.FS, i int, each func(record) bool) {
	f, err := d.Open(g.segmentPath(g.segments[i].first), os.O_RDONLY, 0)
	if err != nil {
		return
	}
	defer f.Close()
	s := newScan(f, g.segments[i].size, g.epoch, segmentHeader)
	s.last = g.segments[i].first - 1
	for r, ok := s.next(); ok && each(r); r, ok = s.next() {
	}
}

// stateLost appends the runs that a kill cut off, then settles the generations that named them.
func (b *Buffer) stateLost(named []*generation, trails []trail) {
	lost := lostRuns(trails)
	results := make(chan error, len(lost))
	if !b.k.do(func() {
		for _, x := range lost {
			b.k.state(x.item(), func(err error) { results <- err })
		}
	}) {
		return
	}
	for range lost {
		if err := <-results; err != nil {
			b.k.log.Error("lost runs not stated, tried again at the next start", "err", err)
			return
		}
	}
	b.k.do(func() {
		for _, g := range named {
			g.owed = false
		}
		b.k.settleClosed()
	})
}

// takeOver waits for the end of the cores that hold the generations named, and takes these over.
func (b *Buffer) takeOver(foreign []uint64) {
	tick := time.NewTicker(takeoverEvery)
	defer tick.Stop()
	for len(foreign) > 0 {
		select {
		case <-tick.C:
		case <-b.k.gone:
			return
		}
		var left []uint64
		for _, epoch := range foreign {
			if b.takeOne(epoch) {
				continue
			}
			left = append(left, epoch)
		}
		foreign = left
		b.foreign.Store(int64(len(left)))
	}
}

// takeOne says whether the matter is settled: taken over, or gone.
func (b *Buffer) takeOne(epoch uint64) bool {
	g, t, err := load(b.k.o, epoch)
	switch {
	case errors.Is(err, platforms.ErrLocked):
		return false
	case errors.Is(err, fs.ErrNotExist):
		return true // its core drained and removed it
	case err != nil:
		b.k.log.Error("generation not readable, left alone", "generation", generationName(epoch), "err", err)
		return true
	}
	if !b.k.do(func() { b.k.adopt(g) }) {
		if g.lock != nil {
			g.lock.Close()
		}
		return true
	}
	b.stateLost([]*generation{g}, []trail{t})
	return true
}

// adopt puts a generation among those kept.
func (k *keeper) adopt(g *generation) {
	at := 0
	for at < len(k.generations) && k.generations[at].epoch < g.epoch {
		at++
	}
	k.generations = append(k.generations[:at], append([]*generation{g}, k.generations[at:]...)...)
	k.newest = max(k.newest, g.epoch)
	k.wake()
	k.scheduleSweep()
}
