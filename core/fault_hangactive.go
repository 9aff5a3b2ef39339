//go:build linux && demofault_hangactive

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// breakDown stands still, with all its threads and everything it holds.
func breakDown() { unix.Kill(os.Getpid(), unix.SIGSTOP) }
