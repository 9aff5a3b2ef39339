package repo

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// Members of custom and of a role's signed part that say how far a release is out.
const (
	wavesMember     = "waves"
	pausedMember    = "paused"             // for publishers: what resume brings back
	withdrawnMember = "x-limpet-withdrawn" // of a role
	floorMember     = "floor"
	maxWithdrawn    = 1024 // of one role; a channel withdraws a few a year
)

// wave and paused are how waves are written.
type (
	wave struct {
		From    string `json:"from"`
		Percent int    `json:"percent"`
	}
	paused struct {
		At    string `json:"at"`
		Waves []wave `json:"waves"`
	}
)

func wavesOf(list []tuf.Wave) []wave {
	var out []wave
	for _, w := range list {
		out = append(out, wave{w.From.UTC().Format(time.RFC3339), w.Percent})
	}
	return out
}

func putWaves(about map[string]json.RawMessage, list []wave) error {
	delete(about, wavesMember)
	if len(list) == 0 {
		return nil
	}
	return put(about, wavesMember, list)
}

// each changes what a channel says about a version, on every platform, and returns
// the platforms where that changed something.
func (r *Repo) each(channel, version string, change func(about map[string]json.RawMessage) error) ([]string, error) {
	var changed []string
	found := false
	for _, role := range r.Roles() {
		c, platform, _ := strings.Cut(role, "-")
		target := r.targets[role].Signed.Targets[tuf.CorePath(channel, platform, version)]
		if c != channel || target == nil {
			continue
		}
		found = true
		did, err := r.amendOne(role, target, change)
		if err != nil {
			return nil, err
		}
		if did {
			changed = append(changed, platform)
		}
	}
	if !found {
		return nil, fmt.Errorf("channel %s does not list %s: %w", channel, version, fs.ErrNotExist)
	}
	return changed, nil
}

// SetWaves says anew when a release of a channel opens to which share of the fleet;
// none = to all at once. A paused one goes on. It returns the platforms that changed.
func (r *Repo) SetWaves(channel, version string, waves []tuf.Wave) ([]string, error) {
	return r.each(channel, version, func(about map[string]json.RawMessage) error {
		delete(about, pausedMember)
		return putWaves(about, wavesOf(waves))
	})
}

// Pause closes a release of a channel to everybody who does not run it yet, and keeps
// its waves for Resume. One that is paused stays as it is.
func (r *Repo) Pause(channel, version string, now time.Time) ([]string, error) {
	at := now.UTC().Format(time.RFC3339)
	return r.each(channel, version, func(about map[string]json.RawMessage) error {
		if about[pausedMember] != nil {
			return nil
		}
		p := paused{At: at, Waves: []wave{}}
		if about[wavesMember] != nil {
			if err := json.Unmarshal(about[wavesMember], &p.Waves); err != nil {
				return err
			}
		}
		if err := put(about, pausedMember, p); err != nil {
			return err
		}
		return putWaves(about, []wave{{at, 0}})
	})
}

// Resume takes a pause back: what was open is open again, and what was to come comes
// later by as long as the pause was. One that is not paused stays as it is.
func (r *Repo) Resume(channel, version string, now time.Time) ([]string, error) {
	return r.each(channel, version, func(about map[string]json.RawMessage) error {
		if about[pausedMember] == nil {
			return nil
		}
		var p paused
		if err := json.Unmarshal(about[pausedMember], &p); err != nil {
			return err
		}
		list, err := p.after(now)
		if err != nil {
			return err
		}
		delete(about, pausedMember)
		return putWaves(about, list)
	})
}

// after are the waves as they go on after a pause.
func (p paused) after(now time.Time) ([]wave, error) {
	at, err := time.Parse(time.RFC3339, p.At)
	if err != nil {
		return nil, err
	}
	length := max(0, now.UTC().Truncate(time.Second).Sub(at))
	var out []wave
	for _, w := range p.Waves {
		from, err := time.Parse(time.RFC3339, w.From)
		if err != nil {
			return nil, err
		}
		if from.After(at) {
			from = from.Add(length)
		}
		out = append(out, wave{from.Format(time.RFC3339), w.Percent})
	}
	return out, nil
}

// Paused reports since when a core is paused; zero when it is not.
func (r *Repo) Paused(c tuf.Core) (since time.Time) {
	t := r.targets[c.Role]
	if t == nil || t.Signed.Targets[c.Path] == nil {
		return time.Time{}
	}
	var about struct {
		Paused *paused `json:"paused"`
	}
	if json.Unmarshal(*t.Signed.Targets[c.Path].Custom, &about) == nil && about.Paused != nil {
		since, _ = time.Parse(time.RFC3339, about.Paused.At)
	}
	return since
}

