package buffer

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"
	"unsafe"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

const (
	// syncEvery is the longest an append waits for its sync to begin, and so also how often there is
	// one under load: 20 a second.
	syncEvery = 50 * time.Millisecond
	// syncGathers is how long an append on an idle disk waits for others to come with it: checks that
	// run together then cost one sync, one batch and one acknowledgement instead of two or three of each.
	syncGathers = 10 * time.Millisecond
	// restAfterFailure keeps a failing disk from being asked, and a new generation from being begun,
	// for each append.
	restAfterFailure = time.Second
	// maxWaiting bounds the appends between two syncs: at a million results in flight something else
	// is wrong.
	maxWaiting = 1 << 16
)

// Causes of a failed append.
var (
	ErrClosed   = errors.New("the buffer is closed")
	ErrTooLarge = fmt.Errorf("the item is larger than %d bytes", wire.MaxRecord)
	errNotKept  = errors.New("not kept here")
	errBusy     = errors.New("too many appends wait for the disk")
	// ErrHeld says that an item waits in memory: the folder takes no files now.
	ErrHeld = errors.New("kept in memory until the disk takes it")
)

// keeper owns all that changes: generations, the writer, cursors. Every method but loop runs in its
// goroutine.
type keeper struct {
	o    Options
	disk fsys.FS
	log  *slog.Logger

	ops    chan func()
	intake intake
	spare  []handed // for intake
	synced chan error
	quit   chan struct{} // closed by Close
	gone   chan struct{} // closed when the loop has ended
	notify chan struct{}

	generations []*generation // by epoch; the live one among them
	newest      uint64        // the highest epoch ever seen here
	live        *writer
	splits      []*writer // of generations closed here, until what they wrote is synced
	runs        runs

	waiting      []waiter // written, not covered by a sync yet
	waitingSince time.Time
	inSync       []waiter // covered by the sync under way
	busy         bool     // a sync is under way
	lastSync     time.Time
	syncAt       *time.Timer
	gathers      bool // syncAt runs
	restTill     time.Time
	lost         lostAppends // not told
	recount      bool        // lost is otherwise than the disk has it
	held         held
	unlisted     bool // what lies in the folder could not be looked at yet

	sweepAt   *time.Timer
	dropAfter time.Time // no cap drops or frees anything before
	started   time.Time // monotonic
	stats     Stats
}

// waiter is an append that waits for its sync.
type waiter struct {
	g    *generation
	seq  uint64
	done func(seq uint64, err error) // called in the keeper's goroutine; does not block
}

// loop runs the keeper until Close.
func (k *keeper) loop() {
	defer close(k.gone)
	for {
		select {
		case <-k.intake.came:
			list := k.intake.take(k.spare)
			k.takeIn(list)
			clear(list)
			k.spare = list
		case op := <-k.ops:
			op()
		case err := <-k.synced:
			k.finishSync(err)
		case <-k.syncAt.C:
			k.startSync()
		case <-k.sweepAt.C:
			k.sweep()
		case <-k.quit:
			k.shut()
			return
		}
		k.keepLost()
	}
}

// do runs op in the keeper's goroutine and returns when it is done; false when the buffer is closed.
func (k *keeper) do(op func()) bool {
	done := make(chan struct{})
	select {
	case k.ops <- func() { op(); close(done) }:
		<-done
		return true
	case <-k.gone:
		return false
	}
}

// item is an append's content: an Item message without its seq, and what it says of runs.
type item struct {
	payload []byte
	large   string // stands behind payload, in the caller's memory; "" of most
	check   string // of a result or a lost run, "" for others
	start   int64
}

// append writes one item, which is told of once, when it is synced or has failed.
func (k *keeper) append(h handed) {
	if err := k.write(h.item); err != nil {
		if !k.holdBack(h, err) {
			k.refuse(err)
			h.done(0, err)
		}
		return
	}
	k.accept(h.item, h.done)
	k.scheduleSync()
	k.tellLost()
}

func (k *keeper) write(it item) error {
	if len(it.payload)+len(it.large)+20 > maxPayload {
		return ErrTooLarge
	}
	if len(k.waiting) >= maxWaiting {
		return errBusy
	}
	if err := k.rested(); err != nil {
		return err
	}
	e := entry{kind: kindItem, seq: k.live.next, check: it.check, payload: it.payload}
	if it.large == "" {
		e.payload = numbered(e.payload, e.seq)
	} else {
		e.large, e.end = unsafe.Slice(unsafe.StringData(it.large), len(it.large)), numbered(nil, e.seq)
	}
	return k.writeRecord(e)
}

