package repo

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing"
	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// maxKeys is how many keys one role may have: clients read no more.
const maxKeys = 64

// Plan is what a new repository is to be.
type Plan struct {
	Roles       map[string]Grant // the four roles, and channels by name
	Platforms   []string         // GOOS-GOARCH, for every channel
	Development bool
}

// Found makes a repository in memory after a plan; otherwise as Create.
func Found(disk fsys.FS, dir string, ring Ring, plan Plan) (*Repo, error) {
	if _, err := newestRoot(disk, dir); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("create repository %s: %w", dir, errors.Join(err, fs.ErrExist))
	}
	r := empty(disk, dir, ring)
	r.root, r.timestamp, r.snapshot = metadata.Root(), metadata.Timestamp(), metadata.Snapshot()
	r.targets = map[string]*metadata.Metadata[metadata.TargetsType]{metadata.TARGETS: metadata.Targets()}
	r.stale[metadata.ROOT], r.stale[metadata.TARGETS] = true, true
	if plan.Development {
		r.root.Signed.UnrecognizedFields = map[string]any{developmentMark: true}
	}
	for _, role := range metadata.TOP_LEVEL_ROLE_NAMES {
		if _, ok := plan.Roles[role]; !ok {
			return nil, fmt.Errorf("create repository %s: nobody is named to sign %s", dir, role)
		}
	}
	for _, role := range slices.Sorted(maps.Keys(plan.Roles)) {
		if _, err := r.Grant(role, plan.Roles[role], plan.Platforms); err != nil {
			return nil, fmt.Errorf("create repository %s: %w", dir, err)
		}
	}
	r.rootBefore = nil // a first root has no predecessor to agree to it
	return r, nil
}

// Grant changes who signs a role: one of the four, or a channel, by its name, for the
// platforms that it has and those given. It reports whether that is a change. A root
// that names other signers for itself is signed by the old ones, too.
func (r *Repo) Grant(role string, g Grant, platforms []string) (bool, error) {
	if err := g.check(role); err != nil {
		return false, err
	}
	if g.Development && !r.development() {
		return false, fmt.Errorf("%s: one of its keys is a development key, and this is not a development repository", role)
	}
	if top := r.root.Signed.Roles[role]; top != nil {
		return r.grantTop(role, top, g)
	}
	return r.grantChannel(role, g, platforms)
}

func (g Grant) check(role string) error {
	if len(g.Keys) == 0 || len(g.Keys) > maxKeys {
		return fmt.Errorf("%s: %d keys; 1 to %d are taken", role, len(g.Keys), maxKeys)
	}
	if g.Threshold < 1 || g.Threshold > len(g.Keys) {
		return fmt.Errorf("%s: a threshold of %d of %d keys; it is 1 at least, and not more than there are keys", role, g.Threshold, len(g.Keys))
	}
	if ids := g.ids(); len(slices.Compact(slices.Clone(ids))) != len(ids) {
		return fmt.Errorf("%s: one key is there twice; a threshold counts different ones", role)
	}
	return nil
}

// ids are the ids of the keys, sorted.
func (g Grant) ids() []string {
	var out []string
	for _, k := range g.Keys {
		out = append(out, signing.KeyID(k))
	}
	slices.Sort(out)
	return out
}

// put adds the keys to a keyring of metadata.
func (g Grant) put(ring map[string]*metadata.Key) error {
	for _, public := range g.Keys {
		key, err := metadata.KeyFromPublicKey(public)
		if err != nil {
			return err
		}
		ring[signing.KeyID(public)] = key
	}
	return nil
}

func same(ids []string, threshold int, g Grant) bool {
	return threshold == g.Threshold && slices.Equal(slices.Sorted(slices.Values(ids)), g.ids())
}

