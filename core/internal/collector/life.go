package collector

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

const (
	proven     = 10 * time.Second // a plan that has run for so long is good
	lookMemory = 2 * time.Second
	lookLog    = 10 * time.Second
	lookGrown  = 100 * time.Millisecond // after a write to the log that woke us
	badStarts  = 3                      // ends before proven after which the former plan comes back
)

// start starts the plan's process.
func (m *minder) start() {
	err := m.spawn()
	if err == nil {
		m.watch()
		m.say(Running, "")
		return
	}
	wait := m.budget.next(time.Now(), time.Time{})
	m.say(Failed, fmt.Sprintf("cannot be started: %s; tried again in %s", clip(err.Error()), wait.Round(time.Second)))
	m.retry.Reset(wait)
}

func (m *minder) spawn() error {
	m.dropRemains()
	path, err := find(m.plan.Program, m.plan.Kind)
	if err != nil {
		return err
	}
	log, err := openLog(m.log)
	if err != nil {
		return err
	}
	defer log.Close()
	p, err := start(path, m.plan.Run, environment(m.name), m.dir, log, newCgroup(m.o.cgroups(), m.name, m.plan.Memory))
	if err != nil {
		return err
	}
	m.process, m.began, m.leaving = p, time.Now(), false
	m.note = note{p.pid, p.born, bootID(), m.plan.Key, m.began, m.note.restarts, m.dir}
	if p.born == "" {
		m.note.born = "-" // it has ended already
	}
	if err := m.note.write(m.dir); err != nil { // the next core finds it by its mark and starts it anew
		m.o.Logger.Warn("collector's process not noted", "collector", m.name, "err", err)
	}
	m.o.Logger.Info("collector started", "collector", m.name, "pid", p.pid, "program", path)
	forget(m.dir, m.plan.Key, m.good.Key, m.wanted.Key)
	return nil
}

// watch begins the looks at a process that runs.
func (m *minder) watch() {
	m.retry.Stop()
	if m.retest {
		m.retry.Reset(testAgain)
	}
	m.unwell = 0
	m.asked = time.Now()
	m.tidyLog()
	m.look.Reset(m.lookEvery())
	if m.plan.Key != "" && m.plan.Key != m.good.Key {
		m.prove.Reset(max(time.Millisecond, proven-time.Since(m.began)))
	}
}

// lookEvery is no oftener than something asks for it.
func (m *minder) lookEvery() time.Duration {
	switch {
	case m.plan.Memory > 0 && !m.process.group.held():
		return lookMemory
	case m.plan.HealthEvery > 0:
		return min(lookLog, m.plan.HealthEvery)
	}
	return lookLog
}

// proved is when a plan has run long enough to be what a broken one goes back to.
func (m *minder) proved() {
	if m.process == nil || m.leaving {
		return
	}
	m.good, m.early = m.plan, 0
	if err := fsys.WriteNew(fsys.Disk{}, filepath.Join(m.dir, goodName), []byte(m.good.Key+"\n"), 0o600); err != nil {
		m.o.Logger.Warn("collector's good configuration not noted", "collector", m.name, "err", err)
	}
	forget(m.dir, m.plan.Key, m.wanted.Key)
}

// ended is the end of the process, asked for or not.
func (m *minder) ended() {
	p, asked, cause, lived := m.process, m.leaving, m.cause, time.Since(m.began)
	m.process, m.leaving, m.cause = nil, false, ""
	m.force.Stop()
	m.prove.Stop()
	m.look.Reset(time.Hour)
	if text := p.group.overrun(); text != "" && cause == "" && !asked {
		cause = text
		m.o.Event("collector-memory", fmt.Sprintf("collector %s: %s; it is started again", m.name, text), m.name)
	}
	left := 0
	if cause == "" && !asked {
		left = m.askRemains(p)
	} else {
		p.killAll() // what it left behind
	}
	os.Remove(filepath.Join(m.dir, processName))
	m.note.restarts++
	switch {
	case cause != "":
		m.died(cause, lived)
		return
	case asked:
		m.note.restarts--
		m.start()
		return
	}
	how := p.how
	if how == "" {
		how = "ended" // its exit code went to the core that started it
	}
	if left > 0 && p.how == "exit status 0" {
		how += " and left other processes, as what goes into the background does: a collector stays in the foreground"
	}
	if line := lastLine(m.log); line != "" {
		how += "; its log ends with: " + line
	}
	m.died(how, lived)
}

// died has the process started again after a while, or another plan come back.
func (m *minder) died(how string, lived time.Duration) {
	if lived < proven {
		m.early++
	} else {
		m.early = 0
	}
	if m.early >= badStarts && m.plan.Key == m.wanted.Key && m.good.Key != "" && m.good.Key != m.plan.Key {
		m.early = 0
		m.refuse(fmt.Sprintf("with it the collector ended %d times within %s: %s", badStarts, proven, how), false)
		return
	}
	wait := m.budget.next(time.Now(), m.began)
	m.say(Waiting, fmt.Sprintf("%s; started again in %s", how, wait.Round(100*time.Millisecond)))
	m.o.Logger.Warn("collector ended", "collector", m.name, "how", how, "again", wait)
	if m.budget.tell() {
		m.o.Event("collector-ended", fmt.Sprintf("collector %s: %s", m.name, m.words.Text), m.name)
	}
	m.retry.Reset(wait)
}

// again is when a wait is over.
func (m *minder) again() {
	switch {
	case m.remain():
		m.retry.Reset(lookRemains)
	case m.process == nil && m.plan.Key != "":
		m.start()
	case m.retest || m.process == nil && m.wanted.bad == "":
		m.test()
	}
}

// endProcess asks the process to end, and ends it after a while.
func (m *minder) endProcess() {
	if m.leaving {
		return
	}
	m.leaving = true
	m.process.terminate(m.plan.leads())
	m.force.Reset(stopGrace)
}
