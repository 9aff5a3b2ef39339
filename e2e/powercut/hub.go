//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/e2e/ledger"
	"github.com/limpet-monitoring/limpet/e2e/rig"
)

// How long a hub lives before its power fails, and what its agents run meanwhile.
const (
	leastLife = 20 * time.Second
	moreLife  = 40 * time.Second // at most so much longer
	agents    = 2
	fastRuns  = 20 // each second, on each agent
	slowRuns  = 2
)

// hubs has the disk below a hub's data folder lose power while agents send it results, so many times on each file system. What the hub had confirmed and its
// disk had not flushed must come again from the agents: nothing is lost, nothing is there twice.
func hubs(ctx context.Context, o options, dir string) error {
	bin := filepath.Join(dir, "bin")
	if err := rig.Build(bin); err != nil {
		return err
	}
	rnd := rand.New(rand.NewPCG(o.seed, 7))
	fmt.Printf("seed %d, %d power cuts of the hub's disk on each of %s\n", o.seed, o.cuts, o.fs)
	for _, name := range strings.Split(o.fs, ",") {
		fs, err := named(name)
		if err != nil {
			return err
		}
		for n := range o.cuts {
			h := &hubLife{fs: fs, dir: filepath.Join(dir, fmt.Sprintf("%s-%d", name, n+1)), rnd: rnd}
			what, err := h.cut(ctx, bin)
			if err != nil {
				return fmt.Errorf("%s, cut %d: %w", name, n+1, err)
			}
			fmt.Printf("%-6s cut %d: %s\n", name, n+1, what)
		}
	}
	return nil
}

// hubLife is one hub on one disk until its power fails, and after it.
type hubLife struct {
	fs  filesystem
	dir string
	rnd *rand.Rand

	hub   *rig.Hub
	rig   *rig.Rig
	boxes []*rig.Agent
	books []*ledger.Ledger
}

func (h *hubLife) cut(ctx context.Context, bin string) (what string, err error) {
	mounted, served := filepath.Join(h.dir, "mounted"), filepath.Join(h.dir, "served")
	if err := mkdirs(mounted, served); err != nil {
		return "", err
	}
	d, err := newDevice(h.dir, size)
	if err != nil {
		return "", err
	}
	defer d.close()
	h.rig = &rig.Rig{Bin: bin, Dir: h.dir}
	defer func() { h.end() }()
	at, confirmed, err := h.live(ctx, d, served, mounted)
	if err != nil {
		return "", err
	}
	image := filepath.Join(h.dir, "image")
	l, err := d.image(image, at, int64(h.fs.sector), h.rnd)
	if err != nil {
		return "", err
	}
	device, release, err := loop(image, h.fs.sector)
	if err != nil {
		return "", err
	}
	err = h.fs.mount(device, mounted)
	release()
	if err != nil {
		return "", fmt.Errorf("after the cut: %w", err)
	}
	defer func() { err = joined(err, h.hub.Stop()); err = joined(err, unmount(mounted)) }()
	text, err := h.count(ctx, confirmed)
	return fmt.Sprintf("%v; %s", l, text), err
}

// live is the life of the hub up to the cut: at how many operations of its disk that was, and how many results it had confirmed.
func (h *hubLife) live(ctx context.Context, d *Device, served, mounted string) (at, confirmed int, err error) {
	path, end, err := serve(d, served)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = joined(err, end()) }()
	device, release, err := loop(path, h.fs.sector)
	if err != nil {
		return 0, 0, err
	}
	err = h.fs.mkfs(device)
	if err == nil {
		err = h.fs.mount(device, mounted)
	}
	release()
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = joined(err, unmount(mounted)) }()
	if err := h.begin(ctx, mounted); err != nil {
		if h.hub != nil && h.hub.Process() != nil {
			h.hub.Kill()
		}
		return 0, 0, err
	}
	err = wait(ctx, leastLife+time.Duration(h.rnd.Int64N(int64(moreLife))))
	confirmed = h.confirmed(ctx)
	h.hub.Kill()
	return d.at(), confirmed, err // what the unmount writes comes behind it
}

