package disk

import (
	"context"
	"errors"
	"time"
)

// Times and limits of asking filesystems that may hang.
const (
	patience  = 3 * time.Second        // how long one may take to answer
	spare     = 500 * time.Millisecond // kept of the check's own deadline, to tell about those that did not; at most a quarter
	maxProbes = 64                     // asked at a time: each that hangs holds a thread
)

// answer is what a filesystem said.
type answer struct {
	usage usage
	err   error
	hung  bool
	asked time.Time // when, with hung
}

func (a answer) since() string {
	if a.asked.IsZero() {
		return ""
	}
	return " since " + a.asked.UTC().Format(time.RFC3339)
}

// probes asks filesystems. Those that may hang are asked from a goroutine each, and not again as long as it has not returned.
// It is for one goroutine.
type probes struct {
	ask     func(path string) (usage, error)
	pending map[string]*probe // by path
}

type probe struct {
	asked time.Time
	reply chan answer // holds one: who asks never waits for us
}

// all asks all targets and gives their answers in order.
func (p *probes) all(ctx context.Context, targets []target) []answer {
	ctx, cancel := context.WithTimeout(ctx, p.wait(ctx))
	defer cancel()
	answers := make([]answer, len(targets))
	for i, t := range targets {
		if !t.remote {
			answers[i].usage, answers[i].err = p.ask(t.at)
			continue
		}
		p.start(t.at)
	}
	for i, t := range targets {
		if t.remote {
			answers[i] = p.collect(ctx, t.at)
		}
	}
	return answers
}

// wait gives how long to wait for all that may hang.
func (p *probes) wait(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return patience
	}
	left := time.Until(deadline)
	return min(patience, left-min(spare, left/4))
}

// start asks a filesystem unless it is being asked.
func (p *probes) start(path string) {
	if p.pending[path] != nil || len(p.pending) >= maxProbes {
		return
	}
	if p.pending == nil {
		p.pending = make(map[string]*probe)
	}
	one := &probe{asked: time.Now(), reply: make(chan answer, 1)}
	p.pending[path] = one
	ask := p.ask
	go func() {
		u, err := ask(path)
		one.reply <- answer{usage: u, err: err}
	}()
}

// errCrowd is a filesystem that was not asked because too many others hang.
var errCrowd = errors.New("not asked: too many others do not answer")

// collect waits for the answer of a filesystem.
func (p *probes) collect(ctx context.Context, path string) answer {
	one := p.pending[path]
	if one == nil {
		return answer{err: errCrowd}
	}
	select {
	case a := <-one.reply:
		delete(p.pending, path)
		return a
	default:
	}
	select {
	case a := <-one.reply:
		delete(p.pending, path)
		return a
	case <-ctx.Done():
		return answer{hung: true, asked: one.asked}
	}
}
