package delta

import (
	"errors"
	"fmt"
)

// Best makes a patch by each of the codecs named, which are those that the base knows, and returns the smallest with
// its codec. A codec that cannot make one, because its decoder would have too much to do, is passed over; it is an error
// when none can, or when one is unknown here.
func Best(names []string, old, new []byte) (name string, patch []byte, err error) {
	var failed []error
	for _, n := range names {
		p, err := Make(n, old, new)
		switch {
		case errors.Is(err, ErrCodec):
			return "", nil, err
		case err != nil:
			failed = append(failed, err)
		case patch == nil || len(p) < len(patch):
			name, patch = n, p
		}
	}
	if patch == nil {
		return "", nil, fmt.Errorf("make a patch by any of %q: %w", names, errors.Join(failed...))
	}
	return name, patch, nil
}
