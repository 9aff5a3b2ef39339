package platforms

import "errors"

// Wake is not possible here: who is to be woken looks by itself.
func Wake(int) error { return errors.ErrUnsupported }
