package fsys

import (
	"errors"
	"io/fs"
	"os"
	"sort"
)

const (
	openRead  = os.O_RDONLY
	openWrite = os.O_WRONLY
	openNew   = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
)

// Disk is the system's own file system.
type Disk struct{}

var _ FS = Disk{}

// Open implements FS.
func (Disk) Open(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return file{f}, nil
}

// Rename implements FS.
func (Disk) Rename(oldname, newname string) error { return os.Rename(oldname, newname) }

// Remove implements FS.
func (Disk) Remove(name string) error { return os.Remove(name) }

// MkdirAll implements FS.
func (Disk) MkdirAll(name string, perm fs.FileMode) error { return os.MkdirAll(name, perm) }

// SyncDir implements FS. On Windows, which has no such call, it does nothing: NTFS journals names.
func (Disk) SyncDir(name string) error { return syncDir(name) }

// ReadDir implements FS.
func (Disk) ReadDir(name string) ([]string, error) {
	d, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	sort.Strings(names)
	return names, nil
}

type file struct{ *os.File }

func (f file) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// OpenRegular opens for reading a file that somebody else may have placed there: its last path
// element is not followed if it is a link (where the system can tell), it does not wait for a pipe's
// other end, and anything but a regular file is an error.
func OpenRegular(name string) (*os.File, error) {
	f, err := openNoFollow(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("open " + name + ": not a regular file")
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
