package tuf_test

import "testing"

// What the specification asks of a client, and the attack that is refused because of
// it. Steps that are no refusal have a test: the second column is then its name.
//
// Numbers are those of version 1.0.34 (2026-01-22) as it is published; each was held
// against its text. What it asks of a repository (section 6) is signing/repo's. One MUST
// is not kept, on purpose: docs/decisions/055.
var musts = []struct{ step, attack string }{
	{"2.1.1 ships with a trusted root", "TestRootIsNeverFetchedAnew"},
	{"4 members unknown here are kept for the signature", "TestRefreshFollowsTheRepository"},
	{"4.2.1 key ids of signatures unique", "two signatures under one key id"},
	{"4.2.3 times in UTC, to the second", "expiry in a time zone"},
	{"4.2.3 times in UTC, to the second", "expiry with fractions"},
	{"4.3 spec_version matches", "spec version 2"},
	{"4.3 version greater than 0", "version 0"},
	{"4.3 version never replaced by a lower one", "TestReplayOfEveryEarlierState"},
	{"4.3 expired files not trusted", "root expired"},
	{"4.3 a role for each of the four", "root without a role"},
	{"4.3 one key for a key id, in this list", "root with two keys under one id"},
	{"4.3 one key for a key id, over all files", "delegated role by a key that the root names, not its delegator"},
	{"4.3 threshold at least one", "root with threshold 0"},
	{"4.3 threshold at least one", "root with a negative threshold"},
	{"4.4 the snapshot lists targets", "snapshot silent about the targets"},
	{"4.4 the snapshot lists every delegated role", "delegated role the snapshot does not know"},
	{"4.4 a limit of the client's own where no length is listed", "snapshot above its limit, no length said"},
	{"4.4 a limit of the client's own where no length is listed", "TestFilesAreAsLongAsTheirLimits"},
	{"4.5 threshold of a delegation", "delegated role with threshold 0"},
	{"4.5 delegated names unique", "delegated role twice"},
	{"4.5 paths or path_hash_prefixes, one of them", "delegation with paths and prefixes"},
	{"4.5 paths or path_hash_prefixes, one of them", "delegation with neither"},
	{"4.5 within the paths of every role of the chain", "TestDelegationOrder"},
	{"4.5 within the paths of every role of the chain", "TestRoleSpeaksOnlyForItsPaths"},
	{"4.5 a wildcard does not match a separator", "TestPatternCannotStandForASlash"},
	{"4.5 delegations in their order", "TestDelegationOrder"},
	{"4.6 the timestamp lists the snapshot", "timestamp silent about the snapshot"},
	{"4.6 the timestamp lists nothing else", "timestamp about more than the snapshot"},
	{"5 able to update again after any error", "TestAttacks"},
	{"5.1 fixed time", "TestClocks"},
	{"5.2 trusted root; its expiry does not matter", "TestExpiredRootsInTheChainDoNotMatter"},
	{"5.3.1 every root on the way", "TestRootRotation"},
	{"5.3.3 length limit of a root", "root too long"},
	{"5.3.3 number of roots", "TestTooManyRootsAtOnceTakesTwoRefreshes"},
	{"5.3.4 signed by the old root", "root by new keys alone"},
	{"5.3.4 signed by a threshold of the old root", "root by one key of two"},
	{"5.3.4 signed by itself", "root by old keys alone"},
	{"5.3.4 signed by a threshold of itself", "root by one of two keys"},
	{"5.3.4 each key once", "root by one key under two ids"},
	{"5.3.4 each key id once", "root by one valid signature twice"},
	{"5.3.4 afterwards from version N", "TestWhatWasRefusedIsNotTrustedLater"},
	{"5.3.5 exactly the next version", "root that skips a version"},
	{"5.3.5 exactly the next version", "root that stands still"},
	{"5.3.5 exactly the next version", "root of the version before"},
	{"5.3.6 expiry of roots on the way", "TestExpiredRootsInTheChainDoNotMatter"},
	{"5.3.8 root kept at once", "TestRotationForgetsWhatTheOldKeysSigned"},
	{"5.3.10 last root expired", "root expired"},
	{"5.3.10 last root expired", "root expired behind a good one"},
	{"5.3.11 fast-forward recovery", "TestFastForwardRecovery"},
	{"5.3.11 fast-forward recovery", "TestEveryChangeOfKeysForgets"},
	{"5.3.12 consistent snapshots as the root says", "TestUnconsistentRepositoryHasPlainNames"},
	{"5.4.1 length limit of the timestamp", "timestamp too long"},
	{"5.4.2 timestamp signed", "timestamp by a stranger"},
	{"5.4.2 by a threshold", "timestamp by one of two keys"},
	{"5.4.2 each key once", "timestamp by one key under two ids"},
	{"5.4.2 each key id once", "timestamp by one valid signature twice"},
	{"5.4.3.1 timestamp not older", "timestamp rolled back"},
	{"5.4.3.1 same timestamp not replaced", "TestSameVersionOtherContentIsNotTaken"},
	{"5.4.3.2 snapshot in it not older", "snapshot rolled back"},
	{"5.4.4 timestamp expired", "timestamp expired"},
	{"5.4.4 higher than the start, not equal", "timestamp that expires this moment"},
	{"5.4.4 stored timestamp expired", "TestExpiryStopsUpdatingNeverRunning"},
	{"5.4.5 timestamp kept", "TestSourceErrorsComeThrough"},
	{"5.5.1 length of the snapshot", "snapshot longer than the timestamp says"},
	{"5.5.2 hash of the snapshot", "snapshot of the same version, other content"},
	{"5.5.3 snapshot signed", "snapshot by a stranger"},
	{"5.5.3 by a threshold", "snapshot by one of two keys"},
	{"5.5.3 each key once", "snapshot by one key under two ids"},
	{"5.5.3 each key id once", "snapshot by one valid signature twice"},
	{"5.5.4 version of the snapshot", "snapshot of another version"},
	{"5.5.5 roles in it not older", "targets rolled back"},
	{"5.5.5 roles in it not older", "delegated role rolled back"},
	{"5.5.5 roles in it not gone", "delegated role gone from the snapshot"},
	{"5.5.6 snapshot expired", "snapshot expired"},
	{"5.5.7 snapshot kept", "TestSourceErrorsComeThrough"},
	{"5.6.1 length of targets", "targets longer than the snapshot says"},
	{"5.6.2 hash of targets", "targets of the same version, other content"},
	{"5.6.2 hash of targets", "delegated role of the same version, other content"},
	{"5.6.3 targets signed", "targets by a stranger"},
	{"5.6.3 by a threshold", "targets by one of two keys"},
	{"5.6.3 each key once", "targets by one key under two ids"},
	{"5.6.3 each key id once", "targets by one valid signature twice"},
	{"5.6.4 version of targets", "targets of another version"},
	{"5.6.5 targets expired", "targets expired"},
	{"5.6.6 targets kept", "TestSourceErrorsComeThrough"},
	{"5.6.7 a delegated role that cannot be had", "delegated role gone"},
	{"5.6.7 a delegated role that is not signed", "delegated role by a stranger"},
	{"5.6.7 a delegated role that has expired", "delegated role expired"},
	{"5.6.7.1 each role once", "TestDelegationOrder"},
	{"5.6.7.1 number of roles visited", "too many delegated roles to visit"},
	{"5.6.7.2.1 terminating", "TestDelegationOrder"},
	{"5.6.7.2.2 not terminating", "TestDelegationOrder"},
	{"5.7.2 no target listed", "TestTarget"},
	{"5.7.3 length of the target", "TestTargetCheck"},
	{"5.7.3 hash of the target", "TestTargetCheck"},
	{"5.7.3 name of the target's file", "TestTarget"},
}

