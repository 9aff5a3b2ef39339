package agent

import (
	"github.com/limpet-monitoring/limpet/core/internal/session"
)

// judge says what holds, where that changed.
func (a *agent) judge() error {
	bitmap, mask := a.health()
	if told := [2]uint64{bitmap, mask}; told != a.told {
		a.told = told
		return a.o.Stub.Checks(bitmap, mask)
	}
	return nil
}

// Bits of the checks line, docs/stub-contract.md.
const (
	bitConfig = 1 << iota
	bitSchedule
	bitBuffer
	bitSession
	bitCollectors
)

func (a *agent) health() (bitmap, mask uint64) {
	bitmap, mask = a.board.bits(a.set.Checks)
	mask |= bitConfig | bitBuffer | bitSession
	if a.lock != nil {
		mask |= bitSchedule
		bitmap |= bitSchedule
	}
	if a.rejected == nil {
		bitmap |= bitConfig
	}
	if a.buffer.Stats().LastError == "" {
		bitmap |= bitBuffer
	}
	if a.session.Status().State == session.Connected {
		bitmap |= bitSession
	}
	judged, hold := a.collectorsHold()
	if judged {
		mask |= bitCollectors
	}
	if hold {
		bitmap |= bitCollectors
	}
	return bitmap, mask
}
