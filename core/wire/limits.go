package wire

import "time"

// Subprotocol is the websocket subprotocol both sides offer, and the only one.
const Subprotocol = "limpet.v1"

// Path is where a hub takes agents' sessions.
const Path = "/agent/v1"

// ProtocolMin and ProtocolMax are the versions of the protocol this code speaks.
const (
	ProtocolMin = 1
	ProtocolMax = 1
)

// Sizes in bytes. A receiver sets the frame limit on the line, so that a larger frame ends the session before memory is taken.
const (
	// MaxAgentFrame is the largest frame from an agent: two batches' worth, because a batch may not compress at all.
	MaxAgentFrame = 1 << 20
	// MaxRecordFrame is what a hub reads from an agent at most: one record may be as large as the bus takes.
	MaxRecordFrame = 8 << 20
	// MaxHubFrame is the largest frame from a hub: a document of desired state with MaxChecks checks of ordinary length fits.
	MaxHubFrame = 4 << 20
	// MaxBatch is the unpacked length of a batch's items, unless it is one record.
	MaxBatch = 512 << 10
	// MaxRecord is the packed length of one Item, with room for its batch's frame below MaxRecordFrame.
	MaxRecord = MaxRecordFrame - 4<<10
	// MaxRunOutput is the data of one RunOutput: output shows early, and no frame delays a heartbeat for long.
	MaxRunOutput = 32 << 10
	// NonceLength, KeyLength and SignatureLength are those of Ed25519 and the handshake.
	NonceLength     = 32
	KeyLength       = 32
	SignatureLength = 64
)

// Counts.
const (
	MaxChecks      = 10_000 // in one Desired: far beyond what one box runs, and bounded work to validate
	MaxGenerations = 1024   // in one Proof; an agent drains long before
	MaxSuccession  = 64     // hub keys in a row
	MaxTags        = 64
	MaxFacts       = 64   // entries of Facts.more
	MaxPlugins     = 1024 // names in Facts.plugins
	MaxProblems    = 1024 // lines of a RevisionReport
	MaxCalls       = 64   // run-now calls under way in one session
)

// Times.
const (
	HandshakeStep  = 10 * time.Second // each handshake message after the one before
	WriteDeadline  = 10 * time.Second // one frame onto the line
	HeartbeatEvery = 10 * time.Second // the default; Welcome says
	MinHeartbeat   = time.Second      // less costs a box more than its checks
	MaxHeartbeat   = 5 * time.Minute  // more leaves a dead line open too long
	DeadAfter      = 3                // heartbeats without a frame
)
