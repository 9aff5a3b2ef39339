package fleet

import (
	"encoding/json"
	"fmt"

	"github.com/limpet-monitoring/limpet/hub/internal/bus"
)

// Pulse is what is known of a live session and written nowhere.
type Pulse struct {
	Fingerprint   string  `json:"fingerprint"`
	Session       string  `json:"session"`
	Seen          Time    `json:"seen"` // the last frame
	RTTMS         float64 `json:"rtt_ms"`
	ClockOffsetMS float64 `json:"clock_offset_ms"`
}

// TellPulses tells every fleet on the bus, on behalf of a hub. At most some thousands at once.
func TellPulses(b *bus.Bus, hub string, pulses []Pulse) error {
	data, err := json.Marshal(pulses)
	if err != nil {
		return fmt.Errorf("tell pulses: %w", err)
	}
	return b.Tell(bus.PulseNotes+hub, "", data)
}

// hearPulses takes what a hub tells.
func (f *Fleet) hearPulses(n bus.Note) {
	var pulses []Pulse
	if err := json.Unmarshal(n.Data, &pulses); err != nil {
		f.log.Warn("pulses not understood", "err", err)
		return
	}
	f.do(func() {
		for _, p := range pulses {
			if b := f.boxes[p.Fingerprint]; b != nil { // its session may be news to the board yet
				b.pulse = p
				f.show(b)
			}
		}
	})
}
