// Package fsys is the few file calls that durable code uses, behind an interface small enough that a
// disk which loses power at every step can stand in for the system's (package crashdisk).
//
// What the calls promise is what POSIX promises and no more: a write is durable after File.Sync, a
// name (made, renamed, removed) after SyncDir of its folder. The package gives the two safe ways to
// change something on top of that: WriteNew for whole files and WriteInPlace for sectors. It holds
// no state and takes no locks.
package fsys

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"

	"github.com/limpet-monitoring/limpet/platforms/plain"
)

// FS is a file system. Names are paths as the system writes them. Errors match fs.ErrNotExist and
// fs.ErrExist where those are the cause.
type FS interface {
	// Open opens a file as os.OpenFile does; flags are the os.O_ ones. With os.O_APPEND every
	// write goes to the end. Making a file does not make its name durable: see SyncDir.
	Open(name string, flag int, perm fs.FileMode) (File, error)
	// Rename replaces what newname was, in one step for those who look; durable after SyncDir.
	Rename(oldname, newname string) error
	// Remove removes a file or an empty folder.
	Remove(name string) error
	// ReadDir lists the names in a folder, sorted.
	ReadDir(name string) ([]string, error)
	// MkdirAll makes a folder and those above it; durable after SyncDir of the folders above.
	MkdirAll(name string, perm fs.FileMode) error
	// SyncDir makes names made, renamed or removed in a folder durable.
	SyncDir(name string) error
}

// File is an open file. Write and Read move one offset; ReadAt and WriteAt do not.
type File interface {
	io.Reader
	io.Writer
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync returns when content and size are on the disk (macOS: F_FULLFSYNC).
	Sync() error
	Truncate(size int64) error
	// Size is the length in bytes.
	Size() (int64, error)
}

// ErrTooLarge is the cause when a file is longer than its reader takes.
var ErrTooLarge = errors.New("file is larger than its limit")

// Read returns the content of a file of at most limit bytes; a longer one is ErrTooLarge, and no
// more than limit+1 bytes are ever read.
func Read(d FS, name string, limit int64) ([]byte, error) {
	f, err := d.Open(name, openRead, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, plain.Wrap("read "+name, plain.Because(ErrTooLarge, strconv.FormatInt(size, 10)+" bytes, limit "+strconv.FormatInt(limit, 10)))
	}
	data, err := readAll(f, size, limit)
	if err != nil {
		return nil, plain.Wrap("read "+name, err)
	}
	return data, nil
}

// readAll reads to the end whatever the size was said to be (files below /proc say 0).
func readAll(f io.Reader, size, limit int64) ([]byte, error) {
	data := make([]byte, 0, size+1)
	for {
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
		n, err := f.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if int64(len(data)) > limit {
			return nil, ErrTooLarge
		}
		if err == io.EOF {
			return data, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// WriteNew makes name hold data, durably and in one step: whoever looks, also after a power cut at
// any moment, finds the old content or the new, never a part. It writes name+".new" first, so one
// writer at a time. When it fails the old content stands (but the new may: after a failed SyncDir
// nobody can tell).
func WriteNew(d FS, name string, data []byte, perm fs.FileMode) error {
	temp := name + ".new"
	if err := writeSynced(d, temp, data, perm); err != nil {
		_ = d.Remove(temp) // best effort: the next WriteNew truncates it
		return err
	}
	if err := d.Rename(temp, name); err != nil {
		_ = d.Remove(temp)
		return err
	}
	return d.SyncDir(filepath.Dir(name))
}

func writeSynced(d FS, name string, data []byte, perm fs.FileMode) error {
	f, err := d.Open(name, openNew, perm)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		f.Close()
		return err
	}
	if err := f.Sync(); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// WriteInPlace overwrites the beginning of an existing file and syncs it: no new block and no
// name is needed, so it works on a full disk. A power cut may leave any mixture of old and new, so
// the content must carry a checksum and an older copy must lie elsewhere.
func WriteInPlace(d FS, name string, data []byte) error {
	f, err := d.Open(name, openWrite, 0)
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(data, 0); err != nil {
		f.Close()
		return err
	}
	if err := f.Sync(); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
