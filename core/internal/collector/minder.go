package collector

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

const (
	proven     = 10 * time.Second // a plan that has run for so long is good
	stopGrace  = 8 * time.Second  // between the request to end and the end by force
	lookMemory = 2 * time.Second
	lookLog    = 10 * time.Second
	testAgain  = 5 * time.Minute // a configuration that was refused is tested again: what it lacked may be there
	badStarts  = 3               // ends before proven after which the former plan comes back
	sickAfter  = 3               // health commands in a row that failed
)

// ending is what becomes of the collector when the minding ends.
type ending int

const (
	leave  ending = iota // it runs on; the next core takes it over
	end                  // it ends
	remove               // it ends, and its folder goes
)

// minder owns one collector. The fields below "owned" belong to its goroutine.
type minder struct {
	o    Options
	name string
	dir  string // state/collector/NAME
	log  string
	gone chan struct{}   // closed when nothing here touches the collector any more
	from <-chan struct{} // closed when a former minder of this folder has ended; nil = there is none

	state  atomic.Pointer[State]
	plans  chan plan   // holds one: the newest that is wanted
	quit   chan ending // holds one
	hurry  chan struct{}
	tested chan outcome
	health chan string // what a health command that failed said; "" for one that did not

	// owned
	ctx     context.Context // ends with the minding
	wanted  plan
	plan    plan // that runs, or is about to
	good    plan // that last ran well, Key "" = none
	process *process
	began   time.Time // of the process
	leaving bool      // the process was asked to end
	cause   string    // why, where it shall then be started again like one that ended by itself
	force   *time.Timer
	retry   *time.Timer
	prove   *time.Timer
	look    *time.Ticker
	testing string // key of the plan under test
	retest  bool   // the wanted plan was refused, and may pass another time
	unwell  int    // health commands in a row that failed
	asking  bool   // a health command runs
	asked   time.Time
	rotated time.Time
	budget  budget
	early   int // ends before proven in a row
	note    note
	words   State // being made
}

// outcome of a test.
type outcome struct {
	key string
	err error
}

func newMinder(o Options, name string) *minder {
	m := &minder{
		o: o, name: name, dir: filepath.Join(o.Dir, name), log: logPath(o.Log, name), gone: make(chan struct{}), plans: make(chan plan, 1),
		quit: make(chan ending, 1), hurry: make(chan struct{}), tested: make(chan outcome, 1), health: make(chan string, 1),
		force: stopped(), retry: stopped(), prove: stopped(), look: time.NewTicker(time.Hour),
		words: State{Name: name, State: Starting, Since: time.Now(), Log: logPath(o.Log, name)},
	}
	first := m.words
	m.state.Store(&first)
	return m
}

func stopped() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// ask says what is wanted; only the newest counts.
func (m *minder) ask(p plan) {
	select {
	case <-m.plans:
	default:
	}
	m.plans <- p
}

// finish ends the minding. It returns at once; gone is closed when it has ended.
func (m *minder) finish(how ending) { m.quit <- how }

// kill hurries an end.
func (m *minder) kill() { close(m.hurry) }

func (m *minder) loop() {
	defer close(m.gone)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	m.ctx = ctx
	defer m.look.Stop()
	if m.from != nil {
		<-m.from
	}
	if err := os.MkdirAll(filepath.Join(m.dir, dataName), 0o700); err != nil {
		m.o.Logger.Warn("collector's folder", "collector", m.name, "err", err)
	}
	m.good = readGood(m.dir)
	m.takeOver()
	for {
		var ended chan struct{}
		if m.process != nil {
			ended = m.process.done
		}
		select {
		case p := <-m.plans:
			m.want(p)
		case o := <-m.tested:
			m.testEnded(o)
		case <-ended:
			m.ended()
		case <-m.retry.C:
			m.again()
		case <-m.force.C:
			m.process.killAll()
		case <-m.prove.C:
			m.proved()
		case <-m.look.C:
			m.inspect()
		case text := <-m.health:
			m.heard(text)
		case how := <-m.quit:
			cancel()
			m.close(how)
			return
		}
		m.show()
	}
}

// takeOver finds what another core has left running.
func (m *minder) takeOver() {
	n, err := readNote(m.dir)
	if err != nil {
		endStrays(m.dir, 0)
		return
	}
	m.note = n
	p, lives := adopt(n, m.dir)
	if !lives {
		endStrays(m.dir, 0)
		if former, err := readPlan(m.dir, n.key); err == nil {
			m.plan = former // what ran last, if the wanted one is refused
		}
		return
	}
	endStrays(m.dir, n.pid)
	m.process, m.began = p, n.started
	if m.plan, err = readPlan(m.dir, n.key); err != nil {
		m.plan = plan{} // what it runs is not known, so it is started anew with what is
	}
	m.watch()
	m.say(Running, "")
	m.words.Since = n.started
	m.o.Logger.Info("collector taken over", "collector", m.name, "pid", n.pid)
}

