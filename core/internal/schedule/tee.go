package schedule

import (
	"context"
	"sync"

	"github.com/limpet-monitoring/limpet/core/check"
)

// tee hands a run's output to those who listen, each from the moment it came, and its result to all. Output that nobody
// listens to is not kept; what is kept is bounded by what a run may print.
type tee struct {
	mu        sync.Mutex // guards what follows, between the run's goroutines and its listeners
	listeners int
	chunks    []chunk
	done      bool
	result    check.Result
	err       error
	changed   chan struct{} // closed at the next change; nil = nobody waits for it
}

type chunk struct {
	stderr bool
	data   []byte
}

func newTee() *tee { return &tee{} }

func (t *tee) write(stderr bool, data []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.listeners > 0 && !t.done {
		t.chunks = append(t.chunks, chunk{stderr, data})
		t.tell()
	}
}

func (t *tee) finish(r check.Result, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done, t.result, t.err = true, r, err
	t.tell()
}

func (t *tee) tell() {
	if t.changed != nil {
		close(t.changed)
		t.changed = nil
	}
}

// join adds a listener; it must leave.
func (t *tee) join() *listener {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.listeners++
	return &listener{tee: t, from: len(t.chunks)}
}

// listener is one reader of a tee, used by one goroutine.
type listener struct {
	tee  *tee
	from int // chunks read
}

// listen passes output on until the run has ended.
func (l *listener) listen(ctx context.Context, out func(stderr bool, data []byte)) (check.Result, error) {
	for {
		chunks, done, changed := l.read()
		for _, c := range chunks {
			if out != nil {
				out(c.stderr, c.data)
			}
		}
		if done {
			return l.tee.result, l.tee.err // final once done
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return check.Result{}, ctx.Err()
		}
	}
}

func (l *listener) read() (news []chunk, done bool, changed <-chan struct{}) {
	l.tee.mu.Lock()
	defer l.tee.mu.Unlock()
	news = l.tee.chunks[l.from:]
	l.from = len(l.tee.chunks)
	if l.tee.listeners == 1 { // who joins now hears what comes from now on: nobody needs these any more
		l.tee.chunks, l.from = nil, 0
	}
	if l.tee.changed == nil {
		l.tee.changed = make(chan struct{})
	}
	return news, l.tee.done, l.tee.changed
}

func (l *listener) leave() {
	l.tee.mu.Lock()
	defer l.tee.mu.Unlock()
	l.tee.listeners--
	if l.tee.listeners == 0 {
		l.tee.chunks = nil
	}
}
