//go:build unix

package platforms

import (
	"github.com/limpet-monitoring/limpet/platforms/plain"

	"golang.org/x/sys/unix"
)

// Space is how many bytes an ordinary user may still write on the disk that holds a folder.
func Space(path string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, plain.Wrap("ask for space on "+path, err)
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}
