package logfile

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// state is where a run left off. It lies on disk, so that a restart of the agent skips no line and finds none twice.
type state struct {
	Path    string      `json:"path"`
	File    string      `json:"file"`    // identity of the file, see identity
	Offset  int64       `json:"offset"`  // of the first byte not looked at yet: the beginning of a line
	Head    string      `json:"head"`    // of the first bytes before the offset, see headOf
	HeadLen int64       `json:"headlen"` // how many
	Hit     time.Time   `json:"hit"`     // the last time when lines were found
	State   check.State `json:"state"`   // the worst since then
	Text    string      `json:"text"`    // what was said
}

const maxState = 64 << 10

// store keeps the state of one check: on disk where there is a folder for it, else in memory.
type store struct {
	dir    string
	memory map[string]state
}

// key names the state of a check: the same file with other patterns is another one.
func key(args []string) string {
	sum := sha256.Sum256([]byte(strings.Join(args, "\x00")))
	return "log-" + hex.EncodeToString(sum[:12])
}

// load gives the state; false when there is none yet.
func (s *store) load(name string) (state, bool, error) {
	if st, ok := s.memory[name]; ok || s.dir == "" {
		return st, ok, nil
	}
	b, err := fsys.Read(fsys.Disk{}, filepath.Join(s.dir, name), maxState)
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, false, nil
	}
	var st state
	if err == nil {
		err = json.Unmarshal(b, &st)
	}
	if err != nil || st.Offset < 0 || st.HeadLen < 0 || st.HeadLen > headLength || st.State > check.Unknown {
		return state{}, false, fmt.Errorf("where the run before left off cannot be read, so this one begins anew: %v", err)
	}
	return st, true, nil
}

// save keeps the state. What cannot be kept on disk is kept in memory, and told.
func (s *store) save(name string, st state) error {
	if s.dir == "" {
		s.keep(name, st)
		return nil
	}
	b, err := json.Marshal(st)
	if err == nil {
		err = (fsys.Disk{}).MkdirAll(s.dir, 0o700)
	}
	if err == nil {
		err = fsys.WriteNew(fsys.Disk{}, filepath.Join(s.dir, name), b, 0o600)
	}
	if err != nil {
		s.keep(name, st)
		return fmt.Errorf("where this run left off is not on disk: %w", err)
	}
	delete(s.memory, name)
	return nil
}

func (s *store) keep(name string, st state) {
	if s.memory == nil {
		s.memory = make(map[string]state)
	}
	s.memory[name] = st
}
