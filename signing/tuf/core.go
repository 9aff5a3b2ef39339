package tuf

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds of what a release says about itself.
const (
	minSoak            = 10   // seconds: shorter proves nothing
	minSoakDevelopment = 3    // under a development root, so that trying it out is quick
	maxSoak            = 3600 // longer keeps two cores running on every host
	maxCodecs          = 16
	maxDeltas          = 64
	maxWaves           = 64
	maxPath            = 1024 // bytes
)

// Core is what the publisher signed about one release of the core.
type Core struct {
	Target
	Channel  string
	Platform string // GOOS-GOARCH
	Version  string
	Counter  uint64        // strictly rising over all channels; never 0, never above 2^63-1
	Floor    uint64        // nothing below this counter may be staged any more
	Soak     time.Duration // whole seconds, 10 s to 1 h (3 s under a development root)
	Contract uint64        // the lowest stub contract that can run it
	Codecs   []string      // delta codecs this core can decode
	Packed   *Packed       // the whole core in fewer bytes; nil where the publisher has none
	Deltas   []Delta       // ways to make it from an older core
	Waves    []Wave        // ordered by From; none = open to all at once
}

// Packed is a file that decompresses to the core. It is no target of its own: the
// core's signed custom part vouches for it.
type Packed struct {
	Codec  string // "zstd" is a plain stream with a window of at most 8 MiB; leave any other alone
	Path   string // below "targets/"; plain and relative, its hash is part of it already
	Length int64  // of the packed file, bytes
	SHA256 [32]byte
}

// Delta is a file that turns one older core into this one; otherwise as Packed.
type Delta struct {
	From   [32]byte // SHA-256 of the older core
	Codec  string   // a name of updater/delta
	Path   string   // below "targets/"; plain and relative, its hash is part of it already
	Length int64    // of the delta, bytes
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
// Those whose custom part this package does not understand are left out, and
// said in skipped (Malformed, by their path): a release of years from now must
// not keep an old stub from the others.
func (s *Set) Cores(channel, platform string) (cores []Core, skipped []error) {
	targets, err := s.Under(CoreDir(channel, platform))
	if err != nil {
		return nil, []error{err}
	}
	for _, t := range targets {
		core, err := s.core(t)
		if err != nil {
			skipped = append(skipped, err)
			continue
		}
		cores = append(cores, core)
	}
	// By counter and place, packed into text: the stub has a sort of texts anyhow, and counts kilobytes.
	keys, ordered := make([]string, len(cores)), make([]Core, len(cores))
	for i, c := range cores {
		keys[i] = digits(math.MaxInt64-c.Counter) + digits(uint64(i))
	}
	slices.Sort(keys)
	for i, k := range keys {
		at, _ := strconv.Atoi(k[digitsLen:])
		ordered[i] = cores[at]
	}
	return ordered, skipped
}

// digitsLen is the width of digits.
const digitsLen = 20

// digits is n in decimal, as wide as any: such texts sort as their numbers do.
func digits(n uint64) string {
	text := strconv.FormatUint(n, 10)
	return strings.Repeat("0", digitsLen-len(text)) + text
}

// Core looks one release up by its target path, as Target does.
func (s *Set) Core(path string) (Core, error) {
	t, err := s.Target(path)
	if err != nil {
		return Core{}, err
	}
	return s.core(t)
}

// core reads the custom part of a target. Members it does not know are left
// alone; those it knows must be right.
func (s *Set) core(t Target) (Core, error) {
	parts := strings.Split(t.Path, "/")
	if len(parts) != 5 || parts[0] != "core" || parts[4] != "limpet-core" {
		return Core{}, refuse(Malformed, t.Path, "not the path of a core")
	}
	if t.only512 {
		return Core{}, refuse(Malformed, t.Path, "no SHA-256")
	}
	shortest := int64(minSoak)
	if s.Development() {
		shortest = minSoakDevelopment
	}
	var d decoder
	c := Core{
		Target:   t,
		Channel:  parts[1],
		Platform: parts[2],
		Version:  d.text(t.custom, "version"),
		Counter:  uint64(d.int(t.custom, "counter", 1, math.MaxInt64)),
		Floor:    uint64(d.int(t.custom, "floor", 0, math.MaxInt64)),
		Soak:     time.Duration(d.int(t.custom, "soak", shortest, maxSoak)) * time.Second,
		Contract: uint64(d.int(t.custom, "contract", 1, math.MaxInt64)),
		Codecs:   d.texts(t.custom, "codecs", maxCodecs),
		Packed:   d.packed(t.custom),
		Deltas:   d.deltas(t.custom),
		Waves:    d.waves(t.custom),
	}
	if d.err == nil && c.Version != parts[3] {
		d.fail("version " + strconv.Quote(c.Version) + " under the path of another")
	}
	if d.err == nil && c.Floor > c.Counter {
		d.fail("floor above its own counter")
	}
	if d.err != nil {
		return Core{}, refuse(Malformed, t.Path, "custom: "+d.err.Error())
	}
	return c, nil
}

func (d *decoder) packed(custom value) *Packed {
	if _, ok := custom.member("packed"); !ok {
		return nil
	}
	v := d.need(custom, "packed", object)
	return &Packed{
		Codec:  d.text(v, "codec"),
		Path:   d.path(v, "path"),
		Length: d.int(v, "length", 1, maxTarget),
		SHA256: [32]byte(d.bytes(v, "sha256", 32)),
	}
}

func (d *decoder) deltas(custom value) []Delta {
	list := d.maybe(custom, "deltas", array).items
	if len(list) > maxDeltas {
		d.fail(`"deltas" is too long`)
		return nil
	}
	out := make([]Delta, 0, len(list))
	for _, v := range list {
		out = append(out, Delta{
			From:   [32]byte(d.bytes(v, "from", 32)),
			Codec:  d.text(v, "codec"),
			Path:   d.path(v, "path"),
			Length: d.int(v, "length", 1, maxTarget),
			SHA256: [32]byte(d.bytes(v, "sha256", 32)),
		})
	}
	return out
}

func (d *decoder) waves(custom value) []Wave {
	list := d.maybe(custom, "waves", array).items
	if len(list) > maxWaves {
		d.fail(`"waves" is too long`)
		return nil
	}
	out := make([]Wave, 0, len(list))
	for i, v := range list {
		w := Wave{From: d.time(v, "from"), Percent: int(d.int(v, "percent", 0, 100))}
		if i > 0 && (!w.From.After(out[i-1].From) || w.Percent < out[i-1].Percent) {
			d.fail("waves are not in order")
		}
		out = append(out, w)
	}
	return out
}
