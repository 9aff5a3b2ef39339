package buffer

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
)

// stuffed is a disk without room: what is there can be written over, nothing grows or is made.
type stuffed struct {
	fsys.FS
	full bool
}

func (d *stuffed) Open(name string, flag int, perm fs.FileMode) (fsys.File, error) {
	if d.full && flag&os.O_CREATE != 0 {
		f, err := d.FS.Open(name, flag&^(os.O_CREATE|os.O_TRUNC), perm)
		if errors.Is(err, fs.ErrNotExist) {
			err = &fs.PathError{Op: "open", Path: name, Err: syscall.ENOSPC}
		}
		return stuffedFile{f, d}, err
	}
	f, err := d.FS.Open(name, flag, perm)
	return stuffedFile{f, d}, err
}

func (d *stuffed) MkdirAll(name string, perm fs.FileMode) error {
	if _, err := d.FS.ReadDir(name); d.full && err != nil {
		return &fs.PathError{Op: "mkdir", Path: name, Err: syscall.ENOSPC}
	}
	return d.FS.MkdirAll(name, perm)
}

type stuffedFile struct {
	fsys.File
	disk *stuffed
}

func (f stuffedFile) WriteAt(b []byte, at int64) (int, error) {
	if size, err := f.File.Size(); f.disk.full && (err != nil || at+int64(len(b)) > size) {
		return 0, syscall.ENOSPC
	}
	return f.File.WriteAt(b, at)
}

// told drains a buffer, and lists what its bus was told of results that were not kept, ever.
func (w *world) told(t *testing.T, b *Buffer) (texts []string, n uint64) {
	t.Helper()
	time.Sleep(2 * restAfterFailure) // the event is synced
	synctest.Wait()
	if err := errors.Join(w.meet(b), w.serve(b, 1000, true)); err != nil {
		t.Fatal(err)
	}
	for _, records := range w.bus {
		for _, r := range records {
			var one uint64
			text := r.item.GetEvent().GetText()
			if _, err := fmt.Sscanf(text, "%d results could not be kept", &one); err == nil {
				texts, n = append(texts, text), n+one
			}
		}
	}
	return texts, n
}

func refused(t *testing.T, b *Buffer, n int) {
	t.Helper()
	for range n {
		if err := b.Append(result("c", "lost")); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("append on a full disk: %v", err)
		}
	}
	synctest.Wait()
}

// Cores are killed on a full disk, one after the other, and one ends in peace; the first one that has room says how many results none of them could keep.
func TestAKillDoesNotForgetWhatWasRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, w := crashdisk.New(), newWorld()
		b := open(t, Options{FS: disk})
		add(t, b, "kept")
		killed := func() {
			next := disk.Restart(crashdisk.Kept{}) // all that was written is there, and nothing was closed
			b.Close()
			disk = next
		}
		for range 3 {
			killed()
			b = open(t, Options{FS: &stuffed{disk, true}})
			refused(t, b, 40)
		}
		killed()
		b = open(t, Options{FS: &stuffed{disk, true}})
		refused(t, b, 4)
		b.Close()

		b = open(t, Options{FS: disk})
		add(t, b, "again")
		all, _ := w.told(t, b)
		if len(all) != 1 || !strings.HasPrefix(all[0], "124 results could not be kept since ") || !strings.Contains(all[0], "no space left") {
			t.Errorf("told: %q", all)
		}
		killed()
		b = open(t, Options{FS: disk})
		defer b.Close()
		add(t, b, "and again")
		if again, _ := w.told(t, b); len(again) != 1 {
			t.Errorf("told once more: %q", again)
		}
	})
}

// A disk that fails when it is told costs nothing of the count, and the telling itself is no result.
func TestATellingThatFailsIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := crashdisk.New()
		full := &stuffed{disk, false}
		b := open(t, Options{FS: full})
		defer b.Close()
		add(t, b, "first")
		full.full = true
		refused(t, b, 3)
		full.full = false
		time.Sleep(time.Second)
		disk.FailAt(4, syscall.EIO)
		if err := b.Append(result("c", "no")); !errors.Is(err, syscall.EIO) {
			t.Fatalf("%v", err)
		}
		time.Sleep(restAfterFailure)
		add(t, b, "again")
		if all, _ := newWorld().told(t, b); len(all) != 1 || !strings.HasPrefix(all[0], "4 results") {
			t.Errorf("told %q", all)
		}
	})
}

