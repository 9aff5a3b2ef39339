package repo

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// Promote lists a version of one channel in another, for every platform that it has:
// the same bytes, the same counter, the same word about them; but for the waves, which
// are each channel's own. It returns the platforms that were new. A platform where the
// other channel is past that counter is an error: no box there would take it.
func (r *Repo) Promote(version, from, to string, waves []tuf.Wave) ([]string, error) {
	if from == to {
		return nil, fmt.Errorf("promote %s: channel %s is where it comes from", version, to)
	}
	cores, err := r.Cores()
	if err != nil {
		return nil, err
	}
	sources := map[string]tuf.Core{}
	for _, c := range cores {
		if c.Channel == from && c.Version == version {
			sources[c.Platform] = c
		}
	}
	if len(sources) == 0 {
		return nil, fmt.Errorf("promote %s: channel %s does not list it", version, from)
	}
	var added []string
	for _, platform := range slices.Sorted(maps.Keys(sources)) {
		isNew, err := r.promote(sources[platform], to, cores, waves)
		if err != nil {
			return nil, fmt.Errorf("promote %s for %s: %w", version, platform, err)
		}
		if isNew {
			added = append(added, platform)
		}
	}
	return added, nil
}

func (r *Repo) promote(c tuf.Core, to string, cores []tuf.Core, waves []tuf.Wave) (bool, error) {
	if err := checkNames(to, c.Platform, c.Version); err != nil {
		return false, err
	}
	data, err := r.Bytes(c)
	if err != nil {
		return false, err
	}
	role, name := tuf.Role(to, c.Platform), tuf.CorePath(to, c.Platform, c.Version)
	if there, err := r.has(role, name, data); there || err != nil {
		return false, err
	}
	if slices.ContainsFunc(r.withdrawn(role), func(w Withdrawal) bool { return w.Version == c.Version }) {
		return false, fmt.Errorf("it was withdrawn from %s; publish it under a new version", to)
	}
	for _, other := range cores {
		if other.Channel == to && other.Platform == c.Platform && other.Counter > c.Counter {
			return false, fmt.Errorf("its counter is %d, and channel %s lists %s with %d: no box there would take it; publish it under a new version",
				c.Counter, to, other.Version, other.Counter)
		}
	}
	if err := r.delegate(role, to, c.Platform); err != nil {
		return false, err
	}
	source := r.targets[c.Role].Signed.Targets[c.Path]
	target := &metadata.TargetFiles{
		Length: source.Length,
		Hashes: maps.Clone(source.Hashes),
		Custom: source.Custom,
		Path:   name,
	}
	_, err = r.amendOne(role, target, func(about map[string]json.RawMessage) error {
		delete(about, pausedMember)
		return putWaves(about, wavesOf(waves))
	})
	if err != nil {
		return false, err
	}
	r.targets[role].Signed.Targets[name] = target
	r.stale[role] = true
	r.files[fileOf(name, c.SHA256)] = data
	return true, nil
}
