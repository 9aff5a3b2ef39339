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
			g.adopt(o.Owner)
			k.generations = append(k.generations, g)
			trails = append(trails, t)
		}
	}
	former := slices.Clone(k.generations)
	k.beginGeneration()
	k.sweep()
	go k.loop()
	b := &Buffer{k: k, again: make(chan struct{}, 1)}
	b.dropStrange()
	b.stateLost(former, trails)
	b.foreign.Store(int64(len(foreign)))
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
	g, err := list(o.FS, dir, epoch, o.Now())
	if err != nil {
		if held != nil {
			held.Close()
		}
		return nil, trail{}, err
	}
	g.lock = held
	t := g.readEnd(o.FS)
	if g.cursor.owner != 0 && g.cursor.owner != o.Owner {
		return g, trail{}, nil // its runs are not this agent's
	}
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
	s := newScan(f, g.segments[i].size, g.epoch, g.segments[i].first)
	for r, ok := s.next(); ok && each(r); r, ok = s.next() {
	}
}

// stateLost appends the runs that a kill cut off, then settles the generations that named them. On a disk that takes nothing it is tried
// again until it does.
func (b *Buffer) stateLost(named []*generation, trails []trail) {
	lost := b.stateRuns(lostRuns(trails))
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

// LookAgain takes over the generations of cores that have gone: at once, and then for as long as some core holds any. A core
// that lives beside another calls it when that one has ended, or ends.
func (b *Buffer) LookAgain() {
	select {
	case b.again <- struct{}{}:
	default:
	}
}

// takeOver waits for the end of the cores that hold generations beside ours, and takes these over.
func (b *Buffer) takeOver() {
	tick := time.NewTicker(takeoverEvery)
	defer tick.Stop()
	unreadable := map[uint64]bool{}
	for {
		if b.foreign.Load() == 0 {
			tick.Stop()
		} else {
			tick.Reset(takeoverEvery)
		}
		select {
		case <-tick.C:
		case <-b.again:
		case <-b.k.gone:
			return
		}
		b.takeAll(unreadable)
	}
}

// unlockPause is how long the locks of one core may take to be given up one after the other, when it was killed.
const unlockPause = 20 * time.Millisecond

// takeAll takes over what can be had. The generations of one core are judged together: a run that one of them names may have
// its result in another.
func (b *Buffer) takeAll(unreadable map[uint64]bool) {
	var taken []*generation
	var trails []trail
	take := func(found []uint64) (locked []uint64) {
		for _, epoch := range found {
			if unreadable[epoch] {
				continue
			}
			g, t, err := load(b.k.o, epoch)
			switch {
			case errors.Is(err, platforms.ErrLocked):
				locked = append(locked, epoch)
			case errors.Is(err, fs.ErrNotExist): // its core drained and removed it
			case err != nil:
				unreadable[epoch] = true
				b.k.log.Error("generation not readable, left alone", "generation", generationName(epoch), "err", err)
			default:
				g.adopt(b.k.o.Owner)
				taken, trails = append(taken, g), append(trails, t)
			}
		}
		return locked
	}
	locked := take(b.beside())
	if len(taken) > 0 && len(locked) > 0 {
		time.Sleep(unlockPause)
		locked = take(locked)
	}
	b.foreign.Store(int64(len(locked)))
	if len(taken) == 0 {
		return
	}
	if !b.k.do(func() {
		for _, g := range taken {
			b.k.adopt(g)
		}
	}) {
		for _, g := range taken {
			b.k.release(g) // the keeper has ended
		}
		return
	}
	b.dropStrange()
	b.stateLost(taken, trails)
}

// beside lists the generations on disk that are not kept here. It looks in the keeper's goroutine: nothing of ours is half removed then.
func (b *Buffer) beside() (found []uint64) {
	b.k.do(func() {
		all, err := epochs(b.k.o.FS, b.k.o.Dir)
		if err != nil {
			b.k.log.Error("generations of other cores not listed", "err", err)
		}
		for _, epoch := range all {
			if _, err := b.k.find(epoch); err != nil {
				found = append(found, epoch)
			}
		}
	})
	return found
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
