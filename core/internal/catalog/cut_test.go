package catalog_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/catalog"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
)

// onDisk is a life of a box's catalog on a disk in memory, until both plugins are there, one after the other, or the power fails. It says how far it came.
func onDisk(t *testing.T, o *owner, d *crashdisk.Disk, plugins ...catalog.Plugin) (came int) {
	t.Helper()
	arrived := make(chan catalog.Plugin, 16)
	c := catalog.New(catalog.Options{Disk: d, Trust: "/site", Dir: "/catalog", Platform: platform, Root: func() []byte { return o.root }, Get: o.get,
		Changed: func() {}, Came: func(p catalog.Plugin) { arrived <- p }, Space: func(string) (int64, error) { return 1 << 40, nil }})
	if _, err := c.Refresh(t.Context(), o.now); err != nil {
		if d.Off() {
			return 0
		}
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	c.Want(plugins[:1])
	go func() { done <- c.Run(ctx, func() bool { return true }) }()
	defer func() { stop(); <-done }()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	limit := time.After(2 * time.Minute)
	next := func() {
		if came++; came < len(plugins) {
			c.Want(plugins[came : came+1]) // the one before goes
		}
	}
	for came < len(plugins) && there(d, plugins[came]) { // of the life before
		next()
	}
	for came < len(plugins) {
		select {
		case <-arrived:
			next()
		case <-look.C:
			if d.Off() {
				return came
			}
		case <-limit:
			t.Fatal("it does not come")
		}
	}
	return came
}

func there(d fsys.FS, p catalog.Plugin) bool {
	_, err := fsys.Read(d, "/catalog/"+p.Hash+"."+p.Name, 1<<20)
	return err == nil
}

// TestAPowerCutAnywhereLeavesNoHalfPlugin: at every changing call of bringing one plugin and then another in its place, with everything unsynced kept, and with
// everything unsynced lost: what has a plugin's name is that plugin, and the next life has it all.
func TestAPowerCutAnywhereLeavesNoHalfPlugin(t *testing.T) {
	o := newOwner(t)
	one, other := []byte("#!/bin/sh\necho one\n"), []byte("#!/bin/sh\necho "+strings.Repeat("another ", 4000)+"\n")
	o.put(map[string][]byte{"plugin/check_one": one, "plugin/check_other": other})
	wanted := []catalog.Plugin{plugin("check_one", one), plugin("check_other", other)}
	for name, fate := range map[string]crashdisk.Chooser{"kept": crashdisk.Kept{}, "lost": crashdisk.Lost{}} {
		cuts := 0
		for at := 1; ; at++ {
			d := crashdisk.New()
			for _, dir := range []string{"/site", "/catalog"} {
				if err := d.MkdirAll(dir, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if err := d.SyncDir("/"); err != nil {
				t.Fatal(err)
			}
			d.CutAt(at)
			onDisk(t, o, d, wanted...)
			if !d.Off() {
				break
			}
			cuts++
			after := d.Restart(fate)
			sound(t, after, name, at)
			if onDisk(t, o, after, wanted...) != len(wanted) {
				t.Fatalf("%s, cut at call %d: the next life has not all", name, at)
			}
			sound(t, after, name, at)
			if names, _ := after.ReadDir("/catalog"); len(names) != 1 || !strings.Contains(names[0], wanted[1].Hash) {
				t.Errorf("%s, cut at call %d: the catalog holds %v", name, at, names)
			}
		}
		if cuts < 20 {
			t.Errorf("only %d cuts", cuts)
		}
		t.Logf("%s: %d cuts", name, cuts)
	}
}

// sound holds each file that has a plugin's name against the hash in it. Parts have a name of their own.
func sound(t *testing.T, d fsys.FS, how string, at int) {
	t.Helper()
	names, err := d.ReadDir("/catalog")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasPrefix(name, "part-") {
			continue
		}
		data, err := fsys.Read(d, "/catalog/"+name, 1<<20)
		if sum := sha256.Sum256(data); err != nil || !strings.Contains(name, hex.EncodeToString(sum[:])) {
			t.Errorf("%s, cut at call %d: %s is not what its name says: %d bytes, %v", how, at, name, len(data), err)
		}
	}
}
