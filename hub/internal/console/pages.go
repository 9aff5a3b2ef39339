package console

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/limpet-monitoring/limpet/hub/internal/desired"
	"github.com/limpet-monitoring/limpet/hub/internal/enrol"
	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
	"github.com/limpet-monitoring/limpet/hub/internal/rollout"
	"github.com/limpet-monitoring/limpet/hub/internal/trouble"
)

// Limits of what one page shows.
const (
	shownProblems = 8   // more are found through the table, which must not be pushed out of sight
	shownEvents   = 300 // the log keeps more, the interface gives them
)

// problem is one line of "what is wrong".
type problem struct {
	Key, Class, Word, Href, Host, Check, Text string
	Since                                     fleet.Time
}

func lineOf(p trouble.Problem) problem {
	href := "/agents/" + p.Fingerprint
	if p.Check != "" {
		href += "#" + url.PathEscape(p.Check)
	}
	of := cmp.Or(p.Check, " "+p.Text) // as assets/fleet.js: an agent may have several of its own
	return problem{Key: p.Fingerprint + "/" + of, Class: stateClass(p.State), Word: stateWord(p.State),
		Href: href, Host: p.Name, Check: p.Check, Text: p.Text, Since: p.Since}
}

// filter is one chip above a list.
type filter struct {
	Key, Word, Class, Href string
	Count                  int
	On                     bool
}

type fleetPage struct {
	page
	Summary       string
	Agents        []fleet.Agent
	Rows          []fleet.Agent
	Problems      []trouble.Problem
	ShownProblems []problem
	MoreProblems  int
	Rollouts      []rollout.Rollout // those that were stopped
	BlankRollout  rollout.Rollout
	Query         string
	Filters       []filter
	TokenCommand  string
	InstallLine   string
	Blank         fleet.Agent
	BlankProblem  problem
}

func (c *Console) fleet(w http.ResponseWriter, r *http.Request) {
	agents, query, show := c.o.Fleet.Agents(), r.FormValue("q"), r.FormValue("show")
	p := fleetPage{
		page: c.page("fleet", "Fleet", "fleet.js"), Agents: agents, Query: query, TokenCommand: c.o.TokenCommand, InstallLine: c.o.InstallLine(),
		Summary: summary(agents), Rows: rows(agents, query, show), Problems: trouble.List(c.o.Fleet),
		Filters: fleetFilters(agents, query, show),
	}
	for _, t := range p.Problems[:min(len(p.Problems), shownProblems)] {
		p.ShownProblems = append(p.ShownProblems, lineOf(t))
	}
	p.Rollouts = slices.DeleteFunc(c.o.Rollouts(), func(r rollout.Rollout) bool { return r.Stopped.IsZero() })
	p.MoreProblems = len(p.Problems) - len(p.ShownProblems)
	c.render(w, http.StatusOK, "fleet", p)
}

func summary(agents []fleet.Agent) string {
	online := 0
	for _, a := range agents {
		if a.Presence != fleet.Offline {
			online++
		}
	}
	if len(agents) == 1 {
		return fmt.Sprintf("1 agent, %d online", online)
	}
	return fmt.Sprintf("%d agents, %d online", len(agents), online)
}

// shows are the filters of the fleet, by class of agent.
var shows = []filter{{Key: "", Word: "All"}, {Key: "lost", Word: "Lost", Class: "lost"}, {Key: "critical", Word: "Critical", Class: "critical"},
	{Key: "warning", Word: "Warning", Class: "warning"}, {Key: "unknown", Word: "Unknown", Class: "unknown"}, {Key: "ok", Word: "OK", Class: "ok"},
	{Key: "none", Word: "Away", Class: "none"}}

func fleetFilters(agents []fleet.Agent, query, show string) []filter {
	count := map[string]int{"": len(agents)}
	for _, a := range agents {
		count[agentClass(a)]++
	}
	filters := slices.Clone(shows)
	for i := range filters {
		f := &filters[i]
		f.Count, f.On = count[f.Key], f.Key == show
		f.Href = "/?" + url.Values{"q": {query}, "show": {f.Key}}.Encode()
	}
	return filters
}

