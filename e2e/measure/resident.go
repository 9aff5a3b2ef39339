//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/limpet-monitoring/limpet/e2e/rig"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing"
	"github.com/limpet-monitoring/limpet/signing/repo"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

const (
	manyTargets = 1500
	maxRSS      = 4096 // kB
)

// resident looks at a stub that has staged and rejected a release of a repository of 1,500, all of them for this platform: the most that its
// metadata can make of it.
func resident(ctx context.Context, t *table, bin, dir string) error {
	r := &rig.Rig{Bin: bin, Dir: dir}
	core, dies := filepath.Join(bin, "limpet-core"), filepath.Join(dir, "dies")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := rig.BuildCore(ctx, dies, "9.0.0", "demofault_die"); err != nil {
		return err
	}
	releases, err := many(filepath.Join(dir, "release"))
	if err != nil {
		return err
	}
	if err := list(releases, manyTargets-1, core); err != nil {
		return err
	}
	hub, err := r.NewHub()
	if err != nil {
		return err
	}
	if err := hub.Start(ctx); err != nil {
		return err
	}
	defer hub.Stop()
	a := r.NewAgent("many")
	if err := a.Bootstrap(ctx, hub); err != nil {
		return err
	}
	if err := a.Start(); err != nil {
		return err
	}
	defer a.Stop()
	if err := list(releases, manyTargets, dies); err != nil {
		return err
	}
	if err := a.Look(ctx); err != nil {
		return err
	}
	err = rig.Await(ctx, barTime, "the rejection", func(context.Context) (bool, error) {
		bar := newest(a.Record())
		return bar.Counter == manyTargets && bar.Reason == boot.Exited, nil
	})
	if err != nil {
		return err
	}
	if err := sleep(ctx, 10*time.Second); err != nil {
		return err
	}
	kb := statusKB(a.Stub().Cmd.Process.Pid, "VmRSS:")
	t.add(fmt.Sprintf("`limpet` VmRSS after one STAGE and REJECT over a repository of %d targets", manyTargets), fmt.Sprintf("%d kB", kb), fmt.Sprintf("%d kB", maxRSS),
		kb > 0 && kb <= maxRSS)
	return nil
}

// many is a repository with all releases but two, whose cores are a few bytes: nobody fetches them.
func many(dir string) (*repo.Repo, error) {
	keys := map[string]signing.Key{}
	r, err := repo.Create(fsys.Disk{}, dir, func(role string) (signing.Key, error) {
		if _, ok := keys[role]; !ok {
			key, err := signing.Generate(true)
			if err != nil {
				return key, err
			}
			keys[role] = key
		}
		return keys[role], nil
	}, true)
	if err != nil {
		return nil, err
	}
	for n := uint64(1); n < manyTargets-1; n++ {
		if err := add(r, n, fmt.Appendf(nil, "release %d", n)); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// list publishes one more.
func list(r *repo.Repo, n uint64, core string) error {
	data, err := os.ReadFile(core)
	if err != nil {
		return err
	}
	if err := add(r, n, data); err != nil {
		return err
	}
	_, err = r.Commit(time.Now())
	return err
}

func add(r *repo.Repo, n uint64, data []byte) error {
	_, err := r.AddRelease(repo.Release{
		Channel: "stable", Version: fmt.Sprintf("0.0.%d", n), Counter: n, Floor: 1, Soak: 3 * time.Second, Contract: 1, Codecs: []string{"zstd"},
	}, map[string][]byte{rig.Platform: data})
	return err
}
