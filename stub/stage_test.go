package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

// stage is the explorer's machine for a story that a test tells step by step. What goes past the supervisor's disk
// (history, tails, logs, the box file, the status) lies below a real root, so that it can be read; the record, the cores,
// metadata and requests lie on the crash disk.
type stage struct {
	*world
	platforms.Layout
	t      *testing.T
	log    bytes.Buffer
	images []*os.File // of the cores that were opened
	proofs int        // how often metadata was to be verified
	shrunk int        // how often memory was given back
	stuck  error      // why no core can be started
	slow   bool       // a core that is started does not get ready by itself
}

// newStage is a box that runs release 1, whose stub has just started. The others can be published.
func newStage(t *testing.T, releases ...nature) *stage {
	t.Helper()
	return openStage(t, story{releases: releases})
}

func openStage(t *testing.T, s story) *stage {
	t.Helper()
	l, err := platforms.At(t.TempDir())
	if err == nil {
		err = l.MakeFolders()
	}
	if err != nil {
		t.Fatal(err)
	}
	st := &stage{t: t, Layout: l, world: &world{facts: facts{published: 1}, story: s, choose: crashdisk.Kept{}, power: begins(s), up: 2 * time.Hour, wall: dayOne}}
	st.layer = st.power
	st.s = newSupervisor(l, &logger{&st.log, st.now})
	st.s.machine, st.s.before, st.s.looking.due = st, st.up, st.up+lookFirst
	st.s.swap.owned = true
	t.Cleanup(func() {
		st.over.Store(true)
		if st.bad != "" {
			t.Error(st.bad)
		}
		for _, image := range st.images {
			if _, err := image.Stat(); !errors.Is(err, os.ErrClosed) {
				t.Error("a core that was opened stays open")
			}
		}
	})
	st.do(st.s.begin)
	st.settle()
	return st
}

func (st *stage) disk() fsys.FS { return rerooted{st.layer, st.Root} }
func (st *stage) shrink()       { st.shrunk++ }
func (st *stage) tidy()         {}

func (st *stage) verify() {
	st.proofs++
	st.world.verify()
}

func (st *stage) open(c boot.Core) (*os.File, error) {
	if _, err := st.world.open(c); err != nil {
		return nil, err
	}
	image, err := os.Open(os.DevNull)
	st.images = append(st.images, image)
	return image, err
}

func (st *stage) launch(image *os.File, p *process) error {
	if st.stuck != nil {
		return st.stuck
	}
	said := len(st.heard)
	err := st.world.launch(image, p)
	if st.slow {
		st.heard = st.heard[:said]
		st.fake(p).ready = false
	}
	return err
}

// readies has a core that was slow get ready.
func (st *stage) readies(f *fake) {
	f.ready = true
	f.say("ready 9.9." + counter(f.core))
	f.speak()
	st.settle()
}

// rerooted is a disk of the world, for a layout with another root.
type rerooted struct {
	fsys.FS
	root string
}

func (r rerooted) there(name string) string {
	return rootOfWorld + strings.TrimPrefix(name, r.root)
}

func (r rerooted) Open(name string, flag int, perm fs.FileMode) (fsys.File, error) {
	return r.FS.Open(r.there(name), flag, perm)
}

func (r rerooted) Rename(from, to string) error          { return r.FS.Rename(r.there(from), r.there(to)) }
func (r rerooted) Remove(name string) error              { return r.FS.Remove(r.there(name)) }
func (r rerooted) ReadDir(name string) ([]string, error) { return r.FS.ReadDir(r.there(name)) }
func (r rerooted) SyncDir(name string) error             { return r.FS.SyncDir(r.there(name)) }

func (r rerooted) MkdirAll(name string, perm fs.FileMode) error {
	return r.FS.MkdirAll(r.there(name), perm)
}

// until lets time pass until something is so.
func (st *stage) until(what string, met func() bool) {
	st.t.Helper()
	for n := 0; !met(); n++ {
		if n > 2000 || st.dead() {
			st.t.Fatalf("%s: never. %s %s\n%s", what, st.bad, st.standing(), st.history())
		}
		st.tick()
	}
}

// settled lets time pass until nothing is under way and good may be succeeded.
func (st *stage) settled() {
	st.t.Helper()
	st.until("nothing is under way", func() bool { return st.idle() && st.s.core.watch.well >= settleTime })
}

// publishes lists one release more, and has the box look.
func (st *stage) publishes() {
	st.published++
	st.do(st.s.lookNow)
	st.settle()
}

// activates publishes the next release, and lets time pass until it runs the schedule.
func (st *stage) activates() *fake {
	st.t.Helper()
	st.publishes()
	st.until("the trial runs the schedule", func() bool { return st.s.activated() && st.s.swap.next == nil })
	return st.fake(st.s.core)
}

// fake is a process as the world has it.
func (st *stage) fake(p *process) *fake {
	st.t.Helper()
	for _, f := range st.cores {
		if p != nil && f.p == p {
			return f
		}
	}
	st.t.Fatalf("there is no such process: %s", st.standing())
	return nil
}

// dies ends a core, and lets the supervisor know.
func (st *stage) dies(f *fake, exit platforms.Exit) {
	f.end(exit)
	st.settle()
}

// history is what became of each release, without the times; forgotten is that from here on.
func (st *stage) history() string {
	data, err := os.ReadFile(st.History())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		st.t.Fatal(err)
	}
	text := ""
	for line := range strings.Lines(string(data)) {
		_, rest, _ := strings.Cut(line, " ")
		text += rest
	}
	return text
}

func (st *stage) forget() {
	if err := os.WriteFile(st.History(), nil, 0o644); err != nil {
		st.t.Fatal(err)
	}
}

// happened holds the history since it was forgotten against lines of "WHAT RELEASE DETAIL…".
func (st *stage) happened(lines ...string) {
	st.t.Helper()
	want := ""
	for _, line := range lines {
		f := strings.SplitN(line, " ", 3)
		_, c := coreOfWorld(int(f[1][0] - '0'))
		want += f[0] + " release=" + f[1] + " version=9.9." + f[1] + " hash=" + hexOf(c.Hash)
		if len(f) > 2 {
			want += " " + f[2]
		}
		want += "\n"
	}
	if got := st.history(); got != want {
		st.t.Errorf("history has\n%s\nwant\n%s", got, want)
	}
}
