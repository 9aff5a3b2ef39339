package schedule

import "time"

// crowd counts how many interval checks of this box are due where in their interval, so that a new one finds a place with room: hashes alone
// put one and a half times as many into some fiftieth of a second as into the average one.
type crowd map[time.Duration]*[crowdParts]int

const (
	// crowdParts is how many parts an interval is looked at in: of a second, 10 ms each.
	crowdParts = 100
	// crowdTries is how many places a check may choose from, each a hash of fingerprint, name and try: so a fleet is spread all the same.
	crowdTries = 8
)

func part(phase, every time.Duration) int { return int(phase * crowdParts / every) }

// choose is the emptiest of a check's places, the first of them where several are.
func (c crowd) choose(h uint64, every time.Duration) uint64 {
	parts := c[every]
	if parts == nil {
		return h
	}
	best, least := h, -1
	for range crowdTries {
		if n := parts[part(spread(h, every), every)]; least < 0 || n < least {
			best, least = h, n
		}
		h = mix(h + 0x9e3779b97f4a7c15)
	}
	return best
}

func (c crowd) add(phase, every time.Duration, n int) {
	if c[every] == nil {
		c[every] = new([crowdParts]int)
	}
	c[every][part(phase, every)] += n
}
