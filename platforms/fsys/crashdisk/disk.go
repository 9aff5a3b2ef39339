// Package crashdisk is a disk in memory that loses power: tests run durable code on it, cut the
// power at any call, and look at what every disk POSIX allows would hold afterwards.
//
// The model. A file's writes and truncations since its last Sync are each kept, lost or torn, in any
// combination; a write that made the file longer may leave only the length. Names made, renamed or
// removed in a folder since its last SyncDir are each kept or lost, in any combination; a rename is
// one step. What was synced stays. It does not model bit rot, nor a disk that lies about a sync.
//
// A Disk may be used by several goroutines. Permissions are not kept.
package crashdisk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"syscall"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// ErrPowerCut is what every call returns once the power is off.
var ErrPowerCut = errors.New("power cut")

// Disk is one life of the disk, from one start to the next power cut.
type Disk struct {
	mu    sync.Mutex // guards all below, and every node
	root  *folder
	calls int
	cut   int // the call at which the power fails, 0 = never
	fail  map[int]error
	ask   func() Fate
	each  func(cut func(Chooser) *Disk)
	off   bool
}

// Fate is what becomes of one changing call.
type Fate int

// The fates.
const (
	Happens    Fate = iota
	PowerFails      // at this call, as by CutAt
	CallFails       // with EIO, without effect
	DiskIsFull      // as CallFails, with ENOSPC
)

var _ fsys.FS = (*Disk)(nil)

// New is an empty disk.
func New() *Disk { return &Disk{root: newFolder(), fail: map[int]error{}} }

// CutAt makes the n-th changing call from now on (n >= 1) the last: it takes effect as far as a call
// under way may, returns ErrPowerCut, and so does every call after it.
func (d *Disk) CutAt(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut = d.calls + n
}

// FailAt makes the n-th changing call from now on (n >= 1) fail with err, once, without effect.
func (d *Disk) FailAt(n int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail[d.calls+n] = err
}

// Ask has ask decide the fate of every changing call from now on, where CutAt and FailAt do not. ask
// must not use the disk.
func (d *Disk) Ask(ask func() Fate) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ask = ask
}

// Each has each called at every changing call that happens from now on: cut is what the disk would be if the
// power failed at that call, by as many choosers as are asked for, and the disk goes on as if nothing had been.
// So one life of what uses the disk shows what a power cut at any of its calls leaves. each must not use the disk.
func (d *Disk) Each(each func(cut func(Chooser) *Disk)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.each = each
}

// tell calls each: once a change is in memory, and before a sync.
func (d *Disk) tell() {
	if d.each != nil && !d.off {
		d.each(d.restart)
	}
}

// Off reports whether the power has failed.
func (d *Disk) Off() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.off
}

// Calls counts the changing calls so far: those that make, write, truncate, sync, rename, remove.
func (d *Disk) Calls() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls
}

// step counts a changing call. before says that the call must not happen at all; after is what it
// must return once its effect is in memory.
func (d *Disk) step() (before, after error) {
	if d.off {
		return ErrPowerCut, nil
	}
	d.calls++
	if err := d.fail[d.calls]; err != nil {
		return err, nil
	}
	fate := Happens
	if d.calls == d.cut {
		fate = PowerFails
	} else if d.ask != nil {
		fate = d.ask()
	}
	switch fate {
	case PowerFails:
		d.off = true
		return nil, ErrPowerCut
	case CallFails:
		return syscall.EIO, nil
	case DiskIsFull:
		return syscall.ENOSPC, nil
	}
	return nil, nil
}

// Open implements fsys.FS.
func (d *Disk) Open(name string, flag int, perm fs.FileMode) (fsys.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.off {
		return nil, ErrPowerCut
	}
	dir, base, err := d.parent(name)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	node, after, err := d.openNode(dir, base, flag)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	if after != nil {
		return nil, after
	}
	return &handle{disk: d, node: node, name: name, flag: flag}, nil
}

