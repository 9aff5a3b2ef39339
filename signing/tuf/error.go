package tuf

// Kind says what a piece of metadata was refused for; there is one for each
// attack, so that a caller can report it by name and a test can tell a refusal
// from the right refusal.
type Kind uint8

// The kinds. Only Missing, Unreadable, Expired, NotListed and NotLoaded happen
// without somebody at fault.
const (
	Malformed  Kind = iota + 1 // not this profile's strict JSON, or a value outside of its limits
	WrongRole                  // signed metadata of another role in this one's place
	Endless                    // longer than its limit or than its parent says
	Unsigned                   // too few signatures by distinct keys of the role
	Chain                      // a root that is not the next version, or too many at once
	Rollback                   // older than what was trusted before, or a role that vanished from the snapshot
	Expired                    // past its expiry at the time given: an old clock, a freeze, or a publisher asleep
	Mixed                      // hash, length or version is not what its parent says (mix and match)
	Delegation                 // delegations too deep or too many
	Missing                    // the mirror or the store does not have the file
	Unreadable                 // the source failed; see Unwrap
	NotListed                  // no role that may do so lists the target
	NotLoaded                  // the target's role was not asked for in Refresh or Offline
)

var kindNames = [...]string{
	Malformed: "malformed", WrongRole: "wrong role", Endless: "endless data", Unsigned: "not signed by enough keys",
	Chain: "root chain broken", Rollback: "rollback", Expired: "expired", Mixed: "mix and match",
	Delegation: "delegation limit", Missing: "missing", Unreadable: "unreadable", NotListed: "not listed",
	NotLoaded: "not loaded",
}

// String is the kind in a word or two, for people.
func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return "unknown"
}

// Error is the only error type of this package.
type Error struct {
	Kind   Kind
	Role   string // role or target path it is about
	Detail string // what exactly, for people; may be empty
	Err    error  // what the source said; may be nil
}

func (e *Error) Error() string {
	s := e.Role + ": " + e.Kind.String()
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives what the source said.
func (e *Error) Unwrap() error { return e.Err }

func refuse(k Kind, role, detail string) error { return &Error{Kind: k, Role: role, Detail: detail} }
