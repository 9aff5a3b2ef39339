//go:build !linux

package confine

import (
	"errors"

	"github.com/limpet-monitoring/limpet/platforms/plain"
)

func enter(Rules) error { return plain.Wrap("confine", errors.ErrUnsupported) }
