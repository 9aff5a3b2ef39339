package plugin

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Beside makes a cgroup next to the slots, for what outlives this core, and has what is made in it limited in what can be. It gives its folder,
// "" where there are no slots.
func (s *Slots) Beside(name string) (string, error) {
	if s == nil {
		return "", nil
	}
	dir := filepath.Join(filepath.Dir(s.dir), name+"."+pidNamespace())
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("make cgroup beside the slots: %w", err)
	}
	enable(dir)
	return dir, nil
}
