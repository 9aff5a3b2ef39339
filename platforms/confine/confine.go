// Package confine lets a process give up its rights: what reads files that a stranger made, or speaks to
// one, keeps no more of them than it needs. On Linux that is Landlock for the file system and seccomp for
// system calls, both in force until the process ends and for all that it starts; elsewhere it is nothing,
// and Enter says so.
//
// It is entered first of all, before anything was read that somebody else wrote. Which system calls are
// refused, and why not rather all but a few, is docs/decisions/030-confinement.md.
package confine

// Rules is what a process keeps. Files that are open already stay open.
type Rules struct {
	Read    []string // files, and folders with all below them; what is not there is passed over
	Write   []string // folders in which it may read, make, change and remove files and folders
	Network bool     // it may speak to others over IP; never listen
}

// Enter gives up everything that is not in the rules, for the whole process and for good. nil says that
// all of it is in force; an error says what this system could not take away, and the rest is in force
// all the same. The caller goes on: being less confined is better than not doing what it was sent for.
// What is there and not allowed is "permission denied" (files) or "operation not permitted" (calls).
func Enter(r Rules) error { return enter(r) }
