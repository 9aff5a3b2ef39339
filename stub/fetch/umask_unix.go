//go:build unix

package main

import "golang.org/x/sys/unix"

// setUmask makes what we place readable as its mode says, whatever we inherited.
func setUmask() { unix.Umask(0o022) }
