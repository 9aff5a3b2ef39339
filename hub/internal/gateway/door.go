package gateway

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/enrol"
)

// Limits of what may happen at once.
const (
	maxHandshakes = 64          // whose signatures and tokens are being looked at, whoever they are
	maxKnown      = 64          // beside them, of agents that have shown by a knock that they are known
	knockWithin   = time.Second // for the register to answer who knocks

	leastRetry = time.Second           // what is turned away waits at least so long
	mostRetry  = 30 * time.Second      // and at most so long, however many wait: an agent's own ceiling
	firstGuess = 50 * time.Millisecond // of what a handshake takes
)

// door lets so many in to a handshake at once. Who finds no place gets a turn: the moment at which, as fast as handshakes have gone lately, those who were turned
// away before will have been in. So they come back one after the other, at the rate at which they can be taken, and not all at once or by luck.
type door struct {
	places chan struct{}

	mu   sync.Mutex    // guards what follows
	took time.Duration // by one handshake, an average of the latest
	last time.Time     // the turn given last
}

func newDoor(places int) *door {
	return &door{places: make(chan struct{}, places), took: firstGuess}
}

// enter takes a place, or says that there is none. leave gives it back, once.
func (d *door) enter() (leave func(), ok bool) {
	select {
	case d.places <- struct{}{}:
	default:
		return nil, false
	}
	since := time.Now()
	return sync.OnceFunc(func() {
		<-d.places
		d.learn(time.Since(since))
	}), true
}

// learn has the average follow what one handshake took.
func (d *door) learn(took time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.took += (took - d.took) / 16
}

// turn is how long one who is turned away now should wait.
func (d *door) turn(now time.Time) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	each := d.took / time.Duration(cap(d.places))
	if soonest := now.Add(leastRetry); d.last.Before(soonest) {
		d.last = soonest
	}
	d.last = d.last.Add(each)
	if d.last.Sub(now) > mostRetry { // more wait than can be taken meanwhile: the turns begin anew, so that they stay apart
		d.last = now.Add(leastRetry)
	}
	return d.last.Sub(now)
}

// knows reports whether who asks has knocked with the key of an agent that is enrolled.
func (g *Gateway) knows(r *http.Request) bool {
	knock := r.Header.Get(wire.KnockHeader)
	if knock == "" {
		return false
	}
	var bound []byte
	if r.TLS != nil {
		var err error
		if bound, err = wire.Binding(*r.TLS); err != nil {
			return false
		}
	}
	key, err := wire.ReadKnock(knock, bound)
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(g.ctx, knockWithin)
	defer cancel()
	_, err = g.o.Register.Agent(ctx, enrol.Fingerprint(key))
	return err == nil
}

// sendAway tells an agent when its turn is, which costs next to nothing beside the TLS handshake it has had.
func sendAway(w http.ResponseWriter, turn time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(int(turn.Round(time.Second)/time.Second)))
	w.Header().Set("Connection", "close")
	refuseHTTP(w, http.StatusServiceUnavailable, "the hub is admitting others")
}
