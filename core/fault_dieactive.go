//go:build linux && demofault_dieactive

package main

import "os"

// breakDown ends the core.
func breakDown() { os.Exit(70) }
