package desired

import (
	"slices"
	"strings"

	"github.com/limpet-monitoring/limpet/core/wire"
)

// Target is what of an agent decides which checks are meant for it.
type Target struct {
	Fingerprint string // 64 hexadecimal digits, lower case
	Hostname    string
	OS          string
	Tags        []string
}

func (t Target) same(u Target) bool {
	return t.Fingerprint == u.Fingerprint && t.Hostname == u.Hostname && t.OS == u.OS && slices.Equal(t.Tags, u.Tags)
}

// For compiles an agent's part, in the order of the text, without a revision number. Where two entries of one name are
// meant for the agent the later one stands, in the place of the first; shadowed names those.
func (d *Document) For(t Target) (part *wire.Desired, shadowed []string) {
	part = &wire.Desired{NoDefaults: !d.Defaults, Disable: d.Disable, Collectors: d.collectorsFor(t)}
	at := map[string]int{}
	for _, e := range d.Entries {
		if !e.On.fits(t) {
			continue
		}
		if i, ok := at[e.Name]; ok {
			part.Checks[i] = e.wire()
			shadowed = append(shadowed, e.Name)
			continue
		}
		at[e.Name] = len(part.Checks)
		part.Checks = append(part.Checks, e.wire())
	}
	return part, shadowed
}

func (e Entry) wire() *wire.Check {
	return &wire.Check{
		Name:      e.Name,
		Builtin:   e.Builtin,
		Plugin:    e.Plugin,
		Args:      e.Args,
		EveryMs:   uint32(e.Every.Milliseconds()),
		Cron:      e.Cron,
		TimeoutMs: uint32(e.Timeout.Milliseconds()),

		AtStart: e.AtStart, Attempts: uint32(e.Judge.Attempts), TimeoutState: wire.State(e.Judge.TimeoutState),
		NoFlap: e.Judge.Flap.Off, FlapLow: float32(e.Judge.Flap.Low), FlapHigh: float32(e.Judge.Flap.High),
		User: e.User, Dir: e.Dir, Macros: e.Macros,
	}
}

// fits says whether an agent is meant. Tags are compared as they are written, host names without regard to case.
func (on *On) fits(t Target) bool {
	if on == nil {
		return true
	}
	host := strings.ToLower(t.Hostname)
	return one(on.Tags, func(tag string) bool { return slices.Contains(t.Tags, tag) }) &&
		one(on.Hosts, func(pattern string) bool { return matches(pattern, host) }) &&
		one(on.Fingerprints, func(prefix string) bool { return strings.HasPrefix(t.Fingerprint, prefix) }) &&
		one(on.OS, func(os string) bool { return os == t.OS })
}

// one says whether an entry of the list fits; a list that is not given fits always.
func one(list []string, fits func(string) bool) bool {
	for _, entry := range list {
		if fits(entry) {
			return true
		}
	}
	return list == nil
}

// matches compares with a pattern of * (any characters) and ? (one character), in time of at most len(pattern)×len(s).
func matches(pattern, s string) bool {
	p, i, star, from := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0: // let the last star take one more
			from++
			p, i = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
