package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/client"
	"github.com/limpet-monitoring/limpet/hub/internal/enrol"
	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
)

func signIn(ctx context.Context, c *call) error {
	hub, err := c.dial(0)
	if err != nil {
		return err
	}
	data, err := hub.Do(ctx, "POST", "/signin", nil)
	if err != nil {
		return err
	}
	if c.json {
		_, err := c.out.Write(data)
		return err
	}
	var link struct{ URL string }
	if err := json.Unmarshal(data, &link); err != nil {
		return fmt.Errorf("read the hub's answer: %w", err)
	}
	fmt.Fprintln(c.out, link.URL)
	fmt.Fprintln(c.err, "good once, for 10 minutes; where the certificate is the hub's own the browser asks whether to trust it")
	return nil
}

func tokenCreate(ctx context.Context, c *call) error {
	var q struct {
		Uses int    `json:"uses"`
		TTL  int64  `json:"ttl_ms"`
		Note string `json:"note"`

		EphemeralMS int64 `json:"ephemeral_ms,omitempty"`
	}
	var ttl time.Duration
	var gone goingAfter
	c.flags.IntVar(&q.Uses, "uses", 1, "how many boxes may enrol with it")
	c.flags.DurationVar(&ttl, "ttl", 24*time.Hour, "how long it is good")
	c.flags.StringVar(&q.Note, "note", "", "what it is for")
	c.flags.Var(&gone, "ephemeral", "its boxes come and go: each is taken out of the fleet when its host goes down, or an hour after it vanished; --ephemeral=10m is another time")
	hub, err := c.dial(0)
	if err != nil {
		return err
	}
	if q.Uses < 1 || ttl < time.Second {
		return &misuse{"a token needs a use and a second of life at least", c.usage()}
	}
	q.TTL, q.EphemeralMS = ttl.Milliseconds(), time.Duration(gone).Milliseconds()
	body, err := json.Marshal(q)
	if err != nil {
		return err
	}
	data, err := hub.Do(ctx, "POST", "/tokens", body)
	if err != nil {
		return err
	}
	if c.json {
		_, err := c.out.Write(data)
		return err
	}
	var t struct {
		ID, Token, Install string
		Expires            fleet.Time
		UsesLeft           int `json:"uses_left"`
	}
	if err := json.Unmarshal(data, &t); err != nil {
		return fmt.Errorf("read the hub's answer: %w", err)
	}
	fmt.Fprintf(c.out, "%s\n\ngood for %s, until %s; to end it: limpet-hub token revoke %s\n", t.Token, boxes(t.UsesLeft), t.Expires.Local().Format("2006-01-02 15:04"), t.ID)
	if gone > 0 {
		fmt.Fprintf(c.out, "its boxes are ephemeral: taken out of the fleet when their host goes down, or %s after they vanished\n", time.Duration(gone))
	}
	fmt.Fprintf(c.out, "\non the box, as root:\n\n%s\n", t.Install)
	return nil
}

// goneAfter is when an ephemeral box that vanished is taken out of the fleet where nobody says otherwise: long enough for a reboot and an outage.
const goneAfter = time.Hour

// goingAfter is a flag that may stand alone or have a duration.
type goingAfter time.Duration

func (e *goingAfter) IsBoolFlag() bool { return true }

func (e *goingAfter) String() string { return time.Duration(*e).String() }

func (e *goingAfter) Set(s string) error {
	switch s {
	case "true":
		*e = goingAfter(goneAfter)
		return nil
	case "false":
		*e = 0
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < time.Minute {
		return errors.New("a duration of a minute at least, as 10m")
	}
	*e = goingAfter(d)
	return nil
}

func boxes(n int) string {
	if n == 1 {
		return "one box"
	}
	return fmt.Sprintf("%d boxes", n)
}

func tokenList(ctx context.Context, c *call) error {
	hub, err := c.dial(0)
	if err != nil {
		return err
	}
	var list []enrol.Token
	if done, err := c.fetch(ctx, hub, "/tokens", &list); done || err != nil {
		return err
	}
	if len(list) == 0 {
		fmt.Fprintln(c.out, "no token")
		return nil
	}
	t := newTable(c.out, "ID", "USES LEFT", "EXPIRES", "CREATED", "BOXES", "NOTE")
	for _, k := range list {
		t.row(k.ID, fmt.Sprintf("%d of %d", k.UsesLeft, k.Uses), until(k.Expires.Time), age(k.Created.Time)+" ago", staying(k.EphemeralMS), k.Note)
	}
	return t.w.Flush()
}

// staying says what becomes of boxes that go.
func staying(ephemeralMS int64) string {
	if ephemeralMS == 0 {
		return "stay"
	}
	return "ephemeral, " + (time.Duration(ephemeralMS) * time.Millisecond).String()
}

func until(t time.Time) string {
	if !time.Now().Before(t) {
		return "expired"
	}
	return t.Local().Format("2006-01-02 15:04")
}

func tokenRevoke(ctx context.Context, c *call) error {
	hub, err := c.dial(1)
	if err != nil {
		return err
	}
	if _, err := hub.Do(ctx, "DELETE", "/tokens/"+url.PathEscape(c.args[0]), nil); err != nil {
		return named(c.args[0], err)
	}
	fmt.Fprintln(c.out, "token "+c.args[0]+" is revoked; agents that came with it stay")
	return nil
}

func events(ctx context.Context, c *call) error {
	var follow bool
	var limit int
	c.flags.BoolVar(&follow, "follow", false, "go on with what happens")
	c.flags.IntVar(&limit, "limit", 50, "how many of the newest")
	hub, err := c.dial(0)
	if err != nil {
		return err
	}
	if limit < 1 {
		return &misuse{"--limit is no number above 0", c.usage()}
	}
	var list []fleet.Event
	data, err := hub.Do(ctx, "GET", fmt.Sprintf("/log?limit=%d", limit), nil)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return fmt.Errorf("read the hub's answer: %w", err)
	}
	slices.Reverse(list)
	for _, e := range list {
		c.event(e)
	}
	if !follow {
		return nil
	}
	return c.followEvents(ctx, hub)
}

// followEvents prints what the hub's event stream tells, until the command is interrupted or the hub stops.
func (c *call) followEvents(ctx context.Context, hub *client.Client) error {
	stream, err := hub.Stream(ctx, "GET", "/events?kinds=log", nil)
	if err != nil {
		return err
	}
	defer stream.Close()
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, maxLine)
	kind := ""
	for lines.Scan() {
		if k, ok := bytes.CutPrefix(lines.Bytes(), []byte("event: ")); ok {
			kind = string(k)
		}
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
		if !ok || kind != "log" {
			continue
		}
		var e fleet.Event
		if err := json.Unmarshal(data, &e); err != nil {
			return fmt.Errorf("read the hub's answer: %w", err)
		}
		c.event(e)
	}
	if ctx.Err() != nil {
		return nil
	}
	return &client.Fault{Kind: client.Unreachable, Text: "the hub ended the stream", Hint: "it stopped, or this reader was too slow"}
}

// event prints one entry: oldest first, one a line.
func (c *call) event(e fleet.Event) {
	if c.json {
		data, err := json.Marshal(e)
		if err == nil { // only values that were JSON before
			fmt.Fprintf(c.out, "%s\n", data)
		}
		return
	}
	fmt.Fprintf(c.out, "%s  %-10s  %-20s  %s\n", e.At.Local().Format("2006-01-02 15:04:05"), oneLine(e.Kind), oneLine(e.Hostname), oneLine(e.Text))
}
