package desired

import (
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/site"
)

// Target is what of an agent decides which checks are meant for it.
type Target struct {
	Fingerprint string // 64 hexadecimal digits, lower case
	Hostname    string
	OS          string
	Arch        string // GOARCH, for plugins of the catalog
	Trust       string // "signed" = it runs what the site's owner signed, nothing else
	Tags        []string
}

func (t Target) same(u Target) bool {
	return t.Fingerprint == u.Fingerprint && t.Hostname == u.Hostname && t.OS == u.OS && t.Arch == u.Arch && t.Trust == u.Trust && slices.Equal(t.Tags, u.Tags)
}

// For compiles an agent's part, in the order of the text, without a revision number. Where two entries of one name are
// meant for the agent the later one stands, in the place of the first; shadowed names those.
func (d *Document) For(t Target) (part *wire.Desired, shadowed []string) {
	part = &wire.Desired{NoDefaults: !d.Defaults, Disable: d.Disable, CpuPercent: uint32(d.CPU), Collectors: d.collectorsFor(t)}
	if d.Inputs.On.fits(t) {
		part.GraphitePort, part.StatsdPort = d.Inputs.Graphite, d.Inputs.StatsD
	}
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
		RetryMs: uint32(e.Judge.Retry.Milliseconds()), Importance: wire.Importance(e.Importance),
		User: e.User, Dir: e.Dir, Macros: e.Macros,
	}
}

// trustSigned is what an agent says that runs what the site's owner signed, nothing else.
const trustSigned = "signed"

// finish adds to a part what of the site counts into it: the file of each plugin that the catalog has, and which version of the site's targets the agent has to know.
func finish(part *wire.Desired, t Target, v *site.View) {
	for _, c := range part.Checks {
		if c.Plugin == "" {
			continue
		}
		if p, ok := v.Find(c.Plugin, t.OS+"-"+t.Arch); ok {
			c.PluginHash, _ = hex.DecodeString(p.SHA256) // it was read from metadata
			part.Site = 1                                // any that lists this hash
		}
	}
	if t.Trust == trustSigned && len(part.Checks)+len(part.Collectors) > 0 {
		part.Site = v.Version // what is signed later makes another revision: what was rejected is sent again
	}
}

// unsigned are the lines of a finished part that nobody signed for, by what runs them (`check "x"`, `collector "y"`); none where the agent does not ask. A builtin without arguments
// runs like the default checks, which need no signature.
func unsigned(part *wire.Desired, t Target, v *site.View) map[string]string {
	if t.Trust != trustSigned {
		return nil
	}
	out := map[string]string{}
	for _, w := range part.Checks {
		c, err := wire.ToCheck(w)
		if err != nil {
			continue // refused by the agent, and not for a signature
		}
		line, err := c.Line()
		if err != nil {
			line = err.Error()
		}
		if !v.Lines[line] && (c.Builtin == "" || len(c.Args) > 0) {
			out[fmt.Sprintf("check %q", w.Name)] = line
		}
	}
	for _, w := range part.Collectors {
		line, err := specOf(w).Line()
		if err != nil {
			line = err.Error()
		}
		if !v.Lines[line] {
			out[fmt.Sprintf("collector %q", w.Name)] = line
		}
	}
	return out
}

// Lines are what a document can have agents run, each once, sorted, as the site's owner signs it: with the catalog's plugins where it has them for
// any platform. A check that no line can hold is an error.
func (d *Document) Lines(v *site.View) ([]string, error) {
	lines := map[string]bool{}
	for _, e := range d.Entries {
		c, err := wire.ToCheck(e.wire())
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", e.Line, err)
		}
		here := []string{""}
		if e.Plugin != "" {
			here = v.Hashes(e.Plugin)
		}
		for _, c.Hash = range here {
			line, err := c.Line()
			if err != nil {
				return nil, fmt.Errorf("line %d: check %q: %w", e.Line, e.Name, err)
			}
			lines[line] = true
		}
	}
	for _, c := range d.Collectors {
		line, err := c.Spec.Line()
		if err != nil {
			return nil, fmt.Errorf("line %d: collector %q: %w", c.Line, c.Name, err)
		}
		lines[line] = true
	}
	return slices.Sorted(maps.Keys(lines)), nil
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
