// Package archtest holds the rules of who may import whom, as tests: imports go from heavy to light
// and never back, and what the stub links is counted. The rules are those of docs/ARCHITECTURE.md; a
// rule for a package that does not exist yet applies once it does. There is nothing to call.
package archtest
