package store

import (
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/plain"
)

// piece is how much is read at a time: hashing is no faster with more, and the stub stays small.
const piece = 32 << 10

// Place copies a core of the given length into the store, durably: when it returns nil no power cut
// takes the core away again. from may be in the hands of somebody hostile: at most length+1 bytes
// are read, and what was written is what was hashed. Bytes that are not e's are ErrUnsound, and
// nothing of them stays. A core that is there already is only synced.
func (s Store) Place(e Entry, length int64, from io.Reader) error {
	if err := s.place(e, length, from); err != nil {
		return plain.Wrap("place core "+e.name(), err)
	}
	return nil
}

func (s Store) place(e Entry, length int64, from io.Reader) error {
	if err := s.disk.MkdirAll(s.dir(e), 0o755); err != nil {
		return err
	}
	if s.resync(e, length) == nil {
		return s.syncFolders(e)
	}
	if err := s.copy(e, length, from); err != nil {
		_ = s.remove(e) // best effort: the next Place or Collect does it
		return err
	}
	return s.syncFolders(e)
}

// resync makes a copy left by an earlier life durable, if it is sound: that life may have been cut
// off before its own sync.
func (s Store) resync(e Entry, length int64) error {
	f, err := s.disk.Open(s.Path(e), os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := matches(f, e.Hash, length); err != nil {
		return err
	}
	return f.Sync()
}

func (s Store) copy(e Entry, length int64, from io.Reader) error {
	temp := filepath.Join(s.dir(e), "new")
	if err := s.clear(e); err != nil {
		return err
	}
	f, err := s.disk.Open(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o555)
	if err != nil {
		return err
	}
	hash := sha256.New()
	n, err := io.CopyBuffer(plainWriter{io.MultiWriter(f, hash)}, plainReader{io.LimitReader(from, length+1)}, make([]byte, piece))
	if err == nil && (n != length || [32]byte(hash.Sum(nil)) != e.Hash) {
		err = ErrUnsound
	}
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return s.disk.Rename(temp, s.Path(e))
}

// clear empties the folder of whatever lies there and is not sound.
func (s Store) clear(e Entry) error {
	names, err := s.disk.ReadDir(s.dir(e))
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := s.disk.Remove(filepath.Join(s.dir(e), name)); err != nil {
			return err
		}
	}
	return nil
}

func (s Store) syncFolders(e Entry) error {
	for _, dir := range []string{s.dir(e), s.ver, filepath.Dir(s.ver)} {
		if err := s.disk.SyncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// The plain kinds hide ReadFrom and WriteTo, so that the copy goes through our one small buffer.
type (
	plainWriter struct{ io.Writer }
	plainReader struct{ io.Reader }
)

// Open opens a core by path and hashes what it opened: a regular file, no link, of exactly this
// length and hash, else ErrUnsound. What is run is then this descriptor (platforms.ByImage) or, where
// the system cannot, the path, which Check looks at once more. The caller closes it.
func Open(path string, hash [32]byte, length int64) (*os.File, error) {
	f, err := fsys.OpenRegular(path)
	if err != nil {
		return nil, plain.Wrap("open core", err)
	}
	if err := Check(f, hash, length); err != nil {
		f.Close()
		return nil, plain.Wrap("open core "+path, err)
	}
	return f, nil
}

// Check hashes an open core from its beginning and leaves it there.
func Check(f *os.File, hash [32]byte, length int64) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() != length {
		return ErrUnsound
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := matches(f, hash, length); err != nil {
		return err
	}
	_, err = f.Seek(0, io.SeekStart)
	return err
}

func matches(f io.Reader, want [32]byte, length int64) error {
	hash := sha256.New()
	n, err := io.CopyBuffer(plainWriter{hash}, plainReader{io.LimitReader(f, length+1)}, make([]byte, piece))
	if err != nil {
		return err
	}
	if n != length || [32]byte(hash.Sum(nil)) != want {
		return ErrUnsound
	}
	return nil
}

// In is the store of a layout on the system's disk.
func In(l platforms.Layout) Store { return New(fsys.Disk{}, l.Ver) }
