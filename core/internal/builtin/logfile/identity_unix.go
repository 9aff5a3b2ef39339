//go:build unix

package logfile

import (
	"fmt"
	"os"
	"syscall"
)

// identity tells one file from another whatever their names.
func identity(_ *os.File, info os.FileInfo) string { return identityAt("", info) }

// identityAt is the identity of a file that is not open.
func identityAt(_ string, info os.FileInfo) string {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprintf("%d:%d", st.Dev, st.Ino)
	}
	return ""
}

// openShared opens a file for reading while others write and rename it.
func openShared(path string) (*os.File, error) { return os.Open(path) }
