package platforms

import (
	"errors"
	"os"

	"github.com/limpet-monitoring/limpet/platforms/plain"
)

// ErrLocked is the cause when somebody else holds a lock.
var ErrLocked = errors.New("locked by another process")

// Lock is a lock on a file, held until Release or the end of the process. It is not inherited by
// what the process starts, and another Take in the same process is refused as well.
type Lock struct{ file *os.File }

// Take takes the lock on a file, which is made when missing (mode 0644), and does not wait: somebody
// else's is ErrLocked.
func Take(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, plain.Wrap("lock", err)
	}
	if err := lockFile(f, true); err != nil {
		f.Close()
		return nil, plain.Wrap("lock "+path, err)
	}
	return &Lock{f}, nil
}

// TakeStanding is Take where the place may have become read-only, or closed to this user: a file that stands there is then locked as it is.
func TakeStanding(path string) (*Lock, error) {
	lock, err := Take(path)
	if err == nil || errors.Is(err, ErrLocked) {
		return lock, err
	}
	f, standing := os.Open(path)
	if standing != nil {
		return nil, err
	}
	if err := lockFile(f, true); err != nil {
		f.Close()
		return nil, plain.Wrap("lock "+path, err)
	}
	return &Lock{f}, nil
}

// Held reports whether a process holds the lock on a file. It takes no part: for as long as it looks
// a Take by others may be refused, so who must have the lock tries more than once.
func Held(path string) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, plain.Wrap("lock", err)
	}
	defer f.Close()
	err = lockFile(f, false)
	if errors.Is(err, ErrLocked) {
		return true, nil
	}
	return false, err
}

// Release gives the lock up. The file stays.
func (l *Lock) Release() error { return l.file.Close() }
