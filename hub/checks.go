package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/client"
	"github.com/limpet-monitoring/limpet/hub/internal/desired"
	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
)

func apply(ctx context.Context, c *call) error {
	var file string
	var dry bool
	c.flags.StringVar(&file, "f", "", "the document's `file`, - for standard input")
	c.flags.BoolVar(&dry, "dry-run", false, "only say what it would do")
	hub, err := c.dial(0)
	if err != nil {
		return err
	}
	if file == "" {
		return &misuse{"apply needs a file", c.usage()}
	}
	text, err := c.document(file)
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(text)) == 0 { // most often what should have written it failed
		return &client.Fault{Kind: client.Invalid, Text: file + " is empty; nothing was applied", Hint: "`defaults: true` alone ends all checks but the default ones"}
	}
	path := "/desired"
	if dry {
		path += "?dry-run=1"
	}
	data, err := hub.Do(ctx, "PUT", path, text)
	if err != nil {
		return c.mistakes(file, err)
	}
	if c.json {
		_, err := c.out.Write(data)
		return err
	}
	var o struct {
		Revision        uint64
		Agents, Changed int
		Notes           []string
	}
	if err := json.Unmarshal(data, &o); err != nil {
		return fmt.Errorf("read the hub's answer: %w", err)
	}
	verb := "applied as"
	if dry {
		verb = "no mistakes; it would be"
	}
	fmt.Fprintf(c.out, "%s revision %d: %d of %s get something new\n", verb, o.Revision, o.Changed, count(o.Agents, "agent"))
	for _, n := range o.Notes {
		fmt.Fprintln(c.out, "note: "+oneLine(n))
	}
	if dry || o.Changed == 0 || o.Agents > maxAsked {
		return nil
	}
	return c.rejections(ctx, hub)
}

const (
	verdictWithin = 3 * time.Second // an agent that is there has said in a few milliseconds what it makes of a revision
	verdictAgain  = 100 * time.Millisecond
	maxAsked      = 1000 // agents: the list of more is too long to be read again and again
)

// rejections says which agents do not take what was applied just now; limpet-hub problems shows the later ones.
func (c *call) rejections(ctx context.Context, hub *client.Client) error {
	var applied struct{ Applied fleet.Time }
	if err := get(ctx, hub, "/desired", &applied); err != nil {
		return err
	}
	for end := time.Now().Add(verdictWithin); ; {
		var list []fleet.Agent
		if err := get(ctx, hub, "/agents", &list); err != nil {
			return err
		}
		waiting := slices.ContainsFunc(list, func(a fleet.Agent) bool {
			return a.Presence != fleet.Offline && a.Revision != a.WantedRevision && a.RejectedAt.Before(applied.Applied.Time)
		})
		if waiting && time.Now().Before(end) {
			time.Sleep(verdictAgain)
			continue
		}
		for _, a := range list {
			if a.Presence != fleet.Offline && !a.RejectedAt.IsZero() && a.Revision != a.WantedRevision {
				fmt.Fprintf(c.out, "warning: %s rejects it and runs on with what it had: %s\n", oneLine(a.Name), oneLine(strings.Join(a.RevisionProblems, "; ")))
			}
		}
		return nil
	}
}

func get(ctx context.Context, hub *client.Client, path string, v any) error {
	data, err := hub.Do(ctx, "GET", path, nil)
	if err != nil {
		return err
	}
	return decode(data, v)
}

// document reads the file, at most what the hub takes and one byte more, so that the hub can say that it is too long.
func (c *call) document(file string) ([]byte, error) {
	var r io.Reader = c.in
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, &client.Fault{Kind: client.NoFile, Text: err.Error(), Hint: "name the document with -f"}
		}
		defer f.Close()
		r = f
	}
	text, err := io.ReadAll(io.LimitReader(r, desired.MaxText+1))
	if err != nil {
		return nil, &client.Fault{Kind: client.NoFile, Text: err.Error(), Hint: "name the document with -f"}
	}
	return text, nil
}

