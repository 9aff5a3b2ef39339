package main

import (
	"crypto/rand"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/plain"
	"github.com/limpet-monitoring/limpet/updater/boot"
	"github.com/limpet-monitoring/limpet/updater/store"
)

// swap is the part of the supervisor's state that is about more than one core.
type swap struct {
	next     *process   // in standby beside core
	draining []*process // were core, and finish what runs
	handing  bool       // core was told to drain, its handover is awaited
	hand     *time.Timer
	soak     soak   // of core, where it is the trial
	judge    *judge // good runs again: was it the trial?
	alone    int    // how often the trial had no session and good then had one
	aloneFor boot.Core
	deaths   int  // of core while next waits
	wasWell  bool // good was ready when next was started

	notBefore time.Duration // since boot: the trial starts no sooner
	down      time.Duration // for which good has not been ready
	session   time.Duration // since boot: when good last had a session; 0 never
	foreign   time.Duration // for which somebody else has held state/lock
	owned     bool          // a core of ours was seen to hold it
	verdicts  []time.Duration
}

// processes are all cores that run.
func (s *supervisor) processes() []*process {
	list := slices.Clone(s.swap.draining)
	for _, p := range []*process{s.core, s.swap.next} {
		if p != nil {
			list = append(list, p)
		}
	}
	return list
}

// activated reports whether the trial runs the schedule.
func (s *supervisor) activated() bool { return s.core != nil && s.core.role == boot.TrialRole }

// wall is Unix seconds that are never behind what is proved to have passed.
func (s *supervisor) wall() int64 { return s.now().Unix() }

func (s *supervisor) soakTime() time.Duration {
	if s.record.Soak == 0 {
		return defaultSoak * time.Second
	}
	return time.Duration(s.record.Soak) * time.Second
}

// swapTick looks at everything that time decides in a swap.
func (s *supervisor) swapTick(elapsed time.Duration) {
	elapsed = min(elapsed, tick+late)
	if s.core != nil && s.core.watch.ready {
		s.swap.down = 0
	} else {
		s.swap.down += elapsed
	}
	for _, p := range s.swap.draining {
		if p.drained += elapsed; p.drained >= p.drainFor {
			s.end(p, "overdue")
		}
	}
	s.oustHolder(elapsed)
	if n := s.swap.next; n != nil && n.role == boot.TrialRole && !n.said && n.watch.well >= aliveTime {
		s.end(n, "hang")
	}
	switch {
	case s.stopping:
	case s.activated() && s.swap.next == nil && s.core.killed == "":
		s.soakOn(elapsed)
	case s.swap.judge != nil && s.core != nil && s.core.watch.ready && s.core.role != boot.TrialRole:
		s.judgeOn(elapsed)
	default:
		s.tryTrial()
	}
}

// tryTrial starts the trial beside good, when its time has come.
func (s *supervisor) tryTrial() {
	t := s.record.Trial
	wait := min(settleTime, s.soakTime())
	well := s.core != nil && s.core.watch.ready && s.core.watch.well >= wait && s.core.role != boot.TrialRole
	switch {
	case t.None() || s.stopping || s.swap.next != nil || s.swap.judge != nil || s.activated() || len(s.swap.draining) > 0:
		return
	case s.machine.sinceBoot() < s.swap.notBefore || !well && s.swap.down < wait:
		return
	}
	image, err := s.machine.open(t)
	if errors.Is(err, store.ErrUnsound) || errors.Is(err, os.ErrNotExist) {
		s.log.warn("the trial on this disk is damaged: it is brought again", "release", counter(t), "err", err.Error())
		s.drop("damaged")
		s.lookSoon(time.Second)
		return
	}
	if err != nil {
		s.log.warn("the trial cannot be opened", "release", counter(t), "err", err.Error())
		s.swap.notBefore = s.machine.sinceBoot() + mostTryWait
		return
	}
	defer image.Close()
	a := s.decide(boot.Start{Baseline: s.baseline(), Now: s.wall()})
	s.swap.notBefore = s.machine.sinceBoot() + tryWait(s.record.Starts, s.soakTime())
	if s.unsaved { // nothing was started: it is asked for again as soon as after a first start
		s.swap.notBefore = s.machine.sinceBoot() + tryWait(1, s.soakTime())
	}
	if a.Do != boot.Try {
		s.closed(a, "")
		return
	}
	s.swap.wasWell = well
	s.note("start", t, "starts="+strconv.Itoa(int(s.record.Starts))+" tries="+strconv.Itoa(int(s.record.Tries)))
	if err := s.standby(image, a); err != nil {
		s.log.failed("the trial cannot be started", "release", counter(t), "err", err.Error())
	}
}

// baseline is what holds under good now; a session that good had within the hour counts.
func (s *supervisor) baseline() uint64 {
	p := s.core
	if p == nil || !p.watch.ready || !p.said {
		return basicBits
	}
	held := p.holds & p.judged
	if s.swap.session > 0 && s.machine.sinceBoot()-s.swap.session < sessionAge {
		held |= sessionBit
	}
	return held
}

