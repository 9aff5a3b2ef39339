package input

import (
	"errors"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/limpet-monitoring/limpet/core/wire"
)

const (
	statsdFlush = 10 * time.Second
	maxNames    = 10_000 // of one interval; more are refused
	maxTimings  = 1_000  // values of one timer and interval that are kept for its quantiles
	maxMembers  = 1_000  // of one set and interval
	maxPacket   = 64 << 10
	udpBuffer   = 1 << 20 // what the kernel may hold for us
)

// timing is one timer's interval.
type timing struct {
	count, sum, least, most float64
	values                  []float64
}

// tally is one interval.
type tally struct {
	counters map[string]float64
	gauges   map[string]float64 // of those that came in this interval
	timers   map[string]*timing
	sets     map[string]map[string]bool
}

func newTally() *tally {
	return &tally{map[string]float64{}, map[string]float64{}, map[string]*timing{}, map[string]map[string]bool{}}
}

func (t *tally) names() int { return len(t.counters) + len(t.gauges) + len(t.timers) + len(t.sets) }

// readPackets gathers datagrams and gives what an interval came to, until the port is given up.
func (p *port) readPackets() {
	if c, ok := p.packets.(interface{ SetReadBuffer(int) error }); ok {
		_ = c.SetReadBuffer(udpBuffer) // best effort
	}
	buf := make([]byte, maxPacket)
	t := newTally()
	next := time.Now().Add(statsdFlush)
	for {
		if t.names() > 0 {
			p.deadline(next)
		} else {
			p.deadline(time.Time{}) // nothing to give: at rest it does not wake
		}
		n, _, err := p.packets.ReadFrom(buf)
		if err == nil {
			if t.names() == 0 {
				next = time.Now().Add(statsdFlush)
			}
			for line := range strings.SplitSeq(string(buf[:n]), "\n") {
				if line = strings.TrimSpace(line); line != "" && !t.add(line, p.gauges) {
					p.refused.Add(1)
				}
			}
		}
		leaving := p.isLeaving()
		if leaving || !time.Now().Before(next) && t.names() > 0 {
			t.give(time.Now(), p.take)
			t = newTally()
		}
		if leaving {
			return
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// deadline does not push away the one that ends the reading.
func (p *port) deadline(at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.leaving {
		_ = p.packets.SetReadDeadline(at)
	}
}

// add takes one line, "NAME:VALUE|TYPE[|@RATE][|#TAGS]"; false for what is none. known are the gauges' last values.
func (t *tally) add(line string, known map[string]float64) bool {
	name, rest, ok := strings.Cut(line, ":")
	f := strings.Split(rest, "|")
	if !ok || name == "" || len(name) > maxName || !utf8.ValidString(name) || strings.ContainsAny(name, " \t") || len(f) < 2 {
		return false
	}
	rate := 1.0
	for _, more := range f[2:] {
		if word, isRate := strings.CutPrefix(more, "@"); isRate {
			r, err := strconv.ParseFloat(word, 64)
			if err != nil || !(r > 0 && r <= 1) {
				return false
			}
			rate = r
		} else if tags, isTags := strings.CutPrefix(more, "#"); isTags && len(name)+len(tags) < maxName {
			name += ";" + strings.ReplaceAll(strings.ReplaceAll(tags, ",", ";"), ":", "=") // as Graphite writes them
		}
	}
	if t.names() >= maxNames && !t.has(name) {
		return false
	}
	if f[1] == "s" {
		return t.member(name, f[0])
	}
	value, err := strconv.ParseFloat(f[0], 64)
	if err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
		return false
	}
	switch f[1] {
	case "c":
		t.counters[name] += value / rate
	case "g":
		if f[0][0] == '+' || f[0][0] == '-' {
			value += known[name]
		}
		if _, there := known[name]; there || len(known) < maxNames {
			known[name] = value
		}
		t.gauges[name] = value
	case "ms", "h", "d":
		t.time(name, value, rate)
	default:
		return false
	}
	return true
}

func (t *tally) has(name string) bool {
	_, counter := t.counters[name]
	_, gauge := t.gauges[name]
	return counter || gauge || t.timers[name] != nil || t.sets[name] != nil
}

func (t *tally) member(name, member string) bool {
	if t.sets[name] == nil {
		t.sets[name] = map[string]bool{}
	}
	if len(t.sets[name]) < maxMembers && len(member) <= maxName {
		t.sets[name][member] = true
	}
	return true
}

func (t *tally) time(name string, value, rate float64) {
	x := t.timers[name]
	if x == nil {
		x = &timing{least: value, most: value}
		t.timers[name] = x
	}
	x.count += 1 / rate
	x.sum += value / rate
	x.least, x.most = min(x.least, value), max(x.most, value)
	if len(x.values) < maxTimings {
		x.values = append(x.values, value)
	}
}

// give makes the samples of an interval, by name.
func (t *tally) give(at time.Time, take func(*wire.Sample)) {
	say := func(name, kind string, value float64) {
		take(&wire.Sample{Name: name, Kind: kind, Value: value, AtNs: at.UnixNano()})
	}
	for _, name := range slices.Sorted(maps.Keys(t.counters)) {
		say(name, "counter", t.counters[name])
	}
	for _, name := range slices.Sorted(maps.Keys(t.gauges)) {
		say(name, "gauge", t.gauges[name])
	}
	for _, name := range slices.Sorted(maps.Keys(t.sets)) {
		say(name, "set", float64(len(t.sets[name])))
	}
	for _, name := range slices.Sorted(maps.Keys(t.timers)) {
		x := t.timers[name]
		slices.Sort(x.values)
		say(part(name, "count"), "timer", x.count)
		say(part(name, "mean"), "timer", x.sum/x.count)
		say(part(name, "min"), "timer", x.least)
		say(part(name, "max"), "timer", x.most)
		say(part(name, "p95"), "timer", x.values[(len(x.values)*95+99)/100-1])
	}
}

// part puts a word behind a name, before its tags.
func part(name, word string) string {
	base, tags, tagged := strings.Cut(name, ";")
	if !tagged {
		return base + "." + word
	}
	return base + "." + word + ";" + tags
}
