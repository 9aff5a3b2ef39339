package main

import (
	"os"
	"strconv"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
)

// publish writes the stub's view where it changed.
func (s *supervisor) publish() {
	v := s.view()
	s.text = v.append(s.text[:0])
	if string(s.text) == s.saved {
		return
	}
	if err := v.save(s.layout.RunStub()); err != nil {
		if s.saved != "" { // said once
			s.log.warn("status file cannot be written", "err", err.Error())
		}
		s.saved = ""
		return
	}
	s.saved, s.worked = string(s.text), true
	s.init("STATUS=" + string(s.state))
}

func (s *supervisor) view() view {
	v := view{
		pid: os.Getpid(), version: version, bootID: s.bootID, state: s.state, since: s.since.Unix(),
		restarts: s.restarts, last: s.last, warnings: s.alarms.list,
	}
	l := &s.looking
	v.channel, v.pin, v.hold = l.wish.Channel, l.wish.Pin, l.wish.Hold
	v.newest, v.word, v.text, v.looked, v.looks = l.newest.version, l.word, l.text, l.looked, l.looks
	if t := s.record.Trial; !t.None() {
		v.trial = releaseName(s.versions[t.Counter], t.Counter)
	}
	if phase := s.phase(); phase != "idle" {
		v.phase = phase
	}
	if p := s.core; p != nil {
		v.core = coreView{p.child.Pid(), p.version, p.core.Counter, p.core.Hash, p.role.String()}
	} else if good := s.record.Good; !good.None() {
		v.core = coreView{0, s.versions[good.Counter], good.Counter, good.Hash, "good"}
	}
	return v
}

// init tells the init system something, where it asked for it (systemd, Type=notify).
func (s *supervisor) init(message string) {
	socket := os.Getenv("NOTIFY_SOCKET")
	if socket == "" {
		return
	}
	if err := platforms.Notify(socket, message); err != nil {
		s.log.warn("init system is not notified", "err", err.Error())
	}
}

// pat pats the init system's watchdog in time.
func (s *supervisor) pat(now time.Duration) {
	if s.watchdog > 0 && now-s.patted >= s.watchdog-tick {
		s.patted = now
		s.init("WATCHDOG=1")
	}
}

// watchdogInterval is half of what systemd allows, 0 where it does not watch us.
func watchdogInterval() time.Duration {
	pid := os.Getenv("WATCHDOG_PID")
	us, err := strconv.ParseUint(os.Getenv("WATCHDOG_USEC"), 10, 40) // at most twelve days
	if err != nil || pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	return time.Duration(us) * time.Microsecond / 2
}
