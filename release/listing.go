package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/signing/repo"
	"github.com/limpet-monitoring/limpet/signing/tuf"
)

func deltaCommand(f *flag.FlagSet) action {
	p, w := placeFlags(f), wayFlags(f)
	channel := f.String("channel", "stable", "`channel` of the release")
	version := f.String("version", "", "`version` to make deltas for (default: the newest of the channel)")
	return func(ctx context.Context, out output) error {
		if err := w.check(); err != nil {
			return err
		}
		return p.write(out, func(r *repo.Repo) error {
			version, err := listedVersion(r, *channel, *version)
			if err != nil {
				return err
			}
			if err := w.add(ctx, r, *channel, version, out); err != nil {
				return err
			}
			return p.finish(ctx, r, out,
				fmt.Sprintf("nothing to add: %s lists every delta that is worth having", version),
				fmt.Sprintf("listed with %s in %s", version, *channel))
		})
	}
}

// listedVersion checks that a channel lists a version; "" is its newest.
func listedVersion(r *repo.Repo, channel, version string) (string, error) {
	cores, err := r.Cores()
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(cores, func(c tuf.Core) bool { return c.Channel == channel && (version == "" || c.Version == version) })
	switch {
	case i >= 0:
		return cores[i].Version, nil
	case version == "":
		return "", fmt.Errorf("channel %s lists no release", channel)
	default:
		return "", fmt.Errorf("channel %s does not list %s", channel, version)
	}
}

func promoteCommand(f *flag.FlagSet) action {
	p, w := placeFlags(f), wayFlags(f)
	version := f.String("version", "", "`version` to promote")
	from := f.String("from", "beta", "`channel` that lists it")
	to := f.String("channel", "stable", "`channel` to list it in")
	return func(ctx context.Context, out output) error {
		if *version == "" {
			return usageError("--version is missing")
		}
		if err := w.check(); err != nil {
			return err
		}
		return p.write(out, func(r *repo.Repo) error {
			platforms, err := r.Promote(*version, *from, *to)
			if err != nil {
				return err
			}
			if err := w.add(ctx, r, *to, *version, out); err != nil {
				return err
			}
			said := fmt.Sprintf("promoted %s from %s to %s for %s", *version, *from, *to, strings.Join(platforms, ", "))
			if len(platforms) == 0 {
				said = fmt.Sprintf("%s was in %s already; what travels for it is listed now", *version, *to)
			}
			return p.finish(ctx, r, out, fmt.Sprintf("nothing to promote: %s is in %s already", *version, *to), said)
		})
	}
}

// finish commits what was collected and says so, or that there was nothing.
func (p *place) finish(ctx context.Context, r *repo.Repo, out output, nothing, done string) error {
	next := "next: limpet-release verify --dir " + p.dir
	if !r.Changed() {
		out.printf("%s\n%s\n", nothing, next)
		return nil
	}
	now := time.Now()
	r.Refresh(now)
	if err := commit(ctx, r, now); err != nil {
		return err
	}
	out.printf("%s\n%s\n", done, next)
	return nil
}
