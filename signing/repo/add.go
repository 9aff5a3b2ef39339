package repo

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// Names become folders, role names and URLs, so they are plain: a role is
// CHANNEL-GOOS-GOARCH, which only reads one way when a channel has no dash.
var (
	channelName  = regexp.MustCompile(`^[a-z][a-z0-9]{0,15}$`)
	platformName = regexp.MustCompile(`^[a-z0-9]{1,16}-[a-z0-9]{1,16}$`)
	versionName  = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$`)
)

// Release is what the publisher says about a core.
type Release struct {
	Channel  string
	Version  string
	Counter  uint64        // above every counter in the repository; 0 = the next one
	Floor    uint64        // at most Counter
	Soak     time.Duration // whole seconds
	Contract uint64        // the lowest stub contract that can run it
	Codecs   []string      // delta codecs it can decode
	Waves    []tuf.Wave    // when it opens to which share of the fleet; none = to all at once
}

// custom is how a Release is written into a target.
type custom struct {
	Version  string   `json:"version"`
	Counter  uint64   `json:"counter"`
	Floor    uint64   `json:"floor"`
	Soak     int64    `json:"soak"` // seconds
	Contract uint64   `json:"contract"`
	Codecs   []string `json:"codecs,omitempty"`
	Waves    []wave   `json:"waves,omitempty"`
	Paused   *paused  `json:"paused,omitempty"`
}

// NextCounter is the lowest counter a new release may have: above those of every
// release there is or was.
func (r *Repo) NextCounter() (uint64, error) {
	cores, err := r.Cores()
	if err != nil {
		return 0, err
	}
	highest := uint64(0)
	if len(cores) > 0 {
		highest = cores[0].Counter
	}
	for role := range r.targets {
		for _, w := range r.withdrawn(role) {
			highest = max(highest, w.Counter)
		}
	}
	return highest + 1, nil
}

// AddRelease lists a release's cores, by platform, and returns the platforms that
// were new; those listed already with the same bytes stay as they are. Other
// bytes under a listed version are an error: a version never changes. A counter
// of 0 becomes NextCounter; a lower one than that is refused.
func (r *Repo) AddRelease(rel Release, cores map[string][]byte) ([]string, error) {
	next, err := r.NextCounter()
	if err != nil {
		return nil, err
	}
	if rel.Counter == 0 {
		rel.Counter = next
	}
	var added []string
	for _, platform := range slices.Sorted(maps.Keys(cores)) {
		if err := checkNames(rel.Channel, platform, rel.Version); err != nil {
			return nil, err
		}
		there, err := r.has(tuf.Role(rel.Channel, platform), tuf.CorePath(rel.Channel, platform, rel.Version), cores[platform])
		if err != nil {
			return nil, err
		}
		if there {
			continue
		}
		if err := r.elsewhere(rel, platform, cores[platform]); err != nil {
			return nil, err
		}
		if err := r.notWithdrawn(rel.Version, platform); err != nil {
			return nil, err
		}
		if rel.Counter < next {
			return nil, fmt.Errorf("counter %d is not above the highest one listed, %d", rel.Counter, next-1)
		}
		if err := r.addCore(rel, platform, cores[platform]); err != nil {
			return nil, err
		}
		added = append(added, platform)
	}
	return added, nil
}

// elsewhere refuses a version that another channel has: with other bytes, because a
// version never changes; with the same, because that is a promotion, which keeps
// the counter.
func (r *Repo) elsewhere(rel Release, platform string, data []byte) error {
	cores, err := r.Cores()
	if err != nil {
		return err
	}
	for _, c := range cores {
		if c.Version != rel.Version || c.Platform != platform || c.Channel == rel.Channel {
			continue
		}
		if c.SHA256 == sha256.Sum256(data) {
			return fmt.Errorf("%s for %s is in channel %s already; promote it from there", rel.Version, platform, c.Channel)
		}
		return fmt.Errorf("%s is listed already with other bytes; a version never changes, so give this one a new version", c.Path)
	}
	return nil
}

func (r *Repo) addCore(rel Release, platform string, data []byte) error {
	if rel.Soak%time.Second != 0 {
		return fmt.Errorf("soak %v is not whole seconds", rel.Soak)
	}
	role := tuf.Role(rel.Channel, platform)
	if err := r.delegate(role, rel.Channel, platform); err != nil {
		return err
	}
	return r.add(role, tuf.CorePath(rel.Channel, platform, rel.Version), data, custom{
		rel.Version, rel.Counter, rel.Floor, int64(rel.Soak / time.Second), rel.Contract, rel.Codecs, wavesOf(rel.Waves), nil,
	})
}

// AddProgram lists one program of the stub ("limpet" or "limpet-fetch"), and
// reports false when exactly it is listed already. Other bytes under its version
// are an error.
func (r *Repo) AddProgram(platform, version, program string, data []byte) (bool, error) {
	if err := checkNames("stub", platform, version); err != nil {
		return false, err
	}
	if program != "limpet" && program != "limpet-fetch" {
		return false, fmt.Errorf("%q is no program of the stub", program)
	}
	name := tuf.StubPath(platform, version, program)
	if there, err := r.has(metadata.TARGETS, name, data); there || err != nil {
		return false, err
	}
	return true, r.add(metadata.TARGETS, name, data, struct {
		Version string `json:"version"`
	}{version})
}

func checkNames(channel, platform, version string) error {
	switch {
	case !channelName.MatchString(channel):
		return fmt.Errorf("channel %q: use a to z and 0 to 9, at most 16, a letter first", channel)
	case !platformName.MatchString(platform):
		return fmt.Errorf("platform %q: it is GOOS-GOARCH, such as linux-amd64", platform)
	case !versionName.MatchString(version):
		return fmt.Errorf("version %q: use letters, digits, dots, dashes, at most 64", version)
	}
	return nil
}

func (r *Repo) has(role, name string, data []byte) (bool, error) {
	t := r.targets[role]
	if t == nil || t.Signed.Targets[name] == nil {
		return false, nil
	}
	sum := sha256.Sum256(data)
	if listed := hex.EncodeToString(t.Signed.Targets[name].Hashes["sha256"]); listed != hex.EncodeToString(sum[:]) {
		return false, fmt.Errorf("%s is listed already with other bytes (%.12s…, these are %x…); a version never changes, so give this one a new version", name, listed, sum[:6])
	}
	return true, nil
}

func (r *Repo) add(role, name string, data []byte, about any) error {
	if len(data) == 0 || len(data) > maxTarget {
		return fmt.Errorf("%s has %d bytes; 1 to %d are taken", name, len(data), maxTarget)
	}
	text, err := json.Marshal(about)
	if err != nil {
		return fmt.Errorf("describe %s: %w", name, err)
	}
	sum := sha256.Sum256(data)
	raw := json.RawMessage(text)
	r.targets[role].Signed.Targets[name] = &metadata.TargetFiles{
		Length: int64(len(data)),
		Hashes: metadata.Hashes{"sha256": sum[:]},
		Custom: &raw,
		Path:   name,
	}
	r.stale[role] = true
	r.files[fileOf(name, sum)] = data
	return nil
}
