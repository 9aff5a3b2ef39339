//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/e2e/ledger"
	"github.com/limpet-monitoring/limpet/e2e/rig"
)

const (
	offlineGathers = 65 * time.Second // how long the default checks run for the results that the day is made of
	offlineLive    = 50               // checks that run every second while the backlog drains
	offlineAfter   = 15 * time.Second // of live results after it
	liveDelay      = time.Second      // a live result's way to the hub, its 99th percentile
)

// offline is a day without a hub: an agent leaves results of its default checks, the buffer's own code makes a day's worth of them, and the agent is
// started with a hub that takes them, and live ones meanwhile.
func offline(ctx context.Context, t *table, r *rig.Rig, hub *rig.Hub, quick bool) error {
	book, err := ledger.New(filepath.Join(r.Dir, "book"), "1")
	if err != nil {
		return err
	}
	a := r.NewAgent("away")
	if err := a.Bootstrap(ctx, hub); err != nil {
		return err
	}
	if err := a.Box("hub = "+hub.URL(), "plugin_dirs = "+book.Plugins()); err != nil {
		return err
	}
	if err := hub.Apply(ctx, strings.Replace(ledger.Checks(offlineLive, 0), "defaults: false", "defaults: true", 1)); err != nil {
		return err
	}
	hub.Kill()
	gathers := offlineGathers
	if quick {
		gathers = 25 * time.Second
	}
	if err := errors.Join(a.Start(), sleep(ctx, gathers), a.Stop()); err != nil {
		return err
	}
	list := filepath.Join(r.Dir, "day")
	day, err := fillDay(ctx, filepath.Join(a.Root, "state", "buffer"), list)
	if err != nil {
		return err
	}
	used, err := filled(filepath.Join(a.Root, "state", "buffer"))
	if err != nil {
		return err
	}
	t.add(fmt.Sprintf("24 h offline, the %d default checks: results; disk used", day.checks),
		fmt.Sprintf("%d; %.1f MiB (%.0f bytes a result, its start mark with it)", day.results, float64(used)/(1<<20), float64(day.bytes)/float64(day.results)), "stated", day.results > 0)
	if err := hub.Start(ctx); err != nil {
		return err
	}
	began := time.Now()
	if err := a.Start(); err != nil {
		return err
	}
	defer a.Stop()
	if err := drained(ctx, r, a); err != nil {
		return err
	}
	if err := sleep(ctx, offlineAfter); err != nil {
		return err
	}
	if err := hub.Apply(ctx, "defaults: false\nchecks: []\n"); err != nil {
		return err
	}
	if err := ledger.Settle(ctx, r, a); err != nil {
		return err
	}
	return day.count(ctx, t, hub, a.Fingerprint(), list, began)
}

// drained waits until nothing of the backlog is left.
func drained(ctx context.Context, r *rig.Rig, a *rig.Agent) error {
	return rig.Await(ctx, 10*time.Minute, "the backlog on the bus", func(ctx context.Context) (bool, error) {
		out, _ := r.Run(ctx, "limpet", "status", "--json", "--root", a.Root)
		var st struct {
			Core *struct {
				Hub    struct{ State string }
				Buffer struct{ Pending uint64 }
			}
		}
		return json.Unmarshal([]byte(out), &st) == nil && st.Core != nil && st.Core.Hub.State == "connected" && st.Core.Buffer.Pending < 2*offlineLive, nil
	})
}

// filledDay is what was put into a buffer.
type filledDay struct {
	results, checks int
	bytes           int64
}

// fillDay has the buffer's own package do it (core/internal/buffer/day_linux_test.go): nobody else may import it.
func fillDay(ctx context.Context, dir, list string) (filledDay, error) {
	var d filledDay
	module, err := rig.Module()
	if err != nil {
		return d, err
	}
	cmd := exec.CommandContext(ctx, "go", "test", "./core/internal/buffer", "-run", "^TestDay$", "-count", "1", "-timeout", "0", "-v", "-args", "-day", dir, "-day-list", list)
	cmd.Dir, cmd.Stderr = module, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return d, fmt.Errorf("fill a buffer: %w: %s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if n, _ := fmt.Sscanf(line, "day: %d: %d: %d", &d.results, &d.bytes, &d.checks); n == 3 {
			return d, nil
		}
	}
	return d, errors.New("fill a buffer: it does not say with how much")
}

// filled is how many bytes lie below a folder.
func filled(dir string) (bytes int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			bytes += info.Size()
		}
		return err
	})
	return bytes, err
}

// delivered is one result as the hub has it.
type delivered struct {
	ledger.Run
	Received   time.Time
	DurationMS float64 `json:"duration_ms"`
}

func (d delivered) delay() time.Duration {
	return d.Received.Sub(d.Start) - time.Duration(d.DurationMS*float64(time.Millisecond))
}

// count holds what the bus has against the list of what was put in.
func (d filledDay) count(ctx context.Context, t *table, hub *rig.Hub, agent, list string, began time.Time) error {
	left, err := listed(list)
	if err != nil {
		return err
	}
	last := map[string]uint64{}
	doubled, disordered := 0, 0
	var end time.Time
	var live []delivered
	err = hub.Every(ctx, agent, time.Since(began)+time.Hour, func(line []byte) error {
		var r delivered
		if err := json.Unmarshal(line, &r); err != nil {
			return err
		}
		if r.Seq <= last[r.Epoch] {
			disordered++
		}
		last[r.Epoch] = r.Seq
		key := fmt.Sprintf("%s %d", r.Check, r.Start.UnixMilli())
		switch n, mine := left[key]; {
		case mine && n > 0:
			doubled++
		case mine:
			left[key] = 1
			end = r.Received
		case !r.Start.Before(began):
			live = append(live, r)
		} // else one of those that the agent itself had left
		return nil
	})
	if err != nil {
		return err
	}
	lost := 0
	for _, n := range left {
		if n == 0 {
			lost++
		}
	}
	t.add("of these on the bus; lost, doubled, out of order within their epoch", fmt.Sprintf("%d; %d, %d, %d", len(left)-lost, lost, doubled, disordered), "all; 0, 0, 0", lost+doubled+disordered == 0)
	t.add("from the agent's start to the last of them on the bus", fmt.Sprintf("%.1f s", end.Sub(began).Seconds()), "stated", true)
	var during, after []time.Duration
	for _, r := range live {
		if r.Received.Before(end) {
			during = append(during, r.delay())
		} else {
			after = append(after, r.delay())
		}
	}
	t.add(fmt.Sprintf("a live result's way from its run's end to the hub meanwhile (%d)", len(during)), spread(during), "p99 at most 1 s", len(during) > 0 && quantile(during, 0.99) <= liveDelay)
	t.add(fmt.Sprintf("the same after that (%d)", len(after)), spread(after), "stated", len(after) > 0)
	return nil
}

// listed reads what was put in: check and start.
func listed(name string) (map[string]int, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all := map[string]int{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		all[lines.Text()] = 0
	}
	return all, nil
}
