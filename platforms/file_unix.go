//go:build unix

package platforms

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// FileID names a file or folder on this machine whatever it is called, "" where it cannot be had.
func FileID(path string) string {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return ""
	}
	return strconv.FormatUint(uint64(st.Dev), 10) + ":" + strconv.FormatUint(uint64(st.Ino), 10)
}
