package tuf

import "time"

// Core is what the publisher signed about one release of the core.
type Core struct {
	Target
	Channel  string
	Platform string // GOOS-GOARCH
	Version  string
	Counter  uint64        // strictly rising over all channels; never 0
	Floor    uint64        // nothing below this counter may be staged any more
	Soak     time.Duration // whole seconds, 10 s to 1 h (3 s under a development root)
	Contract uint64        // the lowest stub contract that can run it
	Codecs   []string      // delta codecs this core can decode
	Deltas   []Delta       // ways to make it from an older core
	Waves    []Wave        // ordered by From; none = open to all at once
}

// Delta is a target that turns one older core into this one.
type Delta struct {
	From   [32]byte // SHA-256 of the older core
	Codec  string
	Path   string // target path
	Length int64  // of the delta, bytes
	SHA256 [32]byte
}

// Wave opens a release to a share of the fleet.
type Wave struct {
	From    time.Time
	Percent int // 0 to 100, not falling from wave to wave
}

// Role is the name of the delegated role that lists the cores of one channel and
// platform; platform is GOOS-GOARCH.
func Role(channel, platform string) string { return channel + "-" + platform }

// CoreDir is the folder to ask Refresh for, and to list with Set.Cores.
func CoreDir(channel, platform string) string { return "core/" + channel + "/" + platform + "/" }

// CorePath is the target path of one core.
func CorePath(channel, platform, version string) string {
	return CoreDir(channel, platform) + version + "/limpet-core"
}

// StubPath is the target path of one program of the stub, which is "limpet" or
// "limpet-fetch".
func StubPath(platform, version, program string) string {
	return "stub/" + platform + "/" + version + "/" + program
}

// Cores lists the releases of a channel for a platform, highest counter first.
// A target there whose custom part is not what this package understands is an
// error: Malformed, by its path.
func (s *Set) Cores(channel, platform string) ([]Core, error) { return nil, nil }
