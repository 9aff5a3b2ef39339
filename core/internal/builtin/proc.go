//go:build !demofault_check

package builtin

// procRoot is where the kernel shows its processes and numbers.
const procRoot = "/proc"
