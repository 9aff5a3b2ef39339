package fsys

import (
	"errors"
	"io"
	"os"
)

// Rotate keeps a log that somebody else holds open and appends to within its size: past it, the
// last part of it, twice the size at most, is copied to PATH.1 and the file cut. What is written between
// the two is lost; so is that part where it cannot be copied, as on a full disk: a log that nobody cut would keep the disk full. size is in
// bytes. An error that is fs.ErrNotExist: there is no log.
func Rotate(path string, size int64) error {
	info, err := os.Stat(path)
	if err != nil || info.Size() <= size {
		return err
	}
	from, err := OpenRegular(path)
	if err != nil {
		return err
	}
	defer from.Close()
	// The last part of it, where a core wrote more than its share since we looked.
	err = copyEnd(path+".1", from, max(0, info.Size()-size), 2*size)
	return errors.Join(err, os.Truncate(path, 0))
}

// copyEnd makes a file of what is behind a place, most bytes of it at most.
func copyEnd(path string, from io.ReadSeeker, place, most int64) error {
	to, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	if _, err := from.Seek(place, io.SeekStart); err != nil {
		to.Close()
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{io.LimitReader(from, most)}, make([]byte, 32<<10))
	if e := to.Close(); err == nil {
		err = e
	}
	return err
}
