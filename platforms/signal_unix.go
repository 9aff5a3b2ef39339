//go:build unix

package platforms

import (
	"os"
	"syscall"
)

// Signals that a service process listens to.
var (
	StopSignals   = []os.Signal{syscall.SIGTERM, syscall.SIGINT}
	ReloadSignals = []os.Signal{syscall.SIGHUP}
	ChildSignals  = []os.Signal{syscall.SIGCHLD} // a child ended, or an orphan we adopted
)