func (d *Disk) openNode(dir *folder, base string, flag int) (n *fileNode, after, err error) {
	found, ok := dir.now[base]
	if !ok {
		if flag&os.O_CREATE == 0 {
			return nil, nil, fs.ErrNotExist
		}
		before, after := d.step()
		if before != nil {
			return nil, nil, before
		}
		n := &fileNode{}
		dir.link(base, n)
		d.tell()
		return n, after, nil
	}
	if flag&(os.O_CREATE|os.O_EXCL) == os.O_CREATE|os.O_EXCL {
		return nil, nil, fs.ErrExist
	}
	n, ok = found.(*fileNode)
	if !ok {
		return nil, nil, syscall.EISDIR
	}
	if flag&os.O_TRUNC != 0 && len(n.now) > 0 {
		before, after := d.step()
		if before != nil {
			return nil, nil, before
		}
		n.truncate(0)
		d.tell()
		return n, after, nil
	}
	return n, nil, nil
}

// Rename implements fsys.FS.
func (d *Disk) Rename(oldname, newname string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	from, old, err := d.parent(oldname)
	if err != nil {
		return pathError("rename", oldname, err)
	}
	to, fresh, err := d.parent(newname)
	if err != nil {
		return pathError("rename", newname, err)
	}
	node, ok := from.now[old]
	if !ok {
		return pathError("rename", oldname, fs.ErrNotExist)
	}
	before, after := d.step()
	if before != nil {
		return before
	}
	rename(from, old, to, fresh, node)
	d.tell()
	return after
}

// Remove implements fsys.FS.
func (d *Disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	dir, base, err := d.parent(name)
	if err != nil {
		return pathError("remove", name, err)
	}
	node, ok := dir.now[base]
	if !ok {
		return pathError("remove", name, fs.ErrNotExist)
	}
	if sub, ok := node.(*folder); ok && len(sub.now) > 0 {
		return pathError("remove", name, syscall.ENOTEMPTY)
	}
	before, after := d.step()
	if before != nil {
		return before
	}
	dir.unlink(base)
	d.tell()
	return after
}

// ReadDir implements fsys.FS.
func (d *Disk) ReadDir(name string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.off {
		return nil, ErrPowerCut
	}
	dir, err := d.folder(elements(name))
	if err != nil {
		return nil, pathError("open", name, err)
	}
	names := make([]string, 0, len(dir.now))
	for n := range dir.now {
		names = append(names, n)
	}
	sort.Strings(names)
	return names, nil
}

// MkdirAll implements fsys.FS.
func (d *Disk) MkdirAll(name string, perm fs.FileMode) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	dir := d.root
	for _, e := range elements(name) {
		node, ok := dir.now[e]
		if !ok {
			before, after := d.step()
			if before != nil {
				return before
			}
			node = newFolder()
			dir.link(e, node)
			d.tell()
			if after != nil {
				return after
			}
		}
		sub, ok := node.(*folder)
		if !ok {
			return pathError("mkdir", name, syscall.ENOTDIR)
		}
		dir = sub
	}
	return nil
}

// SyncDir implements fsys.FS.
func (d *Disk) SyncDir(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	dir, err := d.folder(elements(name))
	if err != nil {
		return pathError("sync", name, err)
	}
	before, after := d.step()
	if before != nil {
		return before
	}
	if after == nil {
		d.tell()
		dir.sync()
	}
	return after
}

func (d *Disk) parent(name string) (*folder, string, error) {
	if d.off {
		return nil, "", ErrPowerCut
	}
	path := elements(name)
	if len(path) == 0 {
		return nil, "", syscall.EISDIR
	}
	dir, err := d.folder(path[:len(path)-1])
	return dir, path[len(path)-1], err
}

func (d *Disk) folder(path []string) (*folder, error) {
	if d.off {
		return nil, ErrPowerCut
	}
	dir := d.root
	for _, e := range path {
		node, ok := dir.now[e]
		if !ok {
			return nil, fs.ErrNotExist
		}
		sub, ok := node.(*folder)
		if !ok {
			return nil, syscall.ENOTDIR
		}
		dir = sub
	}
	return dir, nil
}

func elements(name string) []string {
	clean := filepath.ToSlash(filepath.Clean(name))
	return strings.FieldsFunc(clean, func(r rune) bool { return r == '/' })
}

func pathError(op, name string, err error) error {
	if errors.Is(err, ErrPowerCut) {
		return err
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}
