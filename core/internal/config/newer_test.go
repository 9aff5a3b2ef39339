package config

import (
	"errors"
	"io/fs"
	"syscall"
	"testing"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
)

// stuffed makes no file while it is full.
type stuffed struct {
	fsys.FS
	full bool
}

func (d *stuffed) Open(name string, flag int, perm fs.FileMode) (fsys.File, error) {
	if d.full && flag != 0 {
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.ENOSPC}
	}
	return d.FS.Open(name, flag, perm)
}

// While the disk takes nothing the newest revision is the last known good all the same: a reload must not bring the one before it back.
func TestWhatTheDiskDidNotTakeIsTheLastKnownGood(t *testing.T) {
	disk := &stuffed{FS: crashdisk.New()}
	s := &Store{disk: disk, path: "/good"}
	if err := s.Save(&wire.Desired{Revision: 4}); err != nil {
		t.Fatal(err)
	}
	disk.full = true
	if err := s.Save(&wire.Desired{Revision: 5}); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("save on a full disk: %v", err)
	}
	if d, err := s.Load(); err != nil || d.GetRevision() != 5 {
		t.Errorf("revision %d, %v; want the one that runs", d.GetRevision(), err)
	}
	if err := s.Again(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("again, on a disk that is still full: %v", err)
	}
	disk.full = false
	if err := s.Again(); err != nil {
		t.Errorf("again: %v", err)
	}
	next := &Store{disk: disk, path: "/good"}
	if d, err := next.Load(); err != nil || d.GetRevision() != 5 {
		t.Errorf("the next core reads revision %d, %v", d.GetRevision(), err)
	}
}
