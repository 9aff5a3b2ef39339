package buffer

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
)

// scarce opens no segment to read while it has an error to give: a process without descriptors left.
type scarce struct {
	fsys.FS
	end string // of the names that it is about
	err atomic.Pointer[error]
}

func (d *scarce) Open(name string, flag int, perm fs.FileMode) (fsys.File, error) {
	if err := d.err.Load(); err != nil && flag == os.O_RDONLY && strings.HasSuffix(name, d.end) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: *err}
	}
	return d.FS.Open(name, flag, perm)
}

func (d *scarce) fail(err error) { d.err.Store(&err) }

// What cannot be opened now is not lost: it is asked for again.
func TestWantOfDescriptorsLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, cause := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EACCES} {
			disk := &scarce{FS: crashdisk.New(), end: segmentSuffix}
			b := open(t, Options{FS: disk, SegmentBytes: 400})
			all := texts("r-", 40)
			add(t, b, all...)
			disk.fail(cause)
			if batch, err := b.Next(b.Live(), 1<<20); !errors.Is(err, cause) {
				t.Errorf("%v: batch %v, err %v", cause, batch, err)
			}
			if s := b.Stats(); s.Dropped != 0 || s.UnackedRecords != 40 {
				t.Errorf("%v: %d dropped, %d wait", cause, s.Dropped, s.UnackedRecords)
			}
			disk.err.Store(nil)
			expect(t, drain(t, b), all...)
			b.Close()
		}
	})
}

// The disk's own word that a file cannot be had is a loss, told as such: what lies behind goes on.
func TestASegmentTheDiskDoesNotGiveIsPassedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &scarce{FS: crashdisk.New(), end: segmentName(1)}
		b := open(t, Options{FS: disk, SegmentBytes: 400})
		defer b.Close()
		all := texts("r-", 40)
		add(t, b, all...)
		disk.fail(syscall.EIO)
		got := drain(t, b)
		kept := got[:len(got)-1]
		if gap := got[len(got)-1]; !strings.HasPrefix(gap, "gap corrupt 1-") || len(kept) < 20 || kept[len(kept)-1] != all[39] {
			t.Errorf("got %v", got)
		}
	})
}

// A generation that is moved to another epoch, since the box was restored, is moved whole or not at all.
func TestWantOfDescriptorsWhileRestoredLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &scarce{FS: crashdisk.New(), end: segmentSuffix}
		b := open(t, Options{FS: disk, SegmentBytes: 400})
		defer b.Close()
		all := texts("r-", 40)
		add(t, b, all...)
		epoch := b.Live()
		disk.fail(syscall.EMFILE)
		if _, err := b.Resume(epoch, 1000, 1); !errors.Is(err, syscall.EMFILE) {
			t.Errorf("resume: %v", err)
		}
		disk.err.Store(nil)
		if v, err := b.Resume(epoch, 1000, 1); v != Restored || err != nil {
			t.Fatalf("resume: %s, %v", v, err)
		}
		got := drain(t, b)
		for _, text := range all {
			if n := len(got) - len(slices.DeleteFunc(slices.Clone(got), func(x string) bool { return x == text })); n != 1 {
				t.Errorf("%s is there %d times", text, n)
			}
		}
	})
}
