package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/url"

	"github.com/limpet-monitoring/limpet/hub/internal/rollout"
)

func rolloutList(ctx context.Context, c *call) error {
	hub, err := c.dial(0)
	if err != nil {
		return err
	}
	var answer struct {
		Limit    rollout.Limit
		Rollouts []rollout.Rollout
	}
	if done, err := c.fetch(ctx, hub, "/rollouts", &answer); done || err != nil {
		return err
	}
	t := newTable(c.out, "VERSION", "TRIED", "RUNNING", "FAILED", "STATE")
	for _, r := range answer.Rollouts {
		state := "goes on"
		if !r.Stopped.IsZero() {
			state = "stopped " + age(r.Stopped.Time) + " ago: " + r.Why
		} else if !r.Resumed.IsZero() {
			state = "goes on, resumed " + age(r.Resumed.Time) + " ago"
		}
		t.row(r.Version, fmt.Sprint(r.Tried), fmt.Sprint(r.Running), fmt.Sprint(r.Failed), state)
	}
	if err := t.w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(c.out, limitWords(answer.Limit))
	return nil
}

func limitWords(l rollout.Limit) string {
	if l.Percent == 0 {
		return "no rollout is stopped, however many fail"
	}
	return fmt.Sprintf("a rollout is stopped when it failed on %s or more, and on %d %% of those that tried it", count(l.Hosts, "agent"), l.Percent)
}

// rolloutLimit changes what its flags name.
func rolloutLimit(ctx context.Context, c *call) error {
	c.flags.Int("percent", 0, "`share` of the agents that tried a release, 0 to 100; 0 = stop none")
	c.flags.Int("hosts", 0, "at least so many `agents`")
	hub, err := c.dial(0)
	if err != nil {
		return err
	}
	said := map[string]any{}
	c.flags.Visit(func(f *flag.Flag) {
		if f.Name == "percent" || f.Name == "hosts" {
			said[f.Name] = f.Value.(flag.Getter).Get()
		}
	})
	if len(said) == 0 {
		return &misuse{"rollout limit needs --percent or --hosts", c.usage()}
	}
	body, err := json.Marshal(said)
	if err != nil {
		return err
	}
	data, err := hub.Do(ctx, "PUT", "/rollouts/limit", body)
	if err != nil {
		return err
	}
	if c.json {
		_, err := c.out.Write(data)
		return err
	}
	var limit rollout.Limit
	if err := json.Unmarshal(data, &limit); err != nil {
		return fmt.Errorf("read the hub's answer: %w", err)
	}
	fmt.Fprintln(c.out, limitWords(limit))
	return nil
}

func resumeRollout(ctx context.Context, c *call) error {
	hub, err := c.dial(1)
	if err != nil {
		return err
	}
	if _, err := hub.Do(ctx, "POST", "/rollouts/"+url.PathEscape(c.args[0])+"/resume", nil); err != nil {
		return named(c.args[0], err)
	}
	fmt.Fprintln(c.out, "the rollout of "+c.args[0]+" goes on; what failed so far does not stop it again")
	return nil
}
