package collector

import (
	"fmt"
	"time"
)

const testAgain = 5 * time.Minute // a configuration that was refused is tested again: what it lacked may be there

// outcome of a test.
type outcome struct {
	key string
	err error
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