// standby starts a core beside the one that runs, and tells that one.
func (s *supervisor) standby(image *os.File, a boot.Action) error {
	nonce := make([]byte, 16)
	rand.Read(nonce) // never fails
	s.number++
	p := &process{number: s.number, core: a.Core, role: a.Role, version: s.versions[a.Core.Counter], started: time.Now(), nonce: plain.Hex(nonce)}
	if info, err := os.Stat(s.layout.CoreLog()); err == nil {
		p.logFrom = info.Size()
	}
	s.tellTo(s.core, "successor "+p.nonce)
	if err := s.machine.launch(image, p); err != nil {
		return err
	}
	s.swap.next, s.swap.deaths = p, 0
	s.log.info("core started in standby", "release", counter(a.Core), "role", a.Role.String(), "pid", strconv.Itoa(p.child.Pid()))
	s.tellAll()
	return nil
}

// nextReady hands the schedule over to the core in standby, once both are able to.
func (s *supervisor) nextReady() {
	n := s.swap.next
	if n == nil || !n.watch.ready || s.swap.handing || s.stopping {
		return
	}
	if n.role == boot.TrialRole && !n.said {
		return // `ready` proves that it opened everything, its `checks` that its loop runs: before, good is left alone
	}
	if s.core != nil && s.core.watch.ready && s.core.killed == "" {
		s.swap.handing = true
		s.tellTo(s.core, "drain "+strconv.Itoa(int(drainTime/time.Second)))
		s.swap.hand.Reset(handTime)
		return
	}
	if n.role == boot.TrialRole && s.swap.wasWell && s.swap.deaths < 2 {
		return // good died just now: it comes again, and the trial waits
	}
	if s.core != nil { // it is not ready and cannot be asked: left to itself it would schedule too, once it is
		s.end(s.core, "no-handover")
	}
	s.activate("")
}

// handedOver is the core's `handover FILE SECONDS`.
func (s *supervisor) handedOver(rest string) {
	f := strings.Fields(rest)
	file := ""
	if len(f) > 0 && plainName(f[0]) {
		file = f[0]
	} else {
		s.log.warn("the core hands over a file that lies elsewhere", "said", line(rest))
	}
	if len(f) > 1 {
		if n, err := strconv.ParseUint(f[1], 10, 16); err == nil {
			s.core.drainFor = min(time.Duration(n)*time.Second+drainGrace, drainTime)
		}
	}
	s.activate(file)
}

// overdue is when no handover came: the core is ended, its successor works with what state/checks holds.
func (s *supervisor) overdue() {
	if !s.swap.handing {
		return
	}
	s.log.warn("the core gives no handover and is ended")
	s.end(s.core, "no-handover")
	s.activate("")
}

// activate makes the core in standby the one that schedules.
func (s *supervisor) activate(file string) {
	old, n := s.core, s.swap.next
	s.core, s.swap.next, s.swap.handing = n, nil, false
	if old != nil {
		if old.drainFor == 0 {
			old.drainFor = drainTime
		}
		s.swap.draining = append(s.swap.draining, old)
	}
	s.tellTo(n, strings.TrimSpace("activate "+file))
	s.swap.soak = soak{need: s.soakTime()}
	s.enter(running)
	s.log.info("core activated", "release", counter(n.core), "role", n.role.String(), "handover", file)
	s.note("activate", n.core, "role="+n.role.String())
	if n.role == boot.TrialRole {
		s.alarms.clear("repair", "restarting", "no-core")
	}
	s.tellAll()
}

// soakOn watches the trial that runs the schedule, and commits it.
func (s *supervisor) soakOn(elapsed time.Duration) {
	p := s.core
	switch out, broken := s.swap.soak.pass(elapsed, p.watch.quiet, s.record.Baseline, p.holds, p.judged); out {
	case idle:
		s.log.failed("the trial was activated and does not schedule", "release", counter(p.core))
		s.end(p, "hang")
	case soaked:
		before := s.record.Good
		if a := s.decide(boot.Commit{Now: s.wall()}); a.Do != boot.Settle {
			return // the record cannot be written: it soaks on
		}
		p.role = boot.GoodRole
		s.note("commit", p.core, "from="+counter(before))
		s.log.info("release committed", "release", counter(p.core), "version", p.version)
		s.collect()
		s.lookSoon(time.Second)
		s.tellAll()
	case broke:
		s.goBack(broken)
	}
}

// oustHolder ends a core of an earlier stub that still holds state/lock.
func (s *supervisor) oustHolder(elapsed time.Duration) {
	if s.swap.owned || s.core == nil {
		return
	}
	pid, err := platforms.Holder(s.layout.Lock())
	if err != nil || pid == 0 {
		s.swap.foreign = 0
		return
	}
	for _, p := range s.processes() {
		if p.child.Pid() == pid {
			s.swap.owned = true
			return
		}
	}
	if s.swap.foreign += elapsed; s.swap.foreign < holderTime {
		return
	}
	s.swap.foreign = 0
	if err := platforms.KillBelow(pid, s.layout.Ver); err != nil {
		s.log.warn("a process that is no core of ours holds state/lock", "pid", strconv.Itoa(pid), "err", err.Error())
		return
	}
	s.log.warn("a core of an earlier stub held state/lock and was ended", "pid", strconv.Itoa(pid))
}
