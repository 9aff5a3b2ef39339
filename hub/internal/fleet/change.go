package fleet

import "sync"

// What a Change is about.
const (
	AgentChanged = "agent"      // came, left or changed: Agent is set
	AgentGone    = "agent-gone" // forgotten or removed: Fingerprint is set
	CheckChanged = "check"      // a result came, or it went stale: Fingerprint and Check are set
	Logged       = "log"        // Event is set
)

// maxBehind is how far a subscriber may fall behind before it is closed.
const maxBehind = 1024

// Change is one thing that a subscriber hears of. The kinds are the names of the server-sent events.
type Change struct {
	Kind        string
	Fingerprint string
	Agent       *Agent
	Check       *CheckStatus
	Event       *Event
}

// Subscription is one reader of changes.
type Subscription struct {
	changes chan Change // the fleet's goroutine sends and closes
	end     func()
}

// Subscribe begins a subscription: every change from now on, in order. A reader that falls 1,024 behind is closed: it reads
// the lists anew and subscribes again.
func (f *Fleet) Subscribe() *Subscription {
	s := &Subscription{changes: make(chan Change, maxBehind)}
	s.end = sync.OnceFunc(func() { f.do(func() { f.drop(s) }) })
	if !f.wait(func() { f.subscribers[s] = struct{}{} }) {
		close(s.changes) // the fleet is closed
	}
	return s
}

// C delivers the changes; closed when the subscription or the fleet is, or when the reader was too slow.
func (s *Subscription) C() <-chan Change { return s.changes }

// Close ends the subscription. It may be called more than once.
func (s *Subscription) Close() { s.end() }

// emit tells every subscriber. Owner.
func (f *Fleet) emit(c Change) {
	for s := range f.subscribers {
		select {
		case s.changes <- c:
		default:
			f.log.Info("slow reader of changes closed")
			f.drop(s)
		}
	}
}

// drop closes a subscription that is still there. Owner.
func (f *Fleet) drop(s *Subscription) {
	if _, there := f.subscribers[s]; there {
		delete(f.subscribers, s)
		close(s.changes)
	}
}
