package collector

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

const stopGrace = 8 * time.Second // between the request to end and the end by force

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
	growth  *growth // of the log
	grown   *time.Timer
	tidied  time.Time // the log
	remains *process  // that has ended, and left others behind which were asked to end; nil = none
	until   time.Time // they are given
	budget  budget
	early   int // ends before proven in a row
	note    note
	words   State // being made
}

func newMinder(o Options, name string) *minder {
	m := &minder{
		o: o, name: name, dir: filepath.Join(o.Dir, name), log: logPath(o.Log, name), gone: make(chan struct{}), plans: make(chan plan, 1),
		quit: make(chan ending, 1), hurry: make(chan struct{}), tested: make(chan outcome, 1), health: make(chan string, 1),
		force: stopped(), retry: stopped(), prove: stopped(), grown: stopped(), look: time.NewTicker(time.Hour),
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
	m.growth = newGrowth()
	defer m.growth.close()
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
		case <-m.growth.woken():
			m.grown.Reset(lookGrown)
		case <-m.grown.C:
			m.tidyLog()
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
		endStrays(m.dir, m.o.cgroups(), nil)
		return
	}
	p, lives := adopt(n, m.dir, m.o.cgroups())
	endStrays(m.dir, m.o.cgroups(), p)
	m.note = n
	if !lives {
		if former, err := readPlan(m.dir, n.key); err == nil {
			m.plan = former // what ran last, if the wanted one is refused
		}
		return
	}
	m.process, m.began = p, n.started
	if m.plan, err = readPlan(m.dir, n.key); err != nil {
		m.plan = plan{} // what it runs is not known, so it is started anew with what is
	}
	m.watch()
	m.say(Running, "")
	m.words.Since = n.started
	m.o.Logger.Info("collector taken over", "collector", m.name, "pid", n.pid)
}

// close is the end of the minding.
func (m *minder) close(how ending) {
	if !adopts && how == leave {
		how = end
	}
	m.dropRemains()
	if how == leave {
		return
	}
	if m.process != nil {
		m.process.terminate(m.plan.leads())
		m.awaitEnd()
		m.process.killAll()
		select {
		case <-m.process.done:
		case <-time.After(time.Second): // it hangs in the kernel, and ends when that lets it
		}
	}
	clearCgroups(m.o.cgroups(), m.name)
	os.Remove(filepath.Join(m.dir, processName))
	if how == remove {
		if err := os.RemoveAll(m.dir); err != nil && !errors.Is(err, os.ErrNotExist) {
			m.o.Logger.Warn("collector's folder not removed", "collector", m.name, "err", err)
		}
	}
}

// awaitEnd waits for a process that was asked to end, as long as it is given.
func (m *minder) awaitEnd() {
	grace := time.NewTimer(stopGrace)
	defer grace.Stop()
	for {
		select {
		case <-m.process.done:
			return
		case <-grace.C:
			return
		case <-m.hurry:
			return
		case <-m.growth.woken():
			m.grown.Reset(lookGrown)
		case <-m.grown.C:
			m.tidyLog()
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