// Published advisories of other clients, and fixes of theirs that came without one, and
// the attack or test that shows that this one has not got the flaw. Each was held against
// what was published: the advisory itself, OSV, the Go, Rust and Python advisory databases,
// or the change that fixed it. Of tuf-js none is known.
var advisories = []struct{ id, client, flaw, attack string }{
	{"CVE-2015-9258", "notary", "the signature says how it is to be checked", "signature that names its own algorithm"},
	{"CVE-2015-9258", "notary", "the signature says how it is to be checked", "root with a key of one type for the scheme of another"},
	{"CVE-2015-9259", "notary", "expiry of the root not checked", "root expired"},
	{"CVE-2020-6173", "python-tuf", "any number of signatures is read", "signatures"},
	{"CVE-2020-6174", "python-tuf", "one key id counts several times", "timestamp by one valid signature twice"},
	{"CVE-2020-15093", "tough", "one key counts several times", "delegated role by one key under two ids"},
	{"CVE-2020-15093", "tough", "one key counts several times", "delegated role by one valid signature twice"},
	{"CVE-2020-15163", "python-tuf", "a root that failed is trusted at the next start", "TestWhatWasRefusedIsNotTrustedLater"},
	{"CVE-2021-41131", "python-tuf", "a role's name leads out of the folder", "TestFileNamesStayInTheirFolder"},
	{"CVE-2021-41149", "tough", "a target's name leads out of the folder", "TestTarget"},
	{"CVE-2021-41150", "tough", "a role's name leads out of the folder", "TestFileNamesStayInTheirFolder"},
	{"CVE-2022-29173", "go-tuf", "rollback of all but the root", "timestamp rolled back"},
	{"CVE-2022-29173", "go-tuf", "rollback of all but the root", "snapshot rolled back"},
	{"CVE-2022-29173", "go-tuf", "rollback of all but the root", "targets rolled back"},
	{"CVE-2022-29173", "go-tuf", "rollback of all but the root", "delegated role rolled back"},
	{"CVE-2024-47534", "go-tuf", "delegations searched in another order", "TestDelegationOrder"},
	{"CVE-2025-2885", "tough", "a root need not be the next one", "root that skips a version"},
	{"CVE-2025-2886", "tough", "terminating delegations do not end the search", "TestDelegationOrder"},
	{"CVE-2025-2887", "tough", "rollback of delegated roles", "delegated role rolled back"},
	{"CVE-2025-2888", "tough", "a refused timestamp is stored, and no update comes after", "snapshot rolled back"},
	{"CVE-2026-6966", "tough", "one signature several times, for delegated roles", "delegated role by one valid signature twice"},
	{"CVE-2026-6967", "tough", "delegated roles not held to expiry, length, hash", "delegated role expired"},
	{"CVE-2026-6967", "tough", "delegated roles not held to expiry, length, hash", "delegated role longer than the snapshot says"},
	{"CVE-2026-6967", "tough", "delegated roles not held to expiry, length, hash", "delegated role of the same version, other content"},
	{"CVE-2026-6968", "tough", "absolute names and links lead out of the folder", "TestTarget"},
	{"CVE-2026-23991", "go-tuf", "JSON that is no metadata crashes it", "TestEveryMemberOfAnotherType"},
	{"CVE-2026-23991", "go-tuf", "JSON that is no metadata crashes it", "TestNoBytesMakeItPanic"},
	{"CVE-2026-23992", "go-tuf", "threshold 0 of a delegation", "delegated role with threshold 0"},
	{"CVE-2026-24686", "go-tuf", "a repository's name leads out of the folder", "TestFileNamesStayInTheirFolder"}, // no TAP 4 here: the nearest
	{"GHSA-3633-5h82-39pq", "go-tuf", "one key under several ids counts several times", "timestamp by one key under two ids"},
	{"GHSA-3633-5h82-39pq", "go-tuf", "a signature counts under an id that is not its key's", "timestamp by one valid signature under both ids"},
	{"GHSA-r7vq-6425-j94w", "python-tuf", "one new key of a root counts several times", "root by one valid signature twice"},
	{"GHSA-77hh-43cm-v8j6", "python-tuf", "a role is asked for that its delegator does not name", "delegated role by a key that the root names, not its delegator"},
	{"GHSA-qp9x-wp8f-qgjj", "python-tuf", "patterns match in either case, on some systems", "TestRoleSpeaksOnlyForItsPaths"},
	{"go-tuf#713", "go-tuf", "a key without a value crashes it", "TestEveryMemberOfAnotherType"},
	{"go-tuf#721", "go-tuf", "a target without hashes is accepted", "target without hashes"},
	{"go-tuf#733", "go-tuf", "one key under two ids counts twice", "root by one key under two ids"},
	{"go-tuf#739", "go-tuf", "a key of another length crashes it", "delegation of a key of 31 bytes"},
	{"go-tuf#749", "go-tuf", "null crashes it", "TestEveryMemberOfAnotherType"},
	{"go-tuf#753", "go-tuf", "a malformed pattern is taken for one that does not match", "delegation with a bad pattern"},
	{"php-tuf#154", "php-tuf", "one key id counts several times", "targets by one valid signature twice"},
	{"python-tuf#67", "python-tuf", "metadata not held against its hash", "snapshot of the same version, other content"},
	{"tuf-conformance#405", "go-tuf, python-tuf", "a role loaded by one edge is trusted at another", "TestTrustIsByEdge"},
}

// Each step and each advisory points at something that exists.
func TestEveryMustAndAdvisoryHasItsAttack(t *testing.T) {
	known := map[string]bool{}
	for _, a := range attacks {
		if known[a.name] {
			t.Errorf("two attacks are called %q", a.name)
		}
		known[a.name] = true
	}
	for _, l := range limits {
		known[l.name] = true
	}
	for _, name := range testNames(t) {
		known[name] = true
	}
	for _, m := range musts {
		if !known[m.attack] {
			t.Errorf("%s: nothing is called %q", m.step, m.attack)
		}
	}
	for _, a := range advisories {
		if !known[a.attack] {
			t.Errorf("%s of %s: nothing is called %q", a.id, a.client, a.attack)
		}
	}
}
