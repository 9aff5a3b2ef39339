package main

import (
	"slices"
	"strconv"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

// goBack has good take over again, to see whether what broke holds under it.
func (s *supervisor) goBack(broken uint64) {
	s.log.warn("something that held broke under the trial: good runs again", "release", counter(s.core.core), "bits", strconv.FormatUint(broken, 16))
	s.note("broke", s.core.core, "bits="+strconv.FormatUint(broken, 16))
	s.swap.judge = &judge{broken: broken, left: judgeTime}
	_, a := boot.Next(s.record, boot.Boot{})
	image, err := s.machine.open(a.Core)
	if err == nil {
		err = s.standby(image, a)
		image.Close()
	}
	if err != nil {
		s.log.failed("good cannot be started in standby", "err", err.Error())
		s.end(s.core, "replaced") // its end leads to good, or what takes its place
	}
}

// judgeOn looks whether what broke holds again.
func (s *supervisor) judgeOn(elapsed time.Duration) {
	over, guilty := s.swap.judge.pass(elapsed, s.core.holds, s.core.judged)
	if !over {
		return
	}
	broken := s.swap.judge.broken
	s.swap.judge = nil
	switch {
	case !guilty:
		s.note("spent", s.record.Trial, "it does not hold under good either")
	case broken == sessionBit && !s.aloneAgain():
		s.note("spent", s.record.Trial, "good has a session; it may just have come back")
	case broken == sessionBit:
		s.closed(s.decide(boot.SetAside{Now: s.wall()}), "session")
	default:
		s.fail(boot.Regressed)
	}
	s.swap.notBefore = max(s.swap.notBefore, s.machine.sinceBoot()+tryWait(s.record.Starts, s.soakTime()))
}

// aloneAgain counts how often a trial had no session where good then had one, and says whether that is no accident any more: a hub
// that comes back while good is being watched looks the same once.
func (s *supervisor) aloneAgain() bool {
	if s.swap.aloneFor != s.record.Trial {
		s.swap.alone, s.swap.aloneFor = 0, s.record.Trial
	}
	s.swap.alone++
	return s.swap.alone >= boot.MaxTries
}

// fail is a verdict against the trial.
func (s *supervisor) fail(reason boot.Reason) {
	t := s.record.Trial
	s.note("fail", t, "reason="+reason.String())
	a := s.decide(boot.Fail{Reason: reason})
	s.closed(a, reason.String())
}

// closed tells what became of a trial that is none any more.
func (s *supervisor) closed(a boot.Action, why string) {
	switch a.Do {
	case boot.Reject:
		s.log.failed("release rejected: it never runs here again", "release", counter(a.Core), "reason", why)
		s.note("reject", a.Core, "reason="+why)
		s.refuse("barred", releaseName(s.versions[a.Core.Counter], a.Core.Counter)+" failed on this box ("+why+") and is barred; `limpet unbar "+hexOf(a.Core.Hash)+"` lets it try again")
	case boot.GiveUp:
		s.log.warn("release set aside for a day", "release", counter(a.Core), "why", why)
		s.note("set-aside", a.Core, "why="+why)
		s.refuse("set-aside", releaseName(s.versions[a.Core.Counter], a.Core.Counter)+" was tried often without a verdict, and is tried again within a day")
	case boot.Leave:
		s.note("drop", a.Core, "why="+why)
	}
	s.tellAll()
}

// drop takes the trial away, if it does not run the schedule yet.
func (s *supervisor) drop(why string) {
	if s.record.Trial.None() || s.activated() {
		return
	}
	a := s.decide(boot.Drop{})
	if a.Do != boot.Leave {
		return
	}
	if n := s.swap.next; n != nil && n.role == boot.TrialRole {
		s.end(n, "dropped") // where good was told to drain, a fresh one takes its place
	}
	s.log.info("trial dropped", "release", counter(a.Core), "why", why)
	s.closed(a, why)
}

// nextEnded is the end of a core in standby.
func (s *supervisor) nextEnded(p *process, exit platforms.Exit) {
	handing := s.swap.handing
	s.swap.handing = false
	s.log.warn("core in standby ended", "release", counter(p.core), "how", p.how(exit))
	if p.role == boot.TrialRole {
		s.blame(p, exit)
		if handing { // good was told to drain, and does: a fresh one takes its place
			s.core.drainFor = drainTime
			s.swap.draining, s.core = append(s.swap.draining, s.core), nil
			s.act(s.decide(boot.Boot{}))
		}
		return
	}
	// Good could not come back beside the trial: it comes back without it.
	if s.core != nil {
		s.end(s.core, "replaced")
	}
}

// trialEnded is the end of a trial that ran the schedule: good starts at once.
func (s *supervisor) trialEnded(p *process, exit platforms.Exit) {
	s.log.failed("the trial ended", "release", counter(p.core), "how", p.how(exit))
	s.blame(p, exit)
	if n := s.swap.next; n != nil { // good is coming back anyhow
		s.swap.handing = false
		s.nextReady()
		return
	}
	s.act(s.decide(boot.Boot{}))
}

// blame keeps the tail of a trial's log, and holds its end against it where it is its own doing.
func (s *supervisor) blame(p *process, exit platforms.Exit) {
	if s.record.Trial != p.core {
		return
	}
	reason := verdictOf(p.killed, exit)
	if reason == 0 {
		s.note("spent", p.core, "how="+p.how(exit))
		return
	}
	s.swap.judge = nil
	s.keepTail(p)
	s.fail(reason)
}

// blameGood counts verdicts against good.
func (s *supervisor) blameGood(p *process, exit platforms.Exit) {
	if p.role == boot.GoodRole && verdictOf(p.killed, exit) != 0 {
		s.swap.verdicts = append(s.swap.verdicts, s.machine.sinceBoot())
	}
}

// died is the event of good's death, with its verdicts of late.
func (s *supervisor) died() boot.Died {
	s.swap.verdicts = slices.DeleteFunc(s.swap.verdicts, func(t time.Duration) bool { return s.machine.sinceBoot()-t > verdictAge })
	return boot.Died{Verdicts: len(s.swap.verdicts), Now: s.wall()}
}

// startGood starts good again after its death, or, where it was just committed and keeps dying, what
// ran before it.
func (s *supervisor) startGood() {
	before := s.record.Good
	a := s.decide(s.died())
	if s.record.Good != before {
		s.swap.verdicts = nil
		s.log.failed("release demoted: it kept failing after its commit", "release", counter(before), "back", counter(s.record.Good))
		s.note("demote", before, "to="+counter(s.record.Good))
	}
	s.act(a)
}
