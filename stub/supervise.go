package main

import (
	"errors"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/updater/boot"
	"github.com/limpet-monitoring/limpet/updater/store"
)

// reservedThreads is more than a stub was ever seen to have.
const reservedThreads = 8

// supervise is `limpet run`: it returns when it was asked to stop and nothing runs any more.
func supervise(l platforms.Layout, stderr io.Writer) error {
	staySmall()
	platforms.ReserveThreads(reservedThreads)
	setUmask()
	if err := l.MakeFolders(); err != nil {
		return err
	}
	lock, err := takeLock(l.StubLock())
	if err != nil {
		return err
	}
	defer lock.Release()
	own := &logFile{path: l.StubLog(), size: stubLogSize}
	defer own.Close()
	s := newSupervisor(l, &logger{tee{stderr, own}, time.Now})
	s.log.info("stub started", "version", version, "pid", strconv.Itoa(os.Getpid()), "root", l.Root)
	if err := platforms.AdoptOrphans(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		s.log.warn("orphans of a core will not be found", "err", err.Error())
	}
	stop, reload, child := heed(platforms.StopSignals), heed(platforms.ReloadSignals), heed(platforms.ChildSignals)
	_ = platforms.SetOOMScore(0, platforms.OOMStub) // best effort: without the right it is as any process
	s.begin()
	s.init("READY=1")
	s.loop(stop, reload, child)
	s.log.info("stub stopped")
	return nil
}

// heed is where some signals come in from now on; signal.Notify takes an empty list for all of them.
func heed(signals []os.Signal) <-chan os.Signal {
	to := make(chan os.Signal, 2) // being asked to stop twice means something
	if len(signals) > 0 {
		signal.Notify(to, signals...)
	}
	return to
}

// staySmall trades a little time for memory and wakes: the stub has next to nothing to do.
func staySmall() {
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(20)
	platforms.EaseMonitor(time.Millisecond)
}

// takeLock tries for a moment: `limpet status` looks at this lock too.
func takeLock(path string) (*platforms.Lock, error) {
	for end := time.Now().Add(300 * time.Millisecond); ; time.Sleep(20 * time.Millisecond) {
		lock, err := platforms.TakeStanding(path)
		if err == nil {
			return lock, nil
		}
		if !errors.Is(err, platforms.ErrLocked) {
			return nil, err
		}
		if time.Now().After(end) {
			return nil, &fault{exitSecondStub, "another limpet already runs here", "`limpet status` shows it; stop it first, or use another --root"}
		}
	}
}

// supervisor is the state of `limpet run`. One goroutine owns it: the one in loop.
type supervisor struct {
	layout  platforms.Layout
	machine machine
	log     *logger
	family  platforms.Family
	sectors *boot.Sectors
	record  boot.Record
	found   bool // there is a record
	unsaved bool // the last step that was decided could not be written

	core    *process // nil: none runs
	number  int      // of the last start
	backoff backoff
	sweep   bool // a core died; what it left behind is being ended

	events   chan event
	verdicts chan verdict
	asking   bool // a verifier is at work
	asked    time.Time
	retry    *time.Timer   // fires when a core is to be started
	deadline *time.Timer   // fires when a stopping core is to be killed
	before   time.Duration // of the last look
	within   time.Duration // in which the next one comes
	tidied   time.Time     // the machine's: when it gave back what garbage took

	state    state
	since    time.Time
	stopping bool
	restarts int
	last     string // how the last core ended
	alarms   alarms
	saved    string            // view as it was last written
	text     []byte            // room for the next
	versions map[uint64]string // of cores by counter, as far as they are known
	soaks    map[uint64]uint16 // of the same, in seconds
	swap     swap
	looking  looking
	bootID   string
	worked   bool // something that is shown has changed since memory was last given back
	watchdog time.Duration
	patted   time.Duration
}

