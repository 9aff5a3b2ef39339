package platforms

import "errors"

// AdoptOrphans is not used here: FreeBSD's reaper takes orphans without naming them to us cheaply, so
// they are left to init.
func AdoptOrphans() error { return errors.ErrUnsupported }
