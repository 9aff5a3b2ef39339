// Package platforms holds every difference between operating systems that Limpet meets: where its
// files lie, how a process tree is started and ended, file locks, the boot and its clock.
//
// One file per system implements one interface; callers never look at runtime.GOOS. It imports the
// standard library and x/sys alone, because the stub links it, and for the same reason neither net
// nor encoding/json nor log/slog. It decides nothing: it has no limits, no retries and no state of
// its own beyond what the system keeps.
package platforms
