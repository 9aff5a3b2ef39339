package fleet

// What a Change is about.
const (
	AgentChanged = "agent"      // came, left or changed: Agent is set
	AgentGone    = "agent-gone" // forgotten: Fingerprint is set
	CheckChanged = "check"      // a result came, or it went stale: Fingerprint and Check are set
	Logged       = "log"        // Event is set
)

// Change is one thing that a subscriber hears of. The kinds are the names of the server-sent events.
type Change struct {
	Kind        string
	Fingerprint string
	Agent       *Agent
	Check       *CheckStatus
	Event       *Event
}
