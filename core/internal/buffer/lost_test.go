package buffer

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
)

// TestLostRunsAreStatedWhenTheDiskTakesThem: the disk is full when a core finds what a kill cut off.
func TestLostRunsAreStatedWhenTheDiskTakesThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newDisk()
		b := open(t, Options{FS: disk})
		mark(t, b, "cut off", 1)
		add(t, b, "kept")
		left := disk.Restart(crashdisk.Kept{})
		b.Close()
		var full atomic.Bool
		full.Store(true)
		left.Ask(func() crashdisk.Fate {
			if full.Load() {
				return crashdisk.DiskIsFull
			}
			return crashdisk.Happens
		})
		b = open(t, Options{FS: left})
		defer b.Close()
		if err := b.Append(result("c", "refused")); err == nil {
			t.Fatal("a full disk took a result")
		}
		expect(t, drain(t, b), "kept")
		full.Store(false)
		time.Sleep(2 * restAfterFailure)
		add(t, b, "after")
		time.Sleep(2 * takeoverEvery)
		expect(t, drain(t, b), "after", "event buffer-refused", "lost cut off")
	})
}