// want makes p what shall run. What runs already, or ran well before, is not tested again.
func (m *minder) want(p plan) {
	if p.Key == m.wanted.Key && p.bad == m.wanted.bad {
		return
	}
	m.wanted, m.words.Refused, m.retest = p, "", false
	m.words.Kind, m.words.Local = p.Kind, p.Local != ""
	m.budget.reset()
	m.early = 0
	switch {
	case p.bad != "":
		m.refuse(p.bad, false)
	case m.process != nil && m.plan.Key == p.Key:
		// it runs already
	case p.Key == m.good.Key:
		m.use(p)
	default:
		m.test()
	}
}

// use makes p run: at once, or when what runs has ended.
func (m *minder) use(p plan) {
	if err := p.keep(m.dir); err != nil {
		m.say(Waiting, "its configuration cannot be written: "+err.Error())
		m.retry.Reset(m.budget.next(time.Now(), time.Time{}))
		return
	}
	m.plan = p
	m.note.restarts = 0
	if m.process != nil {
		m.endProcess()
		m.say(Starting, "the former configuration's process ends first")
		return
	}
	m.start()
}

// test has the collector's own test command read the wanted configuration, beside what runs.
func (m *minder) test() {
	if m.testing != "" {
		return // its outcome begins the next
	}
	m.testing = m.wanted.Key
	if m.process == nil {
		m.say(Checking, "")
	}
	go func(p plan) {
		err := p.keep(m.dir)
		if err == nil {
			err = p.try(m.ctx, m.name, m.dir)
		}
		m.tested <- outcome{p.Key, err}
	}(m.wanted)
}

func (m *minder) testEnded(o outcome) {
	m.testing = ""
	switch {
	case m.wanted.bad != "" || m.process != nil && m.plan.Key == m.wanted.Key && !m.leaving:
		return
	case o.key != m.wanted.Key:
		m.test()
	case o.err != nil:
		m.refuse(o.err.Error(), true)
	default:
		m.words.Refused = ""
		m.use(m.wanted)
	}
}

// refuse keeps the wanted plan from being used: what runs goes on, else what last ran well does. again: it is tested anew after a while.
func (m *minder) refuse(why string, again bool) {
	m.retest = again
	if m.words.Refused != why {
		m.words.Refused = why
		m.o.Logger.Warn("collector's configuration refused", "collector", m.name, "why", why)
		m.o.Event("collector-refused", fmt.Sprintf("collector %s: its configuration is refused: %s", m.name, why), m.name)
	}
	if again {
		m.retry.Reset(testAgain) // unless a start below comes to wait for less
	}
	switch {
	case m.process != nil:
	case m.good.Key != "" && m.good.Key != m.wanted.Key:
		m.use(m.good)
	case m.plan.Key != "" && m.plan.Key != m.wanted.Key:
		m.use(m.plan)
	default:
		m.say(Failed, "its configuration is refused, and there is no former one")
	}
}

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
	path, err := find(m.plan.Program, m.plan.Kind)
	if err != nil {
		return err
	}
	log, err := openLog(m.log)
	if err != nil {
		return err
	}
	defer log.Close()
	p, err := start(path, m.plan.Run, environment(m.name), m.dir, log)
	if err != nil {
		return err
	}
	m.process, m.began, m.leaving = p, time.Now(), false
	m.note = note{p.pid, p.born, bootID(), m.plan.Key, m.began, m.note.restarts}
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
	m.asked, m.rotated = time.Now(), time.Now()
	m.look.Reset(m.lookEvery())
	if m.plan.Key != "" && m.plan.Key != m.good.Key {
		m.prove.Reset(max(time.Millisecond, proven-time.Since(m.began)))
	}
}

// lookEvery is no oftener than something asks for it.
func (m *minder) lookEvery() time.Duration {
	switch {
	case m.plan.Memory > 0:
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
	p.killAll() // what it left behind
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
	m.process.terminate()
	m.force.Reset(stopGrace)
}

// close is the end of the minding.
func (m *minder) close(how ending) {
	if !adopts && how == leave {
		how = end
	}
	if how == leave {
		return
	}
	if m.process != nil {
		m.process.terminate()
		grace := time.NewTimer(stopGrace)
		defer grace.Stop()
		select {
		case <-m.process.done:
		case <-grace.C:
		case <-m.hurry:
		}
		m.process.killAll()
		select {
		case <-m.process.done:
		case <-time.After(time.Second): // it hangs in the kernel, and ends when that lets it
		}
	}
	os.Remove(filepath.Join(m.dir, processName))
	if how == remove {
		if err := os.RemoveAll(m.dir); err != nil && !errors.Is(err, os.ErrNotExist) {
			m.o.Logger.Warn("collector's folder not removed", "collector", m.name, "err", err)
		}
	}
}

// say changes the state that is shown.
func (m *minder) say(state, text string) {
	if m.words.State != state {
		m.words.Since = time.Now()
	}
	m.words.State, m.words.Text = state, text
}

// show publishes the state where it changed.
func (m *minder) show() {
	m.words.PID, m.words.Restarts = 0, m.note.restarts
	if m.process != nil {
		m.words.PID = m.process.pid
	}
	if now := m.words; now != *m.state.Load() {
		m.state.Store(&now)
		m.o.Changed()
	}
}