func (k *keeper) writeRecord(e entry) error {
	if err := k.hold(); err != nil {
		return err
	}
	return k.live.write(e, k.runs.payloads, k.o.Now())
}

// hold takes the live generation's lock before the first thing is written to it. Where another core
// that opens the buffer was quicker and took the folder for one left behind, it begins another one.
func (k *keeper) hold() error {
	if err := k.look(); err != nil {
		return placeError{err}
	}
	if k.o.Lock == nil || k.live.g.lock != nil {
		return nil
	}
	err := k.lockLive()
	if errors.Is(err, platforms.ErrLocked) {
		lost := k.live.g
		k.generations = slices.DeleteFunc(k.generations, func(g *generation) bool { return g == lost })
		k.beginGeneration()
		err = k.lockLive()
	}
	if err != nil {
		k.live.g.made = false
		return placeError{fmt.Errorf("begin generation: %w", err)}
	}
	return nil
}

// look lists what lies in the folder before anything is made there, where Open was not let in: no epoch may be given that is not above those.
func (k *keeper) look() error {
	if !k.unlisted {
		return nil
	}
	found, err := epochs(k.disk, k.o.Dir)
	if err != nil {
		return err
	}
	k.unlisted = false
	if n := len(found); n > 0 && found[n-1] > k.newest {
		k.newest = found[n-1]
		unmade := k.live.g
		k.generations = slices.DeleteFunc(k.generations, func(g *generation) bool { return g == unmade })
		k.beginGeneration()
		k.wake()
	}
	return nil
}

func (k *keeper) lockLive() error {
	if err := k.live.makeFolder(); err != nil {
		return err
	}
	lock, err := k.o.Lock(filepath.Join(k.live.g.dir, lockName))
	if err != nil {
		return err
	}
	k.live.g.lock = lock
	return nil
}

func (k *keeper) rested() error {
	if time.Now().Before(k.restTill) {
		return fmt.Errorf("the disk failed a moment ago: %s", k.stats.LastError)
	}
	return nil
}

// state appends an item of the buffer's own; then is called when it is synced or has failed.
func (k *keeper) state(i *wire.Item, then func(error)) {
	it, err := encode(i)
	if err != nil {
		then(err)
		return
	}
	k.append(handed{item: it, done: func(_ uint64, err error) { then(err) }})
}

// beginGeneration closes the live generation, if there is one, and begins the next in memory; on disk
// it begins with its first record.
func (k *keeper) beginGeneration() {
	if k.live != nil {
		k.live.g.closed = true
	}
	g := &generation{epoch: k.newEpoch(), boot: k.o.BootID, opened: time.Now(), ours: true, cursor: cursor{owner: k.o.Owner}}
	g.dir = filepath.Join(k.o.Dir, generationName(g.epoch))
	k.generations = append(k.generations, g)
	k.live = newWriter(k.disk, g, k.o.SegmentBytes)
}

func (k *keeper) newEpoch() uint64 {
	k.newest = newEpoch(k.newest, k.o.Now(), k.o.TimeFloor)
	return k.newest
}

// split closes the live generation and begins the next, which carries the marks of the runs under way.
func (k *keeper) split() error {
	old := k.live
	k.beginGeneration()
	old.retire()
	k.splits = append(k.splits, old)
	if len(k.runs.payloads) > 0 {
		if err := k.hold(); err != nil {
			return err
		}
		if err := k.live.begin(k.runs.payloads, k.o.Now()); err != nil {
			return err
		}
	}
	k.settleClosed()
	k.wake()
	return nil
}

func (k *keeper) wake() {
	select {
	case k.notify <- struct{}{}:
	default:
	}
}

func (k *keeper) find(epoch uint64) (*generation, error) {
	for _, g := range k.generations {
		if g.epoch == epoch {
			return g, nil
		}
	}
	return nil, fmt.Errorf("generation %016x: %w", epoch, errNotKept)
}

// shut finishes what waits and gives everything back.
func (k *keeper) shut() {
	k.takeIn(k.intake.end())
	k.putHeld(true)
	for k.busy || len(k.waiting) > 0 {
		if !k.busy {
			k.startSync()
		}
		k.finishSync(<-k.synced)
	}
	k.keepLost()
	k.syncAt.Stop()
	k.sweepAt.Stop()
	for _, w := range append(k.splits, k.live) {
		w.abandon()
	}
	for _, g := range k.generations {
		k.release(g)
	}
}

func (k *keeper) release(g *generation) {
	if g.lock == nil {
		return
	}
	if err := g.lock.Close(); err != nil {
		k.log.Warn("generation not unlocked", "generation", generationName(g.epoch), "err", err)
	}
	g.lock = nil
}
