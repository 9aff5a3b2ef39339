//go:build linux

package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// Device is a disk with a cache that forgets when the power fails. It writes down every write, every range that is
// given up and every flush, in their order, and can then say what it would hold had the power failed after any of them:
// all that came before the last flush; of each write since then all sectors, none or some, whatever the order.
type Device struct {
	size int64
	now  *os.File // what is read

	mu  sync.Mutex // guards what follows
	log *os.File   // the bytes of every write
	end int64      // of log
	ops []op
}

// op is one entry of what was written down. A flush has no length.
type op struct {
	offset, length int64
	data           int64 // in log, -1: zeros
	flush          bool
}

func newDevice(dir string, size int64) (*Device, error) {
	d := &Device{size: size}
	var err error
	if d.now, err = os.Create(filepath.Join(dir, "now")); err != nil {
		return nil, err
	}
	if d.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		return nil, err
	}
	return d, d.now.Truncate(size)
}

func (d *Device) close() {
	d.now.Close()
	d.log.Close()
}

// at is how many operations there have been.
func (d *Device) at() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.ops)
}

func (d *Device) read(offset int64, length int) ([]byte, error) {
	b := make([]byte, max(0, min(int64(length), d.size-offset)))
	_, err := d.now.ReadAt(b, offset)
	return b, err
}

func (d *Device) write(offset int64, b []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.log.WriteAt(b, d.end); err != nil {
		return err
	}
	if _, err := d.now.WriteAt(b, offset); err != nil {
		return err
	}
	d.ops = append(d.ops, op{offset: offset, length: int64(len(b)), data: d.end})
	d.end += int64(len(b))
	return nil
}

// zero is a range that was given up: it reads as zeros.
func (d *Device) zero(offset, length int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ops = append(d.ops, op{offset: offset, length: length, data: -1})
	return punch(d.now, offset, length)
}

func punch(f *os.File, offset, length int64) error {
	return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, offset, length)
}

func (d *Device) flush() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ops = append(d.ops, op{flush: true})
}

// flushes are those among the operations from one to another.
func (d *Device) flushes(from, to int) []int {
	var list []int
	for i := from; i < to; i++ {
		if d.ops[i].flush {
			list = append(list, i)
		}
	}
	return list
}

// loss is what became of the writes that no flush had followed when the power failed.
type loss struct{ kept, lost, torn int }

func (l loss) String() string {
	return fmt.Sprintf("%d unflushed writes kept, %d lost, %d torn", l.kept, l.lost, l.torn)
}

// image writes into a file what the device holds after the power failed at its at-th operation.
func (d *Device) image(path string, at int, sector int64, rnd *rand.Rand) (l loss, err error) {
	f, err := os.Create(path)
	if err != nil {
		return l, err
	}
	defer f.Close()
	if err := f.Truncate(d.size); err != nil {
		return l, err
	}
	flushed := at
	for flushed > 0 && !d.ops[flushed-1].flush {
		flushed--
	}
	for _, o := range d.ops[:flushed] {
		if err := d.apply(f, o, 0, o.length); err != nil {
			return l, err
		}
	}
	lose := rnd.Float64() // some disks lose nearly all, some nearly nothing
	for _, o := range d.ops[flushed:at] {
		switch {
		case rnd.Float64() >= lose:
			l.kept++
			err = d.apply(f, o, 0, o.length)
		case o.length <= sector || rnd.IntN(2) == 0:
			l.lost++
		default:
			l.torn++
			for from := int64(0); from < o.length && err == nil; from += sector {
				if rnd.IntN(2) == 0 {
					err = d.apply(f, o, from, min(sector, o.length-from))
				}
			}
		}
		if err != nil {
			return l, err
		}
	}
	return l, nil
}

// apply does a part of an operation to an image.
func (d *Device) apply(to *os.File, o op, from, length int64) error {
	switch {
	case o.flush:
		return nil
	case o.data < 0:
		return punch(to, o.offset+from, length)
	}
	b := make([]byte, length)
	if _, err := io.ReadFull(io.NewSectionReader(d.log, o.data+from, length), b); err != nil {
		return err
	}
	_, err := to.WriteAt(b, o.offset+from)
	return err
}
