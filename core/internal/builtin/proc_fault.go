//go:build demofault_check

package builtin

// A core that is broken on purpose, for `make demo-bad-update`: it looks for the kernel's numbers where there are none, so that most checks on
// Linux are UNKNOWN. No release is built with this tag.
const procRoot = "/proc/broken-on-purpose"