// rows are the agents that fit, what is wrong first, then by name. The script orders alike.
func rows(agents []fleet.Agent, query, show string) []fleet.Agent {
	var rows []fleet.Agent
	for _, a := range agents {
		if (show == "" || agentClass(a) == show) && fitsQuery(a, query) {
			rows = append(rows, a)
		}
	}
	slices.SortStableFunc(rows, func(a, b fleet.Agent) int {
		return cmp.Or(rank(a)-rank(b), strings.Compare(a.Name, b.Name), strings.Compare(a.Fingerprint, b.Fingerprint))
	})
	return rows
}

func rank(a fleet.Agent) int {
	if trouble.IsLost(a) {
		return trouble.Severity(trouble.Lost)
	}
	if a.Presence == fleet.Offline {
		return trouble.Severity("")
	}
	return trouble.Severity(a.State)
}

// fitsQuery wants every word of the query somewhere in what the row shows.
func fitsQuery(a fleet.Agent, query string) bool {
	all := strings.ToLower(strings.Join(append([]string{a.Name, a.Hostname, a.Fingerprint, a.Platform, a.CoreVersion, strings.Join(a.Tags, " ")}, a.Addresses...), " "))
	for _, word := range strings.Fields(strings.ToLower(query)) {
		if !strings.Contains(all, word) {
			return false
		}
	}
	return true
}

func (c *Console) agent(w http.ResponseWriter, r *http.Request) {
	found, err := c.o.Fleet.Find(r.PathValue("agent"))
	if err != nil {
		c.notFound(w, "There is no such agent")
		return
	}
	if found.Fingerprint != r.PathValue("agent") {
		http.Redirect(w, r, "/agents/"+found.Fingerprint, http.StatusFound)
		return
	}
	d, err := c.o.Fleet.Agent(found.Fingerprint)
	if err != nil {
		c.notFound(w, "There is no such agent")
		return
	}
	samples, more, err := c.o.Fleet.Samples(found.Fingerprint)
	if err != nil {
		c.notFound(w, "There is no such agent")
		return
	}
	c.render(w, http.StatusOK, "agent", struct {
		page
		Agent       fleet.Detail
		BlankCheck  fleet.CheckStatus
		Samples     []fleet.Sample
		MoreSamples bool
		BlankSample fleet.Sample
	}{page: c.page("agent", d.Name, "agent.js"), Agent: d, Samples: samples, MoreSamples: more})
}

func (c *Console) checks(w http.ResponseWriter, r *http.Request) {
	applied := c.o.Desired()
	var rejecting []fleet.Agent
	for _, a := range c.o.Fleet.Agents() {
		if len(a.RevisionProblems) > 0 {
			rejecting = append(rejecting, a)
		}
	}
	c.render(w, http.StatusOK, "checks", struct {
		page
		Applied   desired.Applied
		AppliedAt fleet.Time
		Rejecting []fleet.Agent
	}{c.page("checks", "Checks", "checks.js"), applied, fleet.Time{Time: applied.At}, rejecting})
}

func (c *Console) tokens(w http.ResponseWriter, r *http.Request) {
	tokens, err := c.o.Tokens(r.Context())
	if err != nil {
		c.o.Log.Error("tokens not read", "err", err)
		http.Error(w, "the tokens could not be read; the hub's log says why", http.StatusServiceUnavailable)
		return
	}
	c.render(w, http.StatusOK, "tokens", struct {
		page
		Tokens     []enrol.Token
		BlankToken enrol.Token
	}{page: c.page("tokens", "Tokens", "tokens.js"), Tokens: tokens})
}

func (c *Console) log(w http.ResponseWriter, r *http.Request) {
	show := r.FormValue("show")
	filters := []filter{{Key: "", Word: "All"}, {Key: groupState, Word: "State changes"}, {Key: groupPresence, Word: "Came and left"},
		{Key: groupLoss, Word: "Losses"}, {Key: groupOther, Word: "Other"}}
	for i := range filters {
		filters[i].Href = "/log?" + url.Values{"show": {filters[i].Key}}.Encode()
		filters[i].On = filters[i].Key == show
	}
	events := slices.DeleteFunc(slices.Clone(c.o.Fleet.Log(shownEvents)), func(e fleet.Event) bool {
		return show != "" && eventGroup(e.Kind) != show
	})
	c.render(w, http.StatusOK, "log", struct {
		page
		Filters    []filter
		Events     []fleet.Event
		BlankEvent fleet.Event
	}{page: c.page("log", "Log", "log.js"), Filters: filters, Events: events})
}
