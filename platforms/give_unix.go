//go:build unix

package platforms

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/limpet-monitoring/limpet/platforms/plain"

	"golang.org/x/sys/unix"
)

// Give makes a folder of root's, with all that lies in it, the user's. What is in it comes first and the
// folder last: as long as the folder is root's nobody else can have put a link to somebody's file in
// there. For the same reason one that is not root's any more is left as it is. Without root's rights it
// does nothing.
func Give(dir string, to User) error {
	if os.Geteuid() != 0 {
		return nil
	}
	if err := give(dir, to); err != nil {
		return plain.Wrap("give "+dir+" away", err)
	}
	return nil
}

func give(dir string, to User) error {
	var stat unix.Stat_t
	if err := unix.Lstat(dir, &stat); err != nil {
		return err
	}
	if stat.Uid != 0 {
		return nil
	}
	if stat.Mode&unix.S_IFMT == unix.S_IFDIR && stat.Mode&0o022 == 0 {
		names, err := readNames(dir)
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := give(filepath.Join(dir, name), to); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
	}
	return os.Lchown(dir, int(to.UID), int(to.GID))
}

func readNames(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}
