package tuf

import "time"

// How early somebody is told. Root and targets are signed offline, which takes
// people and days; timestamp and snapshot are signed anew all the time, so half a
// life without a newer one means that this has stopped.
const (
	warnAhead     = 14 * 24 * time.Hour
	timestampLife = 7 * 24 * time.Hour  // where a timestamp does not say when it was issued
	snapshotLife  = 14 * 24 * time.Hour // likewise
)

// Expiry is when one role stops being good for updating.
type Expiry struct {
	Role    string
	Version int64
	Expires time.Time
	Warn    time.Time // from when on somebody should look after it
}

// Expiries lists root, timestamp, snapshot, targets and each loaded delegated
// role, in this order.
func (s *Set) Expiries() []Expiry {
	out := []Expiry{
		ahead(roleRoot, s.root.header),
		halfway(roleTimestamp, s.timestamp.header, timestampLife),
		halfway(roleSnapshot, s.snapshot.header, snapshotLife),
		ahead(roleTargets, s.targets.header),
	}
	for _, doc := range s.loaded() {
		out = append(out, ahead(doc.role, doc.header))
	}
	return out
}

func ahead(role string, h header) Expiry {
	return Expiry{role, h.version, h.expires, h.expires.Add(-warnAhead)}
}

func halfway(role string, h header, life time.Duration) Expiry {
	if !h.issued.IsZero() {
		life = h.expires.Sub(h.issued)
	}
	return Expiry{role, h.version, h.expires, h.expires.Add(-life / 2)}
}

// Warning says that a role expires soon or has expired.
type Warning struct {
	Expiry
	Expired bool
}

// String is the warning as one line for people.
func (w Warning) String() string {
	verb := " expires "
	if w.Expired {
		verb = " expired "
	}
	return w.Role + verb + w.Expires.Format(timeFormat)
}

// Warnings lists the roles somebody should look after: root, targets and
// delegated roles 14 days before they expire, timestamp and snapshot when half of
// their life is over.
func (s *Set) Warnings(now time.Time) []Warning {
	var out []Warning
	for _, e := range s.Expiries() {
		if now.After(e.Warn) {
			out = append(out, Warning{Expiry: e, Expired: !e.Expires.After(now)})
		}
	}
	return out
}
