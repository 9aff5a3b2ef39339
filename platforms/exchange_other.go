//go:build !linux

package platforms

import "errors"

// Exchange is not known here.
func Exchange(string, string) error { return errors.ErrUnsupported }
