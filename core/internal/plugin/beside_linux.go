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
	dir := s.beside(name)
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("make cgroup beside the slots: %w", err)
	}
	enable(dir)
	return dir, nil
}

// ClearBeside takes such a cgroup away, as far as nothing is in it: for the start of a core, before anything is made there.
func (s *Slots) ClearBeside(name string) {
	if s != nil {
		removeCgroup(s.beside(name))
	}
}

func (s *Slots) beside(name string) string {
	return filepath.Join(filepath.Dir(s.dir), name+"."+pidNamespace())
}
