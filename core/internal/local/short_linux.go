package local

import (
	"fmt"
	"os"
	"path/filepath"
)

// maxPath is what a socket's address holds with its final zero.
const maxPath = 107

// Short names a socket whose path is too long for an address by way of its folder's descriptor.
func Short(path string) (short string, release func(), err error) {
	if len(path) <= maxPath {
		return path, func() {}, nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, fmt.Errorf("open the socket's folder: %w", err)
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)), func() { dir.Close() }, nil
}
