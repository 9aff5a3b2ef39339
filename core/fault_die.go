//go:build demofault_die

package main

import (
	"fmt"
	"os"
)

// A core that is broken on purpose, for `make demo-bad-update`: it dies at its start. No release is built with this tag.
func init() {
	if len(os.Args) > 1 && os.Args[1] == "run" {
		fmt.Fprintln(os.Stderr, "broken on purpose: this core dies at its start")
		os.Exit(70)
	}
}
