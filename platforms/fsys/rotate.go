package fsys

import (
	"io"
	"os"
)

// Rotate keeps a log that somebody else holds open and appends to within its size: past it, the
// last part of it, twice the size at most, is copied to PATH.1 and the file cut. What is written between
// the two is lost. size is in bytes. An error that is fs.ErrNotExist: there is no log.
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
	to, err := os.OpenFile(path+".1", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	// The last part of it, where a core wrote more than its share since we looked.
	if _, err := from.Seek(max(0, info.Size()-size), io.SeekStart); err != nil {
		to.Close()
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{io.LimitReader(from, 2*size)}, make([]byte, 32<<10))
	if e := to.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return os.Truncate(path, 0)
}
