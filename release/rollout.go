package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/signing/repo"
	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// promotion is what promote was asked for.
type promotion struct {
	*place
	*schedule
	ways              *ways
	version, from, to string
	plain             bool
}

func promoteCommand(f *flag.FlagSet) action {
	m := &promotion{place: placeFlags(f), schedule: scheduleFlags(f), ways: wayFlags(f)}
	m.requestFlag(f)
	f.StringVar(&m.version, "version", "", "`version` to promote")
	f.StringVar(&m.from, "from", "beta", "`channel` that lists it")
	f.StringVar(&m.to, "channel", "stable", "`channel` to list it in; one that lists it already gets the waves")
	f.BoolVar(&m.plain, "plain", false, "make no deltas; limpet-release delta adds them later")
	return func(ctx context.Context, out output) error {
		if m.version == "" {
			return usageError("--version is missing")
		}
		if err := m.ways.check(); err != nil {
			return err
		}
		waves, err := m.waves(time.Now())
		if err != nil {
			return err
		}
		return m.write(ctx, out, func(r *repo.Repo) error { return m.promote(ctx, r, out, waves) })
	}
}

func (m *promotion) promote(ctx context.Context, r *repo.Repo, out output, waves []tuf.Wave) error {
	var platforms []string
	was, err := found(r, m.to, m.version)
	if err != nil {
		return err
	}
	if elsewhere, err := found(r, m.from, m.version); err != nil {
		return err
	} else if len(elsewhere) > 0 || len(was) == 0 {
		if platforms, err = r.Promote(m.version, m.from, m.to, waves); err != nil {
			return err
		}
	}
	if !m.plain {
		if err := m.ways.add(ctx, r, m.to, m.version, out); err != nil {
			return err
		}
	}
	text := fmt.Sprintf("promoted %s from %s to %s for %s", m.version, m.from, m.to, strings.Join(platforms, ", "))
	if len(platforms) == 0 {
		text = fmt.Sprintf("%s was in %s already; what travels for it is listed now", m.version, m.to)
	}
	if m.schedule.given() && len(was) > 0 {
		changed, err := m.reschedule(r, was, waves)
		if err != nil {
			return err
		}
		if changed {
			text = fmt.Sprintf("%s in %s opens in other waves", m.version, m.to)
		}
	}
	return m.finish(ctx, r, out, said{fmt.Sprintf("nothing to promote: %s is in %s already", m.version, m.to), text})
}

// reschedule gives a release that is out other waves; the same ones again are left to
// go on as they began.
func (m *promotion) reschedule(r *repo.Repo, was []tuf.Core, waves []tuf.Wave) (bool, error) {
	for _, c := range was {
		if since := r.Paused(c); !since.IsZero() {
			return false, fmt.Errorf("%s in %s is paused; limpet-release resume it first", m.version, m.to)
		}
	}
	if m.start == "" && !slices.ContainsFunc(was, func(c tuf.Core) bool { return !alike(c.Waves, waves) }) {
		return false, nil
	}
	changed, err := r.SetWaves(m.to, m.version, waves)
	return len(changed) > 0, err
}

// found are the cores of a version in a channel, by platform; none is no error.
func found(r *repo.Repo, channel, version string) ([]tuf.Core, error) {
	cores, err := r.Cores()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(cores, func(c tuf.Core) bool { return c.Channel != channel || c.Version != version }), nil
}

// turn is a command that does one thing to one version of a channel.
type turn struct {
	nothing, done string // with the version and the channel
	do            func(r *repo.Repo, channel, version string, now time.Time) ([]string, error)
}

func turnCommand(t turn) func(f *flag.FlagSet) action {
	return func(f *flag.FlagSet) action {
		p := placeFlags(f)
		p.requestFlag(f)
		channel := f.String("channel", "stable", "`channel` of the release")
		return func(ctx context.Context, out output) error {
			version := f.Arg(0)
			if version == "" {
				return usageError("say which version")
			}
			return p.write(ctx, out, func(r *repo.Repo) error {
				platforms, err := t.do(r, *channel, version, time.Now())
				if err != nil {
					return err
				}
				return p.finish(ctx, r, out, said{
					fmt.Sprintf(t.nothing, version, *channel),
					fmt.Sprintf(t.done, version, *channel) + " (" + strings.Join(platforms, ", ") + ")",
				})
			})
		}
	}
}

var (
	pauseCommand = turnCommand(turn{
		"nothing to pause: %s in %s is paused already", "%s in %s is paused: no box that does not have it yet takes it up",
		(*repo.Repo).Pause,
	})
	resumeCommand = turnCommand(turn{
		"nothing to resume: %s in %s is not paused", "%s in %s goes on; what was to come comes later by as long as the pause was",
		(*repo.Repo).Resume,
	})
	withdrawCommand = turnCommand(turn{
		"nothing to withdraw: %s in %s is withdrawn already", "%s is not offered in %s any more; boxes that run it go on until there is a newer one",
		func(r *repo.Repo, channel, version string, _ time.Time) ([]string, error) {
			return r.Withdraw(channel, version)
		},
	})
)

func floorCommand(f *flag.FlagSet) action {
	p := placeFlags(f)
	p.requestFlag(f)
	return func(ctx context.Context, out output) error {
		name := f.Arg(0)
		if name == "" {
			return usageError("say which version, or counter, is the lowest that may still be installed")
		}
		return p.write(ctx, out, func(r *repo.Repo) error {
			floor, err := counterOf(r, name)
			if err != nil {
				return err
			}
			changed, err := r.SetFloor(floor)
			if err != nil {
				return err
			}
			return p.finish(ctx, r, out, said{
				fmt.Sprintf("nothing to do: the floor is %d already, or above", floor),
				fmt.Sprintf("the floor is counter %d, said by %d releases: nothing older is installed any more", floor, len(changed)),
			})
		})
	}
}

// counterOf reads a floor: a version that is listed, or a number.
func counterOf(r *repo.Repo, name string) (uint64, error) {
	cores, err := r.Cores()
	if err != nil {
		return 0, err
	}
	if i := slices.IndexFunc(cores, func(c tuf.Core) bool { return c.Version == name }); i >= 0 {
		return cores[i].Counter, nil
	}
	n, err := strconv.ParseUint(name, 10, 63)
	if err != nil {
		return 0, fmt.Errorf("%q is neither a version that is listed nor a counter", name)
	}
	return n, nil
}
