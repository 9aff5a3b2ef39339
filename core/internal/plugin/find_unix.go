//go:build unix

package plugin

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"syscall"
)

var defaultDirs = dirsOf(runtime.GOOS)

const installHint = "install it there (Debian: apt install monitoring-plugins), or set plugin_dirs in limpet.conf"

func dirsOf(goos string) []string {
	switch goos {
	case "darwin":
		return []string{"/usr/local/lib/nagios/plugins", "/opt/homebrew/lib/nagios/plugins", "/opt/homebrew/libexec/nagios/plugins", "/opt/local/libexec/nagios"}
	case "freebsd", "openbsd", "netbsd", "dragonfly":
		return []string{"/usr/local/libexec/nagios", "/usr/local/libexec/monitoring-plugins"}
	}
	return []string{"/usr/lib/nagios/plugins", "/usr/lib64/nagios/plugins", "/usr/lib/monitoring-plugins", "/usr/lib64/monitoring-plugins",
		"/usr/libexec/nagios/plugins", "/usr/libexec/monitoring-plugins", "/usr/local/lib/nagios/plugins", "/usr/local/libexec/nagios",
		"/usr/local/nagios/libexec"}
}

// endings are tried after a plugin's name: here names are whole.
func endings(string) []string { return []string{""} }

func executable(_ string, info fs.FileInfo) bool { return info.Mode()&0o111 != 0 }

func isNotDir(err error) bool { return errors.Is(err, syscall.ENOTDIR) }

// changeable says who beyond root may change a file or folder that root is about to trust; "" = nobody, or this process is not root:
// then a plugin can do no more than its writer could.
func changeable(path string) string {
	if os.Geteuid() != 0 {
		return ""
	}
	info, err := os.Stat(path)
	if err != nil {
		return err.Error()
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return looseness(path, info.Mode(), st.Uid, st.Gid)
}

func looseness(path string, mode fs.FileMode, uid, gid uint32) string {
	switch {
	case uid != 0:
		return fmt.Sprintf("%s belongs to user %d, who could change it: chown root %s", path, uid, path)
	case mode&0o002 != 0:
		return fmt.Sprintf("everybody may write to %s: chmod o-w %s", path, path)
	case mode&0o020 != 0 && gid != 0:
		return fmt.Sprintf("group %d may write to %s: chmod g-w %s", gid, path, path)
	}
	return ""
}
