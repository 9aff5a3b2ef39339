package platforms

import "errors"

// AdoptOrphans is not supported: orphans go to launchd.
func AdoptOrphans() error { return errors.ErrUnsupported }
