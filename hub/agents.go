package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"text/tabwriter"

	"github.com/limpet-monitoring/limpet/hub/internal/client"
	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
	"github.com/limpet-monitoring/limpet/hub/internal/trouble"
)

// fetch reads one resource: printed as it is with --json, else decoded into v, and done is false.
func (c *call) fetch(ctx context.Context, hub *client.Client, path string, v any) (done bool, err error) {
	data, err := hub.Do(ctx, "GET", path, nil)
	if err != nil {
		return false, err
	}
	if c.json {
		_, err := c.out.Write(data)
		return true, err
	}
	return false, decode(data, v)
}

func decode(data []byte, v any) error {
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("read the hub's answer: %w", err)
	}
	return nil
}

// table prints rows in columns; what agents wrote is cleaned.
type table struct{ w *tabwriter.Writer }

func newTable(w io.Writer, head ...string) table {
	t := table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	t.row(head...)
	return t
}

func (t table) row(cells ...string) {
	for i, c := range cells {
		cells[i] = oneLine(c)
	}
	fmt.Fprintln(t.w, strings.Join(cells, "\t"))
}

func agents(ctx context.Context, c *call) error {
	hub, err := c.dial(0)
	if err != nil {
		return err
	}
	var list []fleet.Agent
	if done, err := c.fetch(ctx, hub, "/agents", &list); done || err != nil {
		return err
	}
	if len(list) == 0 {
		fmt.Fprintln(c.out, "no agent yet; limpet-hub token create says how to add one")
		return nil
	}
	t := newTable(c.out, "HOST", "STATE", "PRESENCE", "SINCE", "CHECKS", "PLATFORM", "CORE", "OFFERED", "UPDATE", "FINGERPRINT")
	for _, a := range list {
		t.row(a.Name, word(a.State), presenceOf(a), age(a.Since.Time), counts(a.Counts), a.Platform, a.CoreVersion, cmp.Or(offerOf(a), "-"), cmp.Or(a.Update.String(), "-"), a.Fingerprint[:min(12, len(a.Fingerprint))])
	}
	return t.w.Flush()
}

func word(state string) string {
	if state == "" {
		return "-"
	}
	return state
}

func presenceOf(a fleet.Agent) string {
	text := string(a.Presence)
	if a.Cause != "" {
		text = fmt.Sprintf("%s (%s)", a.Presence, a.Cause)
	}
	if a.EphemeralMS > 0 {
		text += ", ephemeral"
	}
	return text
}

func counts(c fleet.Counts) string {
	var parts []string
	for _, p := range []struct {
		n    int
		word string
	}{{c.Critical, "critical"}, {c.Warning, "warning"}, {c.Unknown, "unknown"}, {c.OK, "ok"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.word))
		}
	}
	if parts == nil {
		return "-"
	}
	return strings.Join(parts, ", ")
}

// agentPath is where the interface has an agent.
func agentPath(name string) string { return "/agents/" + url.PathEscape(name) }

// named puts the agent's name before what is wrong with it.
func named(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}

func agentShow(ctx context.Context, c *call) error {
	hub, err := c.dial(1)
	if err != nil {
		return err
	}
	var d fleet.Detail
	if done, err := c.fetch(ctx, hub, agentPath(c.args[0]), &d); done || err != nil {
		return named(c.args[0], err)
	}
	head := newTable(c.out, d.Name, d.Fingerprint)
	head.row("presence", presenceOf(d.Agent)+", "+age(d.Since.Time))
	if d.EphemeralMS > 0 {
		head.row("boxes of its token", staying(d.EphemeralMS)+" after it vanished it is taken out of the fleet")
	}
	head.row("state", word(d.State)+" ("+counts(d.Counts)+")")
	head.row("platform", strings.TrimSpace(d.Platform+" "+d.Arch+" "+d.Kernel))
	head.row("addresses", strings.Join(d.Addresses, ", "))
	head.row("tags", strings.Join(d.Tags, ", "))
	head.row("core", d.CoreVersion+", stub "+d.StubVersion)
	if text := offerOf(d.Agent); text != "" {
		head.row("offered", text)
	}
	if text := d.Update.String(); text != "" {
		head.row("update", text)
	}
	head.row("revision", revisions(d.Agent))
	for _, p := range d.RevisionProblems {
		head.row("rejected", p)
	}
	if err := head.w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(c.out)
	t := newTable(c.out, "STATE", "CHECK", "FOR", "LAST", "PLUGIN", "TEXT")
	for _, s := range d.Checks {
		last := age(s.Last.Received.Time)
		if s.Stale {
			last += " (stale)"
		}
		state := s.State
		if word := s.Last.Standing.Words(); word != "" {
			state += " (" + word + ")"
		}
		t.row(state, s.Check, age(s.Since.Time), last, s.Plugin, s.Text)
	}
	return t.w.Flush()
}

func revisions(a fleet.Agent) string {
	if a.Revision == a.WantedRevision {
		return fmt.Sprint(a.Revision)
	}
	return fmt.Sprintf("%d, wanted %d", a.Revision, a.WantedRevision)
}

func agentForget(ctx context.Context, c *call) error {
	hub, err := c.dial(1)
	if err != nil {
		return err
	}
	if _, err := hub.Do(ctx, "DELETE", agentPath(c.args[0]), nil); err != nil {
		return named(c.args[0], err)
	}
	fmt.Fprintf(c.out, "%s is forgotten; it enrols again with a new token\n", c.args[0])
	return nil
}

func problems(ctx context.Context, c *call) error {
	hub, err := c.dial(0)
	if err != nil {
		return err
	}
	var list []trouble.Problem
	if done, err := c.fetch(ctx, hub, "/problems", &list); done || err != nil {
		return err
	}
	if len(list) == 0 {
		fmt.Fprintln(c.out, "nothing is wrong")
		return nil
	}
	t := newTable(c.out, "STATE", "HOST", "CHECK", "FOR", "TEXT")
	for _, p := range list {
		t.row(p.State, p.Name, p.Check, age(p.Since.Time), p.Text)
	}
	return t.w.Flush()
}
