//go:build linux && !amd64 && !arm64 && !riscv64 && !loong64

package confine

import (
	"errors"

	"github.com/limpet-monitoring/limpet/platforms/plain"
)

// The older processors number their calls each in its own way, and some pass sockets through one call whose
// arguments lie in memory. Landlock does its part there.
func seccomp(bool) error { return plain.Wrap("no filter for this processor", errors.ErrUnsupported) }
