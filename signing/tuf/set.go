package tuf

import "time"

// Set is verified metadata.
type Set struct{}

// Development reports whether the root says of itself that it is for development
// only (`"x-limpet-development": true` in its signed part).
func (s *Set) Development() bool { return false }

// Issued is when the timestamp was signed, by the publisher's clock: a time that
// has certainly passed. It is zero where the timestamp does not say.
func (s *Set) Issued() time.Time { return time.Time{} }

// Expiry is when one role stops being good for updating.
type Expiry struct {
	Role    string
	Version int64
	Expires time.Time
}

// Expiries lists root, timestamp, snapshot, targets and each loaded delegated
// role, in this order.
func (s *Set) Expiries() []Expiry { return nil }

// Warning says that a role expires soon or has expired.
type Warning struct {
	Expiry
	Expired bool
}

// String is the warning as one line for people.
func (w Warning) String() string { return "" }

// Warnings lists the roles somebody should look after: root, targets and
// delegated roles 14 days before they expire, timestamp and snapshot when half of
// their life is over.
func (s *Set) Warnings(now time.Time) []Warning { return nil }

// Target looks a target up by its path, through the delegations in their order
// (TUF 5.6.7). The error is NotListed when nobody entitled to lists it, and
// NotLoaded when the path was not covered by want.
func (s *Set) Target(path string) (Target, error) { return Target{}, nil }

// Under lists the targets below a folder ("core/stable/linux-amd64/") that
// Target would find, ordered by path.
func (s *Set) Under(dir string) ([]Target, error) { return nil, nil }

// Target is one file of the repository.
type Target struct {
	Path   string   // "core/stable/linux-amd64/0.1.0/limpet-core"
	File   string   // where a mirror has it, below its root: "targets/core/stable/linux-amd64/0.1.0/SHA256.limpet-core"
	Role   string   // who listed it
	Length int64    // bytes, exactly
	SHA256 [32]byte // of the whole file
}
