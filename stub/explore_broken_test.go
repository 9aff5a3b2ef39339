package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

// broken is a flaw that the explorer must find: in what the supervisor makes of its disk, or in what it
// does. The zero value is none.
type broken struct {
	blind   bool                            // cores are not hashed
	disk    func(d *crashdisk.Disk) fsys.FS // what lies between it and the disk
	atStart func(s *supervisor)             // what it does at its start
	after   func(s *supervisor)             // and after each line
}

func (b broken) over(d *crashdisk.Disk) fsys.FS {
	if b.disk == nil {
		return d
	}
	return b.disk(d)
}

// lazy does not sync what lies below a folder, or is a record.
type lazy struct {
	fsys.FS
	about string
}

func (l lazy) Open(name string, flag int, perm fs.FileMode) (fsys.File, error) {
	f, err := l.FS.Open(name, flag, perm)
	if err != nil || !strings.Contains(name, l.about) {
		return f, err
	}
	return unsynced{f}, nil
}

func (l lazy) SyncDir(name string) error {
	if strings.Contains(name, l.about) {
		return nil
	}
	return l.FS.SyncDir(name)
}

type unsynced struct{ fsys.File }

func (unsynced) Sync() error { return nil }

// renaming writes a record as a new file that is renamed over the old one, and syncs neither. The names of the one before are synced,
// or else too many of them could be lost to explore them all.
type renaming struct{ fsys.FS }

func (r renaming) Open(name string, flag int, perm fs.FileMode) (fsys.File, error) {
	if flag&os.O_WRONLY == 0 || !isRecord(name) {
		return r.FS.Open(name, flag, perm)
	}
	if err := r.FS.SyncDir(filepath.Dir(name)); err != nil {
		return nil, err
	}
	f, err := r.FS.Open(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm)
	if err != nil {
		return nil, err
	}
	return renamed{unsynced{f}, r.FS, name}, nil
}

type renamed struct {
	unsynced
	disk fsys.FS
	name string
}

func (r renamed) Close() error {
	r.unsynced.Close()
	return r.disk.Rename(r.name+".new", r.name)
}

func isRecord(name string) bool { return strings.HasPrefix(filepath.Base(name), "rec") }

// single keeps the record in one sector.
type single struct{ fsys.FS }

func (o single) Open(name string, flag int, perm fs.FileMode) (fsys.File, error) {
	if isRecord(name) {
		name = worldLayout.Record(0)
	}
	return o.FS.Open(name, flag, perm)
}

// behind writes a record only when the next one comes: effects come before it.
type behind struct {
	fsys.FS
	held *func()
}

func (l behind) Open(name string, flag int, perm fs.FileMode) (fsys.File, error) {
	f, err := l.FS.Open(name, flag, perm)
	if err != nil || flag&os.O_WRONLY == 0 || !isRecord(name) {
		return f, err
	}
	return &laggard{File: f, held: l.held}, nil
}

type laggard struct {
	fsys.File
	held *func()
}

func (l *laggard) WriteAt(b []byte, at int64) (int, error) {
	if *l.held != nil {
		(*l.held)()
	}
	data, f := append([]byte(nil), b...), l.File
	*l.held = func() {
		_, _ = f.WriteAt(data, at)
		_ = f.Sync()
	}
	return len(b), nil
}

func (*laggard) Sync() error  { return nil }
func (*laggard) Close() error { return nil }

// flaws are stubs that must not pass.
var flaws = map[string]struct {
	power int // cuts until it shows
	story
	broken
}{
	"cores are neither synced nor hashed":  {2, story{releases: []nature{healthy, healthy}}, broken{blind: true, disk: func(d *crashdisk.Disk) fsys.FS { return lazy{d, "/ver"} }}},
	"nothing is synced":                    {1, story{releases: []nature{healthy, dead, healthy}}, broken{disk: func(d *crashdisk.Disk) fsys.FS { return lazy{d, "/"} }}},
	"the record is renamed and not synced": {2, story{releases: []nature{healthy, dead, healthy}}, broken{disk: func(d *crashdisk.Disk) fsys.FS { return renaming{d} }}},
	"one sector":                           {2, story{releases: []nature{healthy, dead, healthy}}, broken{disk: func(d *crashdisk.Disk) fsys.FS { return single{d} }}},
	"effects before the record":            {2, story{releases: []nature{healthy, dead, healthy}}, broken{disk: func(d *crashdisk.Disk) fsys.FS { return behind{d, new(func())} }}},
	"metadata is not synced":               {2, story{releases: []nature{healthy, healthy}}, broken{disk: func(d *crashdisk.Disk) fsys.FS { return lazy{d, "/trust/"} }}},
	"a power cut is a verdict": {2, story{releases: []nature{healthy, victim}}, broken{atStart: func(s *supervisor) {
		if s.record.Starts > 0 {
			s.fail(boot.Exited)
		}
	}}},
	"what broke is a verdict at once": {2, story{releases: []nature{healthy, healthy}, happening: dark}, broken{after: func(s *supervisor) {
		if s.swap.judge != nil {
			s.swap.judge = nil
			s.fail(boot.Regressed)
		}
	}}},
	"bars are forgotten": {2, story{releases: []nature{healthy, dead}}, broken{atStart: func(s *supervisor) {
		if b := s.record.Barred[0]; b != (boot.Bar{}) {
			s.decide(boot.Unbar{Hash: b.Hash})
		}
	}}},
	"starts are not counted": {2, story{releases: []nature{healthy, dead}}, broken{after: func(s *supervisor) { s.record.Tries, s.record.Starts = boot.MaxTries, 0 }}},
	"a release is committed unwatched": {2, story{releases: []nature{healthy, hangs}}, broken{after: func(s *supervisor) {
		if s.activated() {
			s.decide(boot.Commit{Now: s.wall()})
		}
	}}},
}

// TestExplorerFindsFlaws: an explorer that finds nothing in these would prove nothing.
func TestExplorerFindsFlaws(t *testing.T) {
	if raced {
		t.Skip("explored without the race detector: it is one goroutine")
	}
	for name, flaw := range flaws {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := explorer{story: flaw.story, broken: flaw.broken, most: 20, few: 20} // where nothing is synced, all would be too many
			x.run(flaw.power)
			t.Logf("%d violations in %d lives, from %d states, of %d that power cuts left", len(x.bad), x.lives, len(x.seen), x.cuts)
			if len(x.bad) == 0 {
				t.Error("nothing is found")
			} else {
				t.Log("the first: " + x.bad[0])
			}
		})
	}
}