// Where nothing could be made there is no file to count in; the core that lives knows.
func TestACoreThatNeverHadRoomTellsWhatItKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := &stuffed{crashdisk.New(), true}
		b := open(t, Options{FS: full})
		defer b.Close()
		refused(t, b, 7)
		full.full = false
		add(t, b, "room")
		if _, n := newWorld().told(t, b); n != 7 {
			t.Errorf("told %d", n)
		}
	})
}

// The room that a generation's end makes does not take its count along.
func TestAGenerationStaysUntilItsCountIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := crashdisk.New()
		b := open(t, Options{FS: disk, Retain: time.Second})
		add(t, b, "x")
		w := newWorld()
		full := &stuffed{disk, false}
		b.Close()
		b = open(t, Options{FS: full, Retain: time.Second})
		if err := w.serve(b, 9, true); err != nil {
			t.Fatal(err)
		}
		full.full = true
		refused(t, b, 3)
		time.Sleep(time.Minute)
		synctest.Wait()
		next := disk.Restart(crashdisk.Kept{})
		b.Close()
		b = open(t, Options{FS: next, Retain: time.Second})
		defer b.Close()
		time.Sleep(time.Minute)
		add(t, b, "room")
		if _, n := w.told(t, b); n != 3 {
			t.Errorf("told %d", n)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if all := b.Generations(); len(all) != 1 {
			t.Errorf("a generation with nothing left stays: %v", all)
		}
	})
}

// At every changing call of a life that runs out of room the power goes, or the core is killed: what the next life tells is never less than what was refused
// before a kill, and never more than that and what was being told; a cut may take the count, and nothing else.
func TestTheCountOverEveryCut(t *testing.T) {
	type end struct {
		left    left
		refused int
		kill    bool
	}
	var ends []end
	synctest.Test(t, func(t *testing.T) {
		w, n := newWorld(), 0
		disk := newDisk()
		disk.Each(func(at func(crashdisk.Chooser) *crashdisk.Disk) {
			when := fmt.Sprintf("call %d", len(ends)/3+1)
			for i, c := range []crashdisk.Chooser{crashdisk.Kept{}, crashdisk.Lost{}, dice{rand.New(rand.NewSource(int64(len(ends))))}} {
				ends = append(ends, end{left{when, at(c), w.clone()}, n, i == 0})
			}
		})
		full := &stuffed{disk, false}
		for range 2 {
			b := open(t, Options{FS: full, Owner: w.owner})
			l := &lives{world: w, b: b, n: len(w.promised)}
			l.put(2)
			full.full = true
			for range 5 {
				if b.Append(result("c", "lost")) == nil {
					t.Error("kept on a full disk")
				}
				synctest.Wait()
				n++
			}
			full.full = false
			l.put(1)
			time.Sleep(time.Second)
			l.serve(100, true)
			b.Close()
		}
	})
	if len(ends) < 60 {
		t.Fatalf("only %d ends", len(ends))
	}
	for _, e := range ends {
		e.left.check(t, story{name: "a disk that runs full"})
		synctest.Test(t, func(t *testing.T) {
			w := e.left.world.clone()
			b := open(t, Options{FS: e.left.disk, Owner: w.owner})
			defer b.Close()
			add(t, b, "room")
			if _, n := w.told(t, b); e.kill && int(n) < e.refused || int(n) > e.refused+5+1 {
				t.Errorf("%s: %d told of %d, killed %v", e.left.when, n, e.refused, e.kill)
			}
		})
	}
}

func TestACountThatDoesNotHoldIsNone(t *testing.T) {
	l := lostAppends{7, time.UnixMilli(1234567), strings.Repeat("ä", 100)}
	file := append(make([]byte, refusedAt), l.bytes()...)
	got := parseRefused(file)
	if got.count != 7 || !got.since.Equal(l.since) || got.cause != strings.Repeat("ä", refusedCause/2) {
		t.Errorf("%+v", got)
	}
	for i := refusedAt; i < len(file); i++ {
		bad := slices.Clone(file)
		bad[i] ^= 0x10
		if parseRefused(bad) != (lostAppends{}) || parseRefused(file[:i]) != (lostAppends{}) {
			t.Errorf("byte %d", i-refusedAt)
		}
	}
}
