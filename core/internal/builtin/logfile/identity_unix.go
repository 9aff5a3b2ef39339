//go:build unix

package logfile

import (
	"fmt"
	"os"
	"syscall"
)

// identity tells one file from another whatever their names.
func identity(info os.FileInfo) string {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprintf("%d:%d", st.Dev, st.Ino)
	}
	return ""
}
