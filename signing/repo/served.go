package repo

import (
	"slices"
	"strconv"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// Metadata lists the files of metadata that are served, in the order in which to copy
// them: every root there ever was, delegated roles, targets, snapshot, and last the
// timestamp, by which all of it is found. A copy that has no root yet gets its first
// one early: nobody asks a folder that nobody announced.
func (r *Repo) Metadata() []string {
	var out []string
	for n := int64(1); n <= r.root.Signed.Version; n++ {
		out = append(out, strconv.FormatInt(n, 10)+".root.json")
	}
	for _, role := range append(r.Roles(), metadata.TARGETS) {
		out = append(out, versioned(r.snapshot.Signed.Meta, role))
	}
	return append(out, versioned(r.timestamp.Signed.Meta, metadata.SNAPSHOT), "timestamp.json")
}

// Stored is what a box keeps that has seen this repository: a look from there on
// accepts nothing older.
func (r *Repo) Stored() (tuf.Stored, error) {
	out := tuf.Stored{"root.json": slices.Clone(r.rootBytes)}
	for role, name := range map[string]string{
		metadata.TIMESTAMP: "timestamp.json",
		metadata.SNAPSHOT:  versioned(r.timestamp.Signed.Meta, metadata.SNAPSHOT),
	} {
		data, err := r.Read(name, tuf.MaxSnapshot)
		if err != nil {
			return nil, err
		}
		out[role+".json"] = data
	}
	return out, nil
}