// mistakes prints each problem as FILE:LINE:COLUMN: TEXT, as compilers do.
func (c *call) mistakes(file string, err error) error {
	var f *client.Fault
	if !errors.As(err, &f) || f.Kind != client.Invalid {
		return err
	}
	for _, p := range f.Problems {
		fmt.Fprintf(c.err, "%s:%s\n", file, oneLine(p.String()))
	}
	return &client.Fault{Kind: client.Invalid, Text: fmt.Sprintf("%s holds %s", file, count(len(f.Problems), "mistake")), Hint: "nothing was applied; correct the lines above and apply again"}
}

func desiredText(ctx context.Context, c *call) error {
	hub, err := c.dial(0)
	if err != nil {
		return err
	}
	var d struct {
		Revision uint64
		Text     string
	}
	if done, err := c.fetch(ctx, hub, "/desired", &d); done || err != nil {
		return err
	}
	if d.Revision == 0 {
		fmt.Fprintln(c.err, "nothing applied yet: every agent runs the default checks")
		return nil
	}
	_, err = io.WriteString(c.out, d.Text)
	return err
}

// maxLine bounds one line of a run's answer: a result with its long output, escaped.
const maxLine = 16 << 20

func runNow(ctx context.Context, c *call) error {
	hub, err := c.dial(2)
	if err != nil {
		return err
	}
	agent, check := c.args[0], c.args[1]
	code, err := c.follow(ctx, hub, agentPath(agent)+"/checks/"+url.PathEscape(check)+"/run")
	if err != nil {
		return fmt.Errorf("run %s on %s: %w", check, agent, err)
	}
	return exited(code)
}

// follow prints a run's output as it comes, and gives the plugin's exit code.
func (c *call) follow(ctx context.Context, hub *client.Client, path string) (int, error) {
	answer, err := hub.Stream(ctx, "POST", path, nil)
	if err != nil {
		return 0, err
	}
	defer answer.Close()
	lines := bufio.NewScanner(answer)
	lines.Buffer(nil, maxLine)
	printed := false
	for lines.Scan() {
		var l struct {
			Output      *string
			Stderr      bool
			Result      *fleet.Result
			Error, Hint string
		}
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return 0, fmt.Errorf("read the hub's answer: %w", err)
		}
		if c.json {
			fmt.Fprintf(c.out, "%s\n", lines.Bytes())
		}
		switch {
		case l.Error != "":
			return 0, &client.Fault{Text: l.Error, Hint: l.Hint}
		case l.Result != nil:
			if !printed && !c.json { // a check that comes with the agent prints nothing on its way
				fmt.Fprintln(c.out, clean(l.Result.Text))
			}
			c.remark(*l.Result)
			return exitOf(*l.Result), nil
		case l.Output != nil && !c.json:
			printed = true
			w := c.out
			if l.Stderr {
				w = c.err
			}
			_, _ = io.WriteString(w, clean(*l.Output))
		}
	}
	return 0, &client.Fault{Kind: client.Unreachable, Text: "the hub went away before the run's end", Hint: "the run goes on; its result comes by itself"}
}

// remark says what the output does not.
func (c *call) remark(r fleet.Result) {
	switch {
	case r.TimedOut:
		fmt.Fprintln(c.err, "note: ended by its deadline")
	case r.Signal != "":
		fmt.Fprintln(c.err, "note: ended by signal "+clean(r.Signal))
	}
	for _, p := range r.Problems {
		fmt.Fprintln(c.err, "note: "+oneLine(p))
	}
}

// exitOf is the plugin's exit code, or 3 (UNKNOWN) where it had none that means a state.
func exitOf(r fleet.Result) int {
	if r.Exit >= 0 && r.Exit <= 3 {
		return r.Exit
	}
	return 3
}
