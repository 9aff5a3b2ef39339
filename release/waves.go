package main

import (
	"context"
	"encoding/hex"
	"flag"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/limpet-monitoring/limpet/signing/repo"
	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// fingerprintLen is how many hex digits a box's fingerprint has.
const fingerprintLen = 64

func wavesCommand(f *flag.FlagSet) action {
	dir := f.String("dir", "", "`folder` of the repository")
	channel := f.String("channel", "stable", "`channel` of the release")
	finger := f.String("fingerprint", "", "`hex` of one box, as limpet status and limpet-hub agents show it: is it in?")
	at := f.String("at", "", "`time` to look at, such as 2030-05-01T12:00:00Z (default: now)")
	return func(_ context.Context, out output) error {
		version := f.Arg(0)
		if version == "" {
			return usageError("say which version")
		}
		if raw, err := hex.DecodeString(*finger); *finger != "" && (err != nil || len(raw)*2 != fingerprintLen || *finger != strings.ToLower(*finger)) {
			return usageError(fmt.Sprintf("--fingerprint is %d hex digits, in lower case", fingerprintLen))
		}
		now := time.Now()
		if *at != "" {
			var err error
			if now, err = time.Parse(time.RFC3339, *at); err != nil {
				return usageError("--at " + *at + " is no time such as 2030-05-01T12:00:00Z")
			}
		}
		r, err := openToRead(*dir)
		if err != nil {
			return err
		}
		return printWaves(out, r, *channel, version, *finger, now)
	}
}

// printWaves shows each list of waves that a release has, with the platforms that have
// it: all of them but after a change that was made to some.
func printWaves(out output, r *repo.Repo, channel, version, finger string, now time.Time) error {
	cores, err := found(r, channel, version)
	if err != nil {
		return err
	}
	if len(cores) == 0 {
		return fmt.Errorf("channel %s does not list %s", channel, version)
	}
	platforms := map[string][]string{}
	var order []tuf.Core
	for _, c := range cores {
		key := fmt.Sprint(c.Waves, r.Paused(c))
		if platforms[key] == nil {
			order = append(order, c)
		}
		platforms[key] = append(platforms[key], c.Platform)
	}
	for _, c := range order {
		out.printf("%s in %s, counter %d: %s\n", c.Version, c.Channel, c.Counter, strings.Join(platforms[fmt.Sprint(c.Waves, r.Paused(c))], ", "))
		if err := printOne(out, r, c, finger, now); err != nil {
			return err
		}
	}
	out.printf("next: limpet-release pause %s stops it, promote --version %s --waves ... changes it\n", version, version)
	return nil
}

func printOne(out output, r *repo.Repo, c tuf.Core, finger string, now time.Time) error {
	if since := r.Paused(c); !since.IsZero() {
		out.printf("paused since %s: open to nobody who does not have it\n", stamp(since))
	} else if len(c.Waves) == 0 {
		out.printf("open to all at once\n")
	} else {
		table := tabwriter.NewWriter(out.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "SHARE\tFROM\tCOHORTS\t")
		for i, w := range c.Waves {
			state := "in " + w.From.Sub(now).Round(time.Second).String()
			if !w.From.After(now) {
				state = "open"
			}
			fmt.Fprintf(table, "%d %%\t%s\t%s\t%s\n", w.Percent, stamp(w.From), cohorts(c.Waves, i), state)
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	share := tuf.Open(c.Waves, now)
	out.printf("open to %d %% of the fleet at %s\n", share, stamp(now))
	if finger == "" {
		return nil
	}
	cohort := tuf.Cohort(finger, c.Version)
	out.printf("%s is cohort %d: %s\n", finger, cohort, placeIn(c.Waves, cohort, now))
	return nil
}

// cohorts is what a wave adds to the one before it.
func cohorts(waves []tuf.Wave, i int) string {
	const each = tuf.Cohorts / 100
	first := 0
	if i > 0 {
		first = waves[i-1].Percent * each
	}
	if last := waves[i].Percent * each; last > first {
		return fmt.Sprintf("%d-%d", first, last-1)
	}
	return "none"
}

// placeIn says whether a cohort is in, and since or from when.
func placeIn(waves []tuf.Wave, cohort int, now time.Time) string {
	if tuf.Within(cohort, tuf.Open(waves, now)) {
		return "in"
	}
	if opens, ok := tuf.OpensTo(waves, cohort); ok {
		return "not in yet, from " + stamp(opens) + " on"
	}
	return "not in any wave"
}
