package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing/tuf"
	"github.com/limpet-monitoring/limpet/updater/fetch"
)

// readStored reads the publisher's metadata as it is kept. root is the first root of a box without any.
func readStored(l platforms.Layout, root []byte) (tuf.Stored, error) {
	disk, stored := fsys.Disk{}, tuf.Stored{}
	names, err := disk.ReadDir(l.TrustCore())
	if err != nil {
		return nil, fmt.Errorf("read metadata: %w", err)
	}
	for _, name := range names {
		if !strings.HasSuffix(name, ".json") {
			continue
		}
		data, err := fsys.Read(disk, filepath.Join(l.TrustCore(), name), tuf.MaxTargets)
		if err != nil {
			return nil, fmt.Errorf("read metadata: %w", err)
		}
		stored[name] = data
	}
	if stored["root.json"] == nil {
		return tuf.Stored{"root.json": root}, nil
	}
	return stored, nil
}

// refresh brings the metadata up to date from a mirror and keeps what was verified, also where it was
// then refused.
func refresh(ctx context.Context, l platforms.Layout, m *fetch.Mirror, stored tuf.Stored, now time.Time, want string) (*tuf.Set, error) {
	source := func(name string, max int64) ([]byte, error) { return m.Small(ctx, name, max) }
	set, after, err := tuf.Refresh(stored, source, surely(stored, now, want), want)
	if e := keepChanges(l, tuf.Changes(onDisk(l, stored), after)); e != nil {
		return nil, e
	}
	if err != nil {
		return nil, fmt.Errorf("verify releases of %s: %w", m, err)
	}
	return set, nil
}

// onDisk is stored without a root that is not on the disk yet, so that Changes says to write it.
func onDisk(l platforms.Layout, stored tuf.Stored) tuf.Stored {
	if _, err := fsys.Read(fsys.Disk{}, filepath.Join(l.TrustCore(), "root.json"), tuf.MaxRoot); err == nil {
		return stored
	}
	return tuf.Stored{}
}

// surely is the latest of the clock and the time that stored metadata proves to have passed.
func surely(stored tuf.Stored, now time.Time, want ...string) time.Time {
	set, err := tuf.Offline(stored, want...)
	if err == nil && set.Issued().After(now) {
		return set.Issued()
	}
	return now
}

func keepChanges(l platforms.Layout, changes []tuf.Change) error {
	disk := fsys.Disk{}
	for _, c := range changes {
		path := filepath.Join(l.TrustCore(), c.Name)
		var err error
		if c.Data != nil {
			err = fsys.WriteNew(disk, path, c.Data, 0o644)
		} else if err = disk.Remove(path); err == nil || errors.Is(err, fs.ErrNotExist) {
			err = disk.SyncDir(l.TrustCore())
		}
		if err != nil {
			return fmt.Errorf("keep metadata: %w", err)
		}
	}
	return nil
}

// forget removes all metadata of a publisher who is not trusted any more.
func forget(l platforms.Layout) error {
	stored, err := readStored(l, nil)
	if err != nil {
		return err
	}
	return keepChanges(l, tuf.Changes(stored, tuf.Stored{}))
}
