package repo

import (
	"maps"
	"slices"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// Signers is who may sign a role, and who has signed it as it is published.
type Signers struct {
	Threshold int
	Keys      []string        // ids, in order
	Signed    map[string]bool // by id; only signatures that hold count
}

// Signers tells of a role that this repository has.
func (r *Repo) Signers(role string) (Signers, error) {
	v := r.grantOf(role)
	s := Signers{Threshold: v.threshold, Keys: slices.Sorted(maps.Keys(v.keys)), Signed: map[string]bool{}}
	var p *paper
	var err error
	switch role {
	case metadata.ROOT:
		p, err = newPaper(role, r.root.Signed.Version, r.root, v)
	case metadata.SNAPSHOT:
		p, err = newPaper(role, r.snapshot.Signed.Version, r.snapshot, v)
	case metadata.TIMESTAMP:
		p, err = newPaper(role, r.timestamp.Signed.Version, r.timestamp, v)
	default:
		p, err = newPaper(role, r.targets[role].Signed.Version, r.targets[role], v)
	}
	if err != nil {
		return s, err
	}
	for id := range p.signatures {
		s.Signed[id] = true
	}
	return s, nil
}