// begin starts the hub and its agents. What makes them know each other is old news to the disk; results are not.
func (h *hubLife) begin(ctx context.Context, mounted string) error {
	if err := h.rig.Publish(ctx, "0.1.0", filepath.Join(h.rig.Bin, "limpet-core")); err != nil {
		return err
	}
	var err error
	if h.hub, err = h.rig.NewHub(); err != nil {
		return err
	}
	h.hub.Data = filepath.Join(mounted, "hub")
	if err := h.hub.Start(ctx); err != nil {
		return err
	}
	for n := range agents {
		book, err := ledger.New(filepath.Join(h.dir, fmt.Sprintf("book-%d", n)), "0.2")
		if err != nil {
			return err
		}
		a := h.rig.NewAgent(fmt.Sprintf("box-%d", n))
		if err := a.Bootstrap(ctx, h.hub); err != nil {
			return err
		}
		if err := errors.Join(a.Configure("plugin_dirs = "+book.Plugins()), a.Start()); err != nil {
			return err
		}
		h.boxes, h.books = append(h.boxes, a), append(h.books, book)
	}
	if err := h.hub.Apply(ctx, ledger.Checks(fastRuns, slowRuns)); err != nil {
		return err
	}
	err = rig.Await(ctx, time.Minute, "results of every agent", func(ctx context.Context) (bool, error) {
		for _, a := range h.boxes {
			if h.resultsOf(ctx, a) < fastRuns {
				return false, nil
			}
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	return syncAll(mounted)
}

func (h *hubLife) resultsOf(ctx context.Context, a *rig.Agent) int {
	var shown struct{ Results int }
	_ = h.hub.Get(ctx, "/api/v1/agents/"+a.Fingerprint(), &shown) // 0 while it is not there
	return shown.Results
}

func (h *hubLife) confirmed(ctx context.Context) (n int) {
	for _, a := range h.boxes {
		n += h.resultsOf(ctx, a)
	}
	return n
}

// count starts the hub on what its disk kept, lets the agents come, and counts.
func (h *hubLife) count(ctx context.Context, confirmed int) (string, error) {
	if err := h.hub.Start(ctx); err != nil {
		return "", err
	}
	kept := h.confirmed(ctx)
	for _, a := range h.boxes {
		err := rig.Await(ctx, time.Minute, "a session", func(ctx context.Context) (bool, error) {
			var shown struct{ Presence string }
			err := h.hub.Get(ctx, "/api/v1/agents/"+a.Fingerprint(), &shown)
			return err == nil && shown.Presence == "online", nil
		})
		if err != nil {
			return "", err
		}
	}
	if err := h.hub.Apply(ctx, "defaults: false\nchecks: []\n"); err != nil {
		return "", err
	}
	ran, behind := 0, 0
	var wrong []string
	for n, a := range h.boxes {
		if err := ledger.Settle(ctx, h.rig, a); err != nil {
			return "", err
		}
		tally, err := h.books[n].Count(ctx, h.hub, a.Fingerprint(), time.Hour)
		if err != nil {
			return "", err
		}
		ran += tally.Ran
		if len(tally.Lost)+len(tally.Doubled)+len(tally.Strange) > 0 {
			wrong = append(wrong, fmt.Sprintf("box %d: lost %v, doubled %v, strange %v", n, tally.Lost, tally.Doubled, tally.Strange))
		}
		log, err := os.ReadFile(filepath.Join(a.Root, "log", "core.log"))
		if err != nil {
			return "", err
		}
		if strings.Contains(string(log), "verdict=behind") {
			behind++
		}
	}
	text := fmt.Sprintf("%d results were confirmed, the disk had about %d; %d of %d agents sent again; %d ran, 0 lost, 0 doubled", confirmed, kept, behind, len(h.boxes), ran)
	if wrong != nil {
		return "", errors.New(strings.Join(wrong, "; "))
	}
	return text, nil
}

// end stops the agents.
func (h *hubLife) end() {
	for _, a := range h.boxes {
		_ = a.Stop() // what it says, its log has
	}
}
