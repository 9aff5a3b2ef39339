package schedule

import "sync"

// crew are the goroutines that make runs. A run needs more stack than a new goroutine has, and growing it costs as much as a result's way to
// the disk; so each makes one run after the other.
type crew struct {
	mu    sync.Mutex // guards what follows
	idle  []chan func()
	ended bool
}

// maxIdle is how many wait for the next run: what a box needs that is busy, and at rest next to no memory.
const maxIdle = 32

// do has one of them do it.
func (c *crew) do(work func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.idle); n > 0 {
		c.idle[n-1] <- work // it has room for one
		c.idle = c.idle[:n-1]
		return
	}
	go c.serve(work)
}

func (c *crew) serve(work func()) {
	next := make(chan func(), 1)
	for {
		work()
		if !c.rest(next) {
			return
		}
		var more bool
		if work, more = <-next; !more {
			return
		}
	}
}

// rest puts one that has nothing to do among the idle. false: there are enough.
func (c *crew) rest(next chan func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || len(c.idle) >= maxIdle {
		return false
	}
	c.idle = append(c.idle, next)
	return true
}

// end sends all of them home.
func (c *crew) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	for _, next := range c.idle {
		close(next)
	}
	c.idle = nil
}

// news is what runs tell the schedule's goroutine, gathered until it looks.
type news struct {
	mu   sync.Mutex // guards what follows
	list []report
	came chan struct{} // holds one: the list is not empty
}

// report is one step of a run.
type report struct {
	*flight
	kept  bool // its result is, else the run itself is over
	light bool // of one that is over: its result holds little memory
}

func (n *news) tell(r report) {
	n.mu.Lock()
	n.list = append(n.list, r)
	n.mu.Unlock()
	select {
	case n.came <- struct{}{}:
	default:
	}
}

// take empties the list; spare is where the next one is gathered.
func (n *news) take(spare []report) []report {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := n.list
	n.list = spare[:0]
	return list
}
