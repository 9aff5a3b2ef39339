package agent

import (
	"context"
	"encoding/binary"
	"os"
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/builtin/systemd"
)

const (
	askHost = time.Second
	utmp    = "/run/utmp" // where init systems that have runlevels write down the one they are in

	utmpRecord   = 384 // bytes of one record on Linux
	utmpRunLevel = 1   // its type
	maxUtmp      = 1 << 20
)

// stopCause is why the service is asked to stop: the stub knows of no shutdown, the host does.
func (a *agent) stopCause(ctx context.Context, cause string) string {
	if cause != "service" {
		return cause
	}
	ctx, cancel := context.WithTimeout(ctx, askHost)
	defer cancel()
	ending, err := systemd.Ending(ctx)
	if err != nil {
		ending = levelEnds(readLevel(utmp))
	}
	if ending {
		return "shutdown"
	}
	return cause
}

// levelEnds says whether a runlevel is one in which a host ends: halt or reboot.
func levelEnds(level byte) bool { return level == '0' || level == '6' }

// readLevel is the runlevel that utmp names last; 0 = none.
func readLevel(name string) (level byte) {
	data, err := os.ReadFile(name)
	if err != nil || len(data) > maxUtmp {
		return 0
	}
	for ; len(data) >= utmpRecord; data = data[utmpRecord:] {
		if binary.NativeEndian.Uint16(data) == utmpRunLevel {
			level = byte(binary.NativeEndian.Uint32(data[4:])) // the runlevel's character, the one before in the next byte
		}
	}
	return level
}
