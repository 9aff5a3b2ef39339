package wire

import (
	"math"
	"time"
)

// Sizes in bytes; those of batches and frames stand in batch.go.
const (
	// MaxRunOutput is the data of one RunOutput: output shows early, and no frame delays a heartbeat for long.
	MaxRunOutput = 32 << 10
	// maxRunEnd bounds a result in a RunEnd. Whoever asked for the run has heard its output; memory for it once more is what a box would pay.
	maxRunEnd = 64 << 10
	// NonceLength, KeyLength and SignatureLength are those of Ed25519 and the handshake.
	NonceLength     = 32
	KeyLength       = 32
	SignatureLength = 64
	// MaxStandbyNonce bounds the nonce of a successor: letters, digits and '-'.
	MaxStandbyNonce = 64
	// MaxSitePiece is the data of one SitePiece: a heartbeat waits for one at most.
	MaxSitePiece = 256 << 10
	// MaxSiteName bounds the name of a file of the site's repository.
	MaxSiteName = 1 << 10
)

// RevisionForeign is what an agent reports of a running document that it took from another hub than the one it talks to. No hub gives this number.
const RevisionForeign = math.MaxUint64

// Counts.
const (
	MaxChecks      = 10_000 // in one Desired: far beyond what one box runs, and bounded work to validate
	MaxGenerations = 1024   // in one Proof; an agent drains long before
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
