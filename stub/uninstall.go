package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/limpet-monitoring/limpet/platforms"
)

// uninstall runs the script that the installer left beside this program, in our place: it works when every core is dead, and
// nothing of the core's has to be believed for it.
func uninstall(l platforms.Layout, args []string) error {
	script := filepath.Join(l.Bin, "uninstall.sh")
	if _, err := os.Stat(script); errors.Is(err, fs.ErrNotExist) {
		return &fault{exitFailed, "limpet was not put here by the hub's installer: there is no " + script,
			"take it away as it came, or run the hub's install.sh with --uninstall"}
	}
	return giveWay(script, nil, "/bin/sh", append(append([]string{"sh", script}, l.RootArgs()...), args...))
}
