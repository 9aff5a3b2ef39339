package platforms

import (
	"os"
	"syscall"
)

// Signals that a service process listens to. Windows has none to reload or for a child's end.
var (
	StopSignals   = []os.Signal{os.Interrupt, syscall.SIGTERM}
	ReloadSignals []os.Signal
	ChildSignals  []os.Signal
)