func (r *Repo) grantTop(role string, top *metadata.Role, g Grant) (bool, error) {
	if same(top.KeyIDs, top.Threshold, g) {
		return false, nil
	}
	if role == metadata.ROOT && r.rootBefore == nil {
		before := r.grantOf(role)
		r.rootBefore = &before
	}
	top.KeyIDs, top.Threshold = g.ids(), g.Threshold
	if err := g.put(r.root.Signed.Keys); err != nil {
		return false, err
	}
	maps.DeleteFunc(r.root.Signed.Keys, func(id string, _ *metadata.Key) bool {
		for _, other := range r.root.Signed.Roles {
			if slices.Contains(other.KeyIDs, id) {
				return false
			}
		}
		return true
	})
	r.stale[metadata.ROOT], r.stale[metadata.SNAPSHOT] = true, true
	if role == metadata.TARGETS {
		r.stale[role] = true
	}
	return true, nil
}

func (r *Repo) grantChannel(channel string, g Grant, platforms []string) (bool, error) {
	for _, role := range r.Roles() {
		if c, platform, _ := strings.Cut(role, "-"); c == channel {
			platforms = append(platforms[:len(platforms):len(platforms)], platform)
		}
	}
	if len(platforms) == 0 {
		return false, fmt.Errorf("channel %s: it has no platform yet, and none is given", channel)
	}
	changed := false
	for _, platform := range platforms {
		if err := checkNames(channel, platform, "0"); err != nil {
			return false, err
		}
		did, err := r.grantRole(tuf.Role(channel, platform), channel, platform, g)
		if err != nil {
			return false, fmt.Errorf("channel %s: %w", channel, err)
		}
		changed = changed || did
	}
	return changed, nil
}

// grantRole delegates a role to the signers, and makes it where it is missing.
func (r *Repo) grantRole(role, channel, platform string, g Grant) (bool, error) {
	d := r.delegation(role)
	if d != nil && same(d.KeyIDs, d.Threshold, g) {
		return false, nil
	}
	top := &r.targets[metadata.TARGETS].Signed
	if top.Delegations == nil {
		top.Delegations = &metadata.Delegations{Keys: map[string]*metadata.Key{}}
	}
	if err := g.put(top.Delegations.Keys); err != nil {
		return false, err
	}
	if d == nil {
		top.Delegations.Roles = append(top.Delegations.Roles, metadata.DelegatedRole{
			Name: role, Terminating: true, Paths: []string{tuf.CorePath(channel, platform, "*")},
		})
		d = r.delegation(role)
		r.targets[role] = metadata.Targets()
	}
	d.KeyIDs, d.Threshold = g.ids(), g.Threshold
	maps.DeleteFunc(top.Delegations.Keys, func(id string, _ *metadata.Key) bool {
		return !slices.ContainsFunc(top.Delegations.Roles, func(d metadata.DelegatedRole) bool { return slices.Contains(d.KeyIDs, id) })
	})
	r.stale[role], r.stale[metadata.TARGETS] = true, true
	return true, nil
}

// delegate makes the role of a channel and platform, unless there is one: signed by
// those who sign for the channel's other platforms.
func (r *Repo) delegate(role, channel, platform string) error {
	if r.targets[role] != nil {
		return nil
	}
	if r.ring == nil {
		return fmt.Errorf("make role %s: the repository was opened for reading only", role)
	}
	g, err := r.sisters(role, channel)
	if err != nil {
		return fmt.Errorf("make role %s: %w", role, err)
	}
	_, err = r.grantRole(role, channel, platform, g)
	return err
}

// sisters is who signs for the other platforms of a channel; or the key that a Maker
// has.
func (r *Repo) sisters(role, channel string) (Grant, error) {
	if m, ok := r.ring.(Maker); ok {
		key, err := m.Make(role)
		if err != nil {
			return Grant{}, err
		}
		return Grant{[]ed25519.PublicKey{key.Public()}, 1, key.Development()}, nil
	}
	for _, other := range r.Roles() {
		if c, _, _ := strings.Cut(other, "-"); c == channel {
			v := r.grantOf(other)
			return Grant{Keys: slices.Collect(maps.Values(v.keys)), Threshold: v.threshold}, nil
		}
	}
	return Grant{}, fmt.Errorf("nobody signs for channel %s yet; limpet-release rotate --role %s=N:FILE.pub,... names them", channel, channel)
}