func newSupervisor(l platforms.Layout, log *logger) *supervisor {
	id, err := platforms.BootID()
	if err != nil {
		log.warn("boot is not known", "err", err.Error())
	}
	s := &supervisor{
		layout: l, log: log, events: make(chan event), verdicts: make(chan verdict, 1),
		retry: idleTimer(), deadline: idleTimer(), state: starting, since: time.Now(), last: "none", watchdog: watchdogInterval(),
		versions: map[uint64]string{}, soaks: map[uint64]uint16{}, bootID: id,
		swap:    swap{hand: idleTimer()},
		looking: looking{found: make(chan looked, 1), got: make(chan brought, 1)},
		within:  tick,
	}
	s.on(system{s})
	return s
}

// on puts the supervisor on a machine, whose clock counts from here.
func (s *supervisor) on(m machine) {
	s.machine, s.before = m, m.sinceBoot()
	s.looking.due = s.before + lookFirst + time.Duration(m.chance()*float64(time.Minute))
}

func idleTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// begin reads the record and starts good, or asks the verifier what may be adopted.
func (s *supervisor) begin() {
	s.sectors, s.record, s.found = boot.Load(s.machine.disk(), records(s.layout))
	if s.found {
		s.act(s.decide(boot.Boot{}))
	} else {
		s.log.info("no valid record: looking for a signed core", "ver", s.layout.Ver)
	}
	s.looking.wish, _ = s.wishes()
	s.looking.came = lastCame(s.layout)
	s.ask()
	s.publish()
}

func records(l platforms.Layout) [2]string { return [2]string{l.Record(0), l.Record(1)} }

func (s *supervisor) loop(stop, reload, child <-chan os.Signal) {
	ticker := time.NewTicker(tick)
	for s.state != stopped {
		last := s.before
		select {
		case e := <-s.events:
			s.heardAndLook(e)
		case v := <-s.verdicts:
			s.verified(v)
		case <-ticker.C:
			s.tick()
		case <-s.retry.C:
			s.again()
		case f := <-s.looking.found:
			s.lookEnded(f)
		case b := <-s.looking.got:
			s.fetched(b)
		case <-s.swap.hand.C:
			s.overdue()
		case <-s.deadline.C:
			s.endAll("stop")
		case <-child:
			s.reap()
		case <-reload:
			s.reload()
		case <-stop:
			s.stop()
		}
		s.publish()
		s.pace(ticker, last)
	}
}

// heardAndLook takes what a core says, and looks, as long as we are awake: before, where the last look was long ago, as what has passed
// since then came before the line.
func (s *supervisor) heardAndLook(e event) {
	look := s.machine.sinceBoot()-s.before >= tick/2
	if look && s.within > tick {
		s.tick()
		look = false
	}
	s.heard(e)
	if look {
		s.tick()
	}
}

// pace says when the next look comes: a whole interval after one that just was. While nothing goes on the ticker is left alone, though lines bring looks
// too: a timer that is put off still wakes us when it was due.
func (s *supervisor) pace(ticker *time.Ticker, last time.Duration) {
	within := tick
	if s.calm() {
		within = calmTick
	}
	if within != s.within || within == tick && s.before != last {
		s.within = within
		ticker.Reset(within)
	}
}

// calm is when nothing goes on that looks could come too late for: one core runs, good, has been well for a minute, and said so just now.
func (s *supervisor) calm() bool {
	p, w, l := s.core, &s.swap, &s.looking
	return p != nil && p.role == boot.GoodRole && p.killed == "" && p.watch.healthy() && p.watch.quiet <= tick+late &&
		w.owned && w.next == nil && w.judge == nil && len(w.draining) == 0 && s.record.Trial.None() &&
		!l.busy && l.unkept == nil && l.due-s.before > calmTick && !s.asking && !s.stopping && !s.sweep && !s.worked &&
		(s.watchdog == 0 || s.watchdog > calmTick+late)
}

