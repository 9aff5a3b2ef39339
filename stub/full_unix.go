//go:build unix

package main

import (
	"errors"
	"syscall"
)

// noSpace reports whether an error says that a disk or a share of it is full.
func noSpace(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }
