package tuf

import "time"

// Refresh runs the client workflow (TUF 5.3 to 5.6) against src at the fixed
// time now, which is the latest of the clock and the newest Set.Issued ever seen.
//
// want names what the caller will ask the Set for: target paths, or folders
// ending in "/" for everything beneath them. Only the delegated roles that may
// list one of them are fetched.
//
// The Stored returned is never nil and is to be saved (see Changes) whatever the
// error is: it holds each role that was verified before something was refused,
// which is what rollback protection and recovery after a key rotation stand on.
// The Set is nil when the error is not. Errors are *Error.
func Refresh(stored Stored, src Source, now time.Time, want ...string) (*Set, Stored, error) {
	return nil, stored, refuse(Missing, "root", "")
}

// Offline verifies stored metadata alone: every signature, and every hash and
// version that the parent role pins. It ignores expiry (see Set.Warnings), and
// where a refresh or a power cut left a role older than its parent lists, that
// older one is believed. want is as in Refresh. Errors are *Error.
func Offline(stored Stored, want ...string) (*Set, error) {
	return nil, refuse(Missing, "root", "")
}

// Change is one step of saving a store: write Data under Name durably (new file,
// sync, rename, sync of the folder), or remove Name when Data is nil.
type Change struct {
	Name string
	Data []byte
}

// Changes lists how to get from one store to the next so that a power cut
// between any two steps leaves a store that verifies or can be refreshed: stale
// files go before the root that revoked them is written, then root, timestamp,
// snapshot, targets and delegated roles.
func Changes(from, to Stored) []Change {
	return nil
}
