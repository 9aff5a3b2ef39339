//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// Links in bin: the folder of the pair that runs, and of the one before. limpet and limpet-fetch in bin are
// links through the first, so one rename changes both at once.
const (
	current  = "current"
	previous = "previous"
)

// named is the folder that a link names, "" where there is none.
func (b bin) named(link string) string {
	to, err := os.Readlink(b.path(link))
	if err != nil || versionIn(to) == "" {
		return ""
	}
	return to
}

// use makes a pair the one that runs, and keeps the one before as the way back. Power may fail at any
// step: both programs are then of one version, the old or the new one, and another call goes on.
func (b bin) use(name string) error {
	if err := b.adopt(); err != nil {
		return err
	}
	if before := b.named(current); before != "" && before != name {
		if err := b.link(previous, before); err != nil {
			return err
		}
	}
	if err := b.link(current, name); err != nil {
		return err
	}
	if err := b.lead(); err != nil {
		return err
	}
	return b.collect(func(string) bool { return true })
}

// adopt makes a pair of plain files, as a package or an older installer left it, one of ours: the same bytes
// through links. Files that do not belong together are left: they are no way back.
func (b bin) adopt() error {
	if b.led() {
		return nil
	}
	hashes, err := b.hashes("")
	if err != nil {
		return nil // one is missing
	}
	version, err := versionOf(b.path(b.programs[0]))
	if err != nil || b.agree(b.dir, version) != nil {
		return nil
	}
	name := nameOf(version, hashes[0], hashes[1])
	if !b.sound(name) {
		private, err := os.MkdirTemp(b.dir, ".new-")
		if err != nil {
			return fmt.Errorf("keep limpet %s: %w", version, err)
		}
		defer os.RemoveAll(private)
		for _, program := range b.programs {
			if err := duplicate(b.path(program), filepath.Join(private, program)); err != nil {
				return fmt.Errorf("keep limpet %s: %w", version, err)
			}
		}
		if err := os.Chmod(private, 0o755); err != nil {
			return err
		}
		if err := b.keep(private, name); err != nil {
			return fmt.Errorf("keep limpet %s: %w", version, err)
		}
	}
	if err := b.link(current, name); err != nil {
		return err
	}
	return b.lead()
}

// duplicate copies a program, synced.
func duplicate(from, to string) error {
	data, err := fsys.Read(fsys.Disk{}, from, maxProgram)
	if err != nil {
		return err
	}
	return fsys.WriteNew(fsys.Disk{}, to, data, 0o755)
}

// led reports whether both programs are links through current.
func (b bin) led() bool {
	for _, program := range b.programs {
		if to, err := os.Readlink(b.path(program)); err != nil || to != filepath.Join(current, program) {
			return false
		}
	}
	return b.named(current) != ""
}

// lead makes both programs links through current.
func (b bin) lead() error {
	for _, program := range b.programs {
		if err := b.link(program, filepath.Join(current, program)); err != nil {
			return err
		}
	}
	return nil
}

// link makes or changes a link in bin, durably and in one step.
func (b bin) link(name, to string) error {
	if was, err := os.Readlink(b.path(name)); err == nil && was == to {
		return nil
	}
	disk, fresh := fsys.Disk{}, b.path(".link")
	if err := removeIfThere(fresh); err != nil {
		return fmt.Errorf("link %s: %w", name, err)
	}
	b.step()
	if err := os.Symlink(to, fresh); err != nil {
		return fmt.Errorf("link %s: %w", name, err)
	}
	b.step()
	if err := disk.Rename(fresh, b.path(name)); err != nil {
		return fmt.Errorf("link %s: %w", name, err)
	}
	b.step()
	return disk.SyncDir(b.dir)
}
