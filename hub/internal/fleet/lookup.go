package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Limits of lookups.
const (
	minPrefix = 4 // characters of a fingerprint
	maxLog    = 1000
)

// Agents is every agent, sorted by hostname, then fingerprint.
func (f *Fleet) Agents() []Agent {
	roster := *f.roster.Load()
	out := make([]Agent, 0, len(roster))
	for _, b := range roster {
		out = append(out, b.view.Load().agent)
	}
	slices.SortFunc(out, func(a, b Agent) int {
		return cmp.Or(cmp.Compare(a.Hostname, b.Hostname), cmp.Compare(a.Fingerprint, b.Fingerprint))
	})
	return out
}

// Each gives every agent and what it said of its box to fn, in no order.
func (f *Fleet) Each(fn func(Agent, Facts)) {
	for _, b := range *f.roster.Load() {
		v := b.view.Load()
		fn(v.agent, v.facts)
	}
}

// Find is the agent with this fingerprint, this hostname where only one has it, or this unique prefix of the fingerprint of 4
// characters or more. ErrUnknownAgent, ErrAmbiguous.
func (f *Fleet) Find(name string) (Agent, error) {
	roster := *f.roster.Load()
	if b := roster[name]; b != nil {
		return b.view.Load().agent, nil
	}
	var byHost, byPrefix []Agent
	for fingerprint, b := range roster {
		a := b.view.Load().agent
		if a.Hostname != "" && a.Hostname == name {
			byHost = append(byHost, a)
		}
		if len(name) >= minPrefix && strings.HasPrefix(fingerprint, strings.ToLower(name)) {
			byPrefix = append(byPrefix, a)
		}
	}
	for _, found := range [][]Agent{byHost, byPrefix} {
		switch len(found) {
		case 0:
		case 1:
			return found[0], nil
		default:
			return Agent{}, fmt.Errorf("find agent %q: %w", name, ErrAmbiguous)
		}
	}
	return Agent{}, fmt.Errorf("find agent %q: %w", name, ErrUnknownAgent)
}

// Agent is everything known of the agent with this whole fingerprint. ErrUnknownAgent.
func (f *Fleet) Agent(fingerprint string) (Detail, error) {
	b, err := f.box(fingerprint)
	if err != nil {
		return Detail{}, err
	}
	v := b.view.Load()
	d := Detail{Agent: v.agent, Facts: v.facts, Checks: make([]CheckStatus, 0, len(v.checks))}
	for _, t := range v.checks {
		d.Checks = append(d.Checks, t.Status)
	}
	return d, nil
}

// Log is the newest events, newest first, at most limit and never more than 1,000.
func (f *Fleet) Log(limit int) []Event {
	events := *f.events.Load()
	n := min(max(limit, 0), maxLog, len(events))
	out := slices.Clone(events[len(events)-n:])
	slices.Reverse(out)
	return out
}

func (f *Fleet) box(fingerprint string) (*box, error) {
	if b := (*f.roster.Load())[fingerprint]; b != nil {
		return b, nil
	}
	return nil, fmt.Errorf("look up agent %.12s: %w", fingerprint, ErrUnknownAgent)
}
