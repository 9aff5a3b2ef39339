package session

import (
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
)

const (
	beatsKept   = 4 // of ours, that an echo may name
	samplesKept = 8 // among which the one with the shortest way counts
)

// beat is one heartbeat of ours.
type beat struct {
	sent int64     // as it said
	at   time.Time // with the monotonic clock
}

// sample is one measurement of the hub's clock.
type sample struct {
	rtt, offset time.Duration
}

// clock measures the hub's clock against ours by heartbeats that echo each other, as NTP does
// (RFC 5905, clock filter: of the last samples the one with the shortest way is the best).
type clock struct {
	ours     [beatsKept]beat
	n        int
	peerSent int64 // of the hub's last heartbeat
	peerAt   time.Time
	samples  []sample
}

// beat is the heartbeat to send now.
func (c *clock) beat(now time.Time) *wire.Heartbeat {
	c.ours[c.n%beatsKept] = beat{now.UnixNano(), now}
	c.n++
	h := &wire.Heartbeat{SentNs: now.UnixNano(), EchoNs: c.peerSent}
	if c.peerSent != 0 {
		h.HeldNs = int64(now.Sub(c.peerAt))
	}
	return h
}

// heard takes a heartbeat of the hub's.
func (c *clock) heard(h *wire.Heartbeat, now time.Time) {
	c.peerSent, c.peerAt = h.GetSentNs(), now
	if h.GetEchoNs() == 0 {
		return
	}
	for _, b := range c.ours {
		if b.sent != h.GetEchoNs() || b.at.IsZero() {
			continue
		}
		rtt := now.Sub(b.at) - time.Duration(h.GetHeldNs())
		if rtt < 0 || h.GetHeldNs() < 0 {
			return // the hub counts otherwise than we do
		}
		offset := time.Duration(h.GetSentNs()-now.UnixNano()) + rtt/2
		c.samples = append(c.samples, sample{rtt, offset})
		c.samples = c.samples[max(0, len(c.samples)-samplesKept):]
		return
	}
}

// best is the sample to believe; ok is false when there is none.
func (c *clock) best() (s sample, ok bool) {
	for i, x := range c.samples {
		if i == 0 || x.rtt <= s.rtt {
			s = x
		}
	}
	return s, len(c.samples) > 0
}

// latest is the latest way there and back, 0 = not known.
func (c *clock) latest() time.Duration {
	if len(c.samples) == 0 {
		return 0
	}
	return c.samples[len(c.samples)-1].rtt
}
