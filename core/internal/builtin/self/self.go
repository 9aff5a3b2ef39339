// Package self is the check "agent": what the agent itself costs and whether it keeps up. It measures memory and CPU of its
// own process; buffer and schedule are told by the agent.
package self

import "time"

// Stats is what only the agent knows about itself. A negative value means "not known" and is left out.
type Stats struct {
	BufferBytes int64         // bytes the buffer holds on disk
	BufferLimit int64         // its cap in bytes; 0 or less when it has none
	Pending     int64         // results not acknowledged by the hub
	Oldest      time.Duration // age of the oldest of them; 0 without any
	Lag         time.Duration // how late the schedule started its latest due run, the worst since the previous call
}