// SetFloor says that no release with a counter below floor may be staged any more:
// every release at or above it says so. It returns the paths that changed. A floor is
// never lowered, and one above every release would be nobody's word.
func (r *Repo) SetFloor(floor uint64) ([]string, error) {
	var changed []string
	found := false
	for _, role := range r.Roles() {
		for _, name := range r.names(role) {
			target := r.targets[role].Signed.Targets[name]
			core, err := coreOf(role, name, target)
			if err != nil {
				return nil, err
			}
			if core.Counter < floor {
				continue
			}
			found = true
			if core.Floor >= floor {
				continue
			}
			_, err = r.amendOne(role, target, func(about map[string]json.RawMessage) error { return put(about, floorMember, floor) })
			if err != nil {
				return nil, err
			}
			changed = append(changed, name)
		}
	}
	if !found {
		return nil, fmt.Errorf("no release has counter %d or more, so none could say that floor; publish one first", floor)
	}
	return changed, nil
}

// names are the targets of a role, sorted.
func (r *Repo) names(role string) []string {
	var out []string
	for name := range r.targets[role].Signed.Targets {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// Withdrawal is a release that a role does not list any more.
type Withdrawal struct {
	Version string
	Counter uint64
	SHA256  string // hex
}

// Withdraw takes a release out of a channel. Its files stay, since deltas start from
// it; its version and counter are remembered, so that neither is ever given to
// something else. It returns the platforms that changed.
func (r *Repo) Withdraw(channel, version string) ([]string, error) {
	var changed []string
	known := false
	for _, role := range r.Roles() {
		c, platform, _ := strings.Cut(role, "-")
		if c != channel {
			continue
		}
		gone := r.withdrawn(role)
		known = known || slices.ContainsFunc(gone, func(w Withdrawal) bool { return w.Version == version })
		name := tuf.CorePath(channel, platform, version)
		signed := &r.targets[role].Signed
		target := signed.Targets[name]
		if target == nil {
			continue
		}
		core, err := coreOf(role, name, target)
		if err != nil {
			return nil, err
		}
		if len(gone) >= maxWithdrawn {
			return nil, fmt.Errorf("%s has withdrawn %d releases already", role, len(gone))
		}
		r.putWithdrawn(role, append(gone, Withdrawal{version, core.Counter, fmt.Sprintf("%x", core.SHA256)}))
		delete(signed.Targets, name)
		r.stale[role] = true
		changed = append(changed, platform)
	}
	if len(changed) == 0 && !known {
		return nil, fmt.Errorf("channel %s does not list %s: %w", channel, version, fs.ErrNotExist)
	}
	return changed, nil
}

// withdrawn reads what a role has withdrawn. Texts alone: numbers in members that
// go-tuf does not know would come back rounded.
func (r *Repo) withdrawn(role string) []Withdrawal {
	if r.targets[role] == nil {
		return nil
	}
	var out []Withdrawal
	list, _ := r.targets[role].Signed.UnrecognizedFields[withdrawnMember].([]any)
	for _, item := range list {
		entry, _ := item.(map[string]any)
		text := func(name string) string { s, _ := entry[name].(string); return s }
		counter, err := strconv.ParseUint(text("counter"), 10, 63)
		if err == nil {
			out = append(out, Withdrawal{text("version"), counter, text("sha256")})
		}
	}
	return out
}

func (r *Repo) putWithdrawn(role string, list []Withdrawal) {
	out := make([]any, 0, len(list))
	for _, w := range list {
		out = append(out, map[string]any{"version": w.Version, "counter": strconv.FormatUint(w.Counter, 10), "sha256": w.SHA256})
	}
	signed := &r.targets[role].Signed
	if signed.UnrecognizedFields == nil {
		signed.UnrecognizedFields = map[string]any{}
	}
	signed.UnrecognizedFields[withdrawnMember] = out
}

// notWithdrawn refuses a version that some channel had and withdrew.
func (r *Repo) notWithdrawn(version, platform string) error {
	for _, role := range r.Roles() {
		if _, p, _ := strings.Cut(role, "-"); p != platform {
			continue
		}
		if slices.ContainsFunc(r.withdrawn(role), func(w Withdrawal) bool { return w.Version == version }) {
			return fmt.Errorf("%s was withdrawn from %s; give this one a new version", version, role)
		}
	}
	return nil
}
