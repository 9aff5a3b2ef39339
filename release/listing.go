package main

import (
	"context"
	"flag"
	"fmt"
	"slices"

	"github.com/limpet-monitoring/limpet/signing/repo"
	"github.com/limpet-monitoring/limpet/signing/tuf"
)

func deltaCommand(f *flag.FlagSet) action {
	p, w := placeFlags(f), wayFlags(f)
	p.requestFlag(f)
	channel := f.String("channel", "stable", "`channel` of the release")
	version := f.String("version", "", "`version` to make deltas for (default: the newest of the channel)")
	return func(ctx context.Context, out output) error {
		if err := w.check(); err != nil {
			return err
		}
		return p.write(ctx, out, func(r *repo.Repo) error {
			version, err := listedVersion(r, *channel, *version)
			if err != nil {
				return err
			}
			if err := w.add(ctx, r, *channel, version, out); err != nil {
				return err
			}
			return p.finish(ctx, r, out, said{
				fmt.Sprintf("nothing to add: %s lists every delta that is worth having", version),
				fmt.Sprintf("listed with %s in %s", version, *channel),
			})
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