// decide takes one step of the record: it is durable before the action is returned.
func (s *supervisor) decide(e boot.Event) boot.Action {
	s.unsaved = false
	next, action := boot.Next(s.record, e)
	if next == s.record {
		return action
	}
	saved, err := s.sectors.Save(next)
	if err != nil {
		s.unsaved = true
		s.log.failed("the record cannot be written: nothing changes", "err", err.Error())
		s.alarms.set("record", "the record cannot be written: "+err.Error())
		switch {
		case !s.found:
			return boot.Action{Do: boot.Stay}
		case action.Do != boot.Run:
			return boot.Action{}
		}
		_, action = boot.Next(s.record, boot.Boot{})
		return action
	}
	s.alarms.clear("record")
	s.record, s.found = saved, true
	return action
}

// act does what was decided. A core that is unsound leads to the next decision at once, until
// something runs or nothing may.
func (s *supervisor) act(a boot.Action) {
	var unsound [][32]byte
	for a.Do == boot.Run {
		err := s.run(a)
		if err == nil {
			return
		}
		if !errors.Is(err, store.ErrUnsound) && !errors.Is(err, os.ErrNotExist) {
			s.log.failed("core cannot be started", "release", counter(a.Core), "err", err.Error())
			s.alarms.set("restarting", "the core cannot be started: "+err.Error())
			s.wait("start-failed", restarting)
			return
		}
		s.log.failed("core refused: its bytes are not the ones that were verified", "release", counter(a.Core), "role", a.Role.String(), "err", err.Error())
		unsound = append(unsound, a.Core.Hash)
		a = s.decide(boot.Unsound{Hashes: unsound})
	}
	if a.Do == boot.Stay {
		if s.alarms.set("no-core", "no core on this box hashes to what the record or the signed metadata names; `limpet-fetch bootstrap` places one") {
			s.log.failed("no core on this box may run; looking again", "hint", "limpet-fetch bootstrap places one")
		}
		s.looking.damaged = true
		s.lookSoon(time.Second)
		s.wait("no-core", noCore)
	}
}

// run starts one core by the descriptor that was hashed.
func (s *supervisor) run(a boot.Action) error {
	image, err := s.machine.open(a.Core)
	if err != nil {
		return err
	}
	defer image.Close()
	if err := fsys.Rotate(s.layout.CoreLog(), coreLogSize); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.log.warn("core log is not rotated", "err", err.Error())
	}
	s.number++
	p := &process{number: s.number, core: a.Core, role: a.Role, version: s.versions[a.Core.Counter], started: time.Now()}
	if err := s.machine.launch(image, p); err != nil {
		return err
	}
	s.core = p
	if err := unchanged(image, a.Core); err != nil {
		s.end(p, "unsound")
		s.log.failed("core changed while it was started", "release", counter(a.Core), "err", err.Error())
	}
	s.log.info("core started", "release", counter(a.Core), "role", a.Role.String(), "pid", strconv.Itoa(p.child.Pid()))
	s.enter(starting)
	s.alarms.clear("no-core")
	s.looking.damaged = a.Role != boot.GoodRole
	if a.Role == boot.GoodRole {
		s.alarms.clear("repair")
	} else {
		s.lookSoon(time.Second)
		s.alarms.set("repair", "the core that should run (release "+counter(s.record.Good)+") is damaged; "+a.Role.String()+" runs instead")
	}
	s.tellAll()
	return nil
}

// wait makes the core start again after a while that grows.
func (s *supervisor) wait(cause string, meanwhile state) {
	s.last = cause
	s.retry.Reset(s.backoff.next(s.machine.chance()))
	s.enter(meanwhile)
}

// again is when the wait is over.
func (s *supervisor) again() {
	switch {
	case s.stopping || s.core != nil:
	case s.swap.next != nil && s.swap.next.role != boot.TrialRole: // good is on its way in standby
	case s.found:
		s.startGood()
	default:
		s.ask()
	}
}

func (s *supervisor) enter(to state) {
	if s.state != to && !(s.stopping && to != stopped && to != stopping) {
		s.state, s.since = to, time.Now()
	}
}

func counter(c boot.Core) string { return strconv.FormatUint(c.Counter, 10) }
