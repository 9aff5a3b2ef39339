package plugin

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

var defaultDirs = []string{
	filepath.Join(programData(), "Limpet", "plugins"),
	filepath.Join(os.Getenv("ProgramFiles"), "Monitoring Plugins"),
	filepath.Join(os.Getenv("ProgramFiles"), "ICINGA2", "sbin"),
}

const installHint = "install it there, or set plugin_dirs in limpet.conf"

func programData() string {
	if d := os.Getenv("ProgramData"); d != "" {
		return d
	}
	return `C:\ProgramData`
}

var known = []string{".exe", ".com", ".ps1", ".bat", ".cmd", ".py", ".vbs", ".rb", ".pl", ".sh"}

// endings are tried after a plugin's name, so that one check fits boxes of all systems.
func endings(name string) []string {
	if filepath.Ext(name) != "" {
		return append([]string{""}, known...)
	}
	return append(append([]string{}, known...), "")
}

// executable: what has a known ending, or a '#!' line.
func executable(path string, _ fs.FileInfo) bool {
	ending := strings.ToLower(filepath.Ext(path))
	for _, k := range known {
		if ending == k {
			return true
		}
	}
	return strings.HasPrefix(firstLine(path), "#!")
}

func isNotDir(err error) bool { return errors.Is(err, syscall.ENOTDIR) }

// changeable: folders below ProgramData and Program Files are the administrators' own here.
func changeable(string) string { return "" }
