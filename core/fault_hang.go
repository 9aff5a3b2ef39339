//go:build demofault_hang

package main

import (
	"fmt"
	"os"
	"time"
)

// A core that is broken on purpose, for `make demo-bad-update`: it says that it is ready, and then never again that it is alive. No release
// is built with this tag.
func init() {
	if len(os.Args) > 1 && os.Args[1] == "run" {
		fmt.Fprintln(os.Stderr, "broken on purpose: this core hangs once it has said ready")
		fmt.Println("ready " + version)
		for {
			time.Sleep(time.Hour)
		}
	}
}
