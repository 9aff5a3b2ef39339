package collector

import "time"

const (
	remainGrace = 3 * time.Second // between the request to end and the end by force, for what a process that ended left behind
	lookRemains = 200 * time.Millisecond
)

// askRemains asks what a process has left behind to end, and says how many there are: the workers of a supervisor that was killed hold what they have
// gathered, their ports, and their buffers' files, and nobody tells them. Until they have ended, or remainGrace is over, no other process is started.
func (m *minder) askRemains(p *process) int {
	left := p.terminateLeft()
	if left > 0 {
		m.remains, m.until = p, time.Now().Add(remainGrace)
	}
	return left
}

// remain says whether there is still something to wait for.
func (m *minder) remain() bool {
	return m.remains != nil && m.process == nil && time.Now().Before(m.until) && m.remains.left() > 0
}

// dropRemains ends by force what was asked to end.
func (m *minder) dropRemains() {
	if m.remains != nil {
		m.remains.killAll()
		m.remains = nil
	}
}
