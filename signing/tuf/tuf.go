// Package tuf is the client half of The Update Framework: metadata bytes and a
// time go in, a verdict comes out. It reads no file, opens no connection and
// asks no clock; whoever calls it brings the bytes and keeps them.
//
// The profile is TUF 1.0 with Ed25519 keys, SHA-256 (and SHA-512) hashes,
// consistent snapshots, and delegations limited in depth and number. Succinct
// roles are refused. JSON is read strictly (no duplicate members, no floats, no
// trailing data, bounded depth) and signatures are checked over the canonical
// (OLPC) form of what was parsed, so nothing is believed that was not signed.
//
// Refresh brings a store up to date from a mirror, Offline believes what is
// already stored and leaves expiry to Set.Warnings: expiry stops updating, never
// running. The package owns no state and is safe for concurrent use; a Set is
// immutable.
//
// It is linked into the stub, which is small and never replaced: standard
// library only, and of that nothing that brings reflection or a network along.
package tuf

// Limits on what is taken from a mirror, in bytes. They are checked before
// memory is taken: a Source is told how much it may return.
const (
	MaxRoot      = 64 << 10  // root: a few keys and four roles; 2 KiB is usual
	MaxTimestamp = 16 << 10  // timestamp: one line about the snapshot
	MaxSnapshot  = 256 << 10 // snapshot: about 100 bytes a role
	MaxTargets   = 2 << 20   // targets and each delegated role: about 1 KiB a target
)

// Source brings one metadata file by its name in the repository, such as
// "2.root.json", "timestamp.json" or "7.snapshot.json". It returns at most max
// bytes (more is refused as endless data), and an error that is fs.ErrNotExist
// when the mirror does not have the file.
type Source func(name string, max int64) ([]byte, error)

// Stored is the trusted metadata a caller keeps between calls, by file name:
// "root.json", "timestamp.json", "snapshot.json", "targets.json" and one
// "ROLE.json" for each delegated role in use. Names are safe as file names in
// one flat folder. A new store holds nothing but "root.json", which must come
// from a place that is trusted already. Nothing in here modifies a Stored it was
// given.
type Stored map[string][]byte
