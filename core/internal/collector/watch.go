package collector

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/plugin"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

const (
	testTime   = 60 * time.Second // for a test command: telegraf's and fluentd's take seconds
	healthTime = 10 * time.Second
	sickAfter  = 3        // health commands in a row that failed
	maxSaid    = 64 << 10 // bytes kept of what a command says
)

// environment is what a collector finds: a plugin's, less what names a check.
func environment(name string) []string {
	var env []string
	for _, e := range plugin.Environment(name) {
		if !strings.HasPrefix(e, "LIMPET_CHECK=") && !strings.HasPrefix(e, "NAGIOS_SERVICEDESC=") {
			env = append(env, e)
		}
	}
	return env
}

// ask runs a command with a deadline, its whole tree, and gives what it said.
func ask(ctx context.Context, name, path string, args []string, within time.Duration) (ok bool, said string) {
	var out limited
	r := plugin.Run(ctx, plugin.Spec{Check: name, Path: path, Args: args, Timeout: within, Output: maxSaid}, out.take)
	said = out.String()
	if r.TimedOut {
		said += fmt.Sprintf("\nerror: not done within %s", within)
	} else if said == "" {
		said = r.Text
	}
	return r.State == check.OK, said
}

// inspect looks at memory, health and log, each when it is due.
func (m *minder) inspect() {
	if m.process == nil || m.leaving {
		return
	}
	now := time.Now()
	if m.plan.Memory > 0 && !m.process.group.held() {
		if used := m.process.memory(); used > m.plan.Memory {
			m.restart("collector-memory", fmt.Sprintf("used %d MiB of its own, the limit is %d MiB", used>>20, m.plan.Memory>>20))
			return
		}
	}
	if now.Sub(m.tidied) >= lookLog {
		m.tidyLog()
	}
	if len(m.plan.Health) > 0 && !m.asking && now.Sub(m.asked) >= m.plan.HealthEvery-time.Second {
		m.asking, m.asked = true, now
		go m.askHealth(m.plan)
	}
}

// tidyLog keeps the log within its size, and has the next write to it wake us, where the system can say so. Where it could not be kept, it is looked at
// again in lookLog.
func (m *minder) tidyLog() {
	m.tidied = time.Now()
	if err := fsys.Rotate(m.log, logSize); err != nil {
		m.o.Logger.Warn("collector's log is not rotated", "collector", m.name, "err", err)
		return
	}
	m.growth.arm(m.log)
}

func (m *minder) askHealth(p plan) {
	path, err := find(p.Health[0], p.Kind)
	if err != nil {
		m.health <- err.Error()
		return
	}
	ok, said := ask(m.ctx, m.name, path, p.Health[1:], healthTime)
	switch {
	case ok:
		m.health <- ""
	default:
		m.health <- "health command: " + orElse(reason(said), "it failed and said nothing")
	}
}

// heard takes what a health command said.
func (m *minder) heard(text string) {
	m.asking = false
	if m.process == nil || m.leaving {
		return
	}
	if text == "" {
		m.unwell = 0
		m.say(Running, "")
		return
	}
	m.unwell++
	m.say(Running, fmt.Sprintf("%s (%d of %d times in a row)", text, m.unwell, sickAfter))
	if m.unwell >= sickAfter {
		m.restart("collector-unwell", text)
	}
}

// restart ends the process, which is then started again like one that ended by itself.
func (m *minder) restart(kind, why string) {
	m.o.Event(kind, fmt.Sprintf("collector %s: %s; it is started again", m.name, why), m.name)
	m.o.Logger.Warn("collector is started again", "collector", m.name, "why", why)
	m.endProcess()
	m.cause = why
	if kind == "collector-memory" { // what grows is given no time
		m.process.killAll()
	}
}

// budget spaces starts: 1 s, doubling to a minute, back to 1 s after a minute's run; and no more than loopStarts within loopTime, then a pause.
type budget struct {
	wait   time.Duration
	deaths []time.Time
	looped bool
	said   time.Time
}

const (
	firstWait  = time.Second
	mostWait   = time.Minute
	loopStarts = 8
	loopTime   = 10 * time.Minute
	loopPause  = 5 * time.Minute
	tellEvery  = 10 * time.Minute // of one collector's ends
)

// next is how long to wait after an end; began is when what ended had started, zero for what never did.
func (b *budget) next(now, began time.Time) time.Duration {
	if !began.IsZero() && now.Sub(began) >= time.Minute {
		b.wait, b.deaths, b.looped = 0, nil, false
	}
	b.deaths = append(b.deaths, now)
	for len(b.deaths) > 0 && now.Sub(b.deaths[0]) > loopTime {
		b.deaths = b.deaths[1:]
	}
	if len(b.deaths) >= loopStarts {
		b.looped, b.deaths = true, nil
		return loopPause
	}
	b.wait = min(max(2*b.wait, firstWait), mostWait)
	return b.wait + time.Duration(rand.Int64N(int64(b.wait)/10+1))
}

// tell says whether an end is worth an event: not each of a loop.
func (b *budget) tell() bool {
	if time.Since(b.said) < tellEvery && !b.looped {
		return false
	}
	b.said, b.looped = time.Now(), false
	return true
}

func (b *budget) reset() { *b = budget{said: b.said} }
