// Package store is ver/: the cores on a box, side by side, each in a folder named after its release's
// counter and its SHA-256, never written again once placed.
//
// It copies what it is given while hashing, and what counts is the hash of what it wrote. It decides
// neither what is worth placing nor what is kept: that is the record's. One process places at a
// time (the stub, or limpet-fetch at bootstrap); any may open.
package store

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/plain"
)

// ErrUnsound is the cause when a core's bytes are not what its name or its signature says.
var ErrUnsound = errors.New("not the signed bytes")

// Entry names a core in the store.
type Entry struct {
	Counter uint64
	Hash    [32]byte
}

// Store is the folder ver/ on a disk.
type Store struct {
	disk fsys.FS
	ver  string
}

// New is the store in the folder ver of a disk, which Place makes when missing.
func New(disk fsys.FS, ver string) Store { return Store{disk, ver} }

func (e Entry) name() string {
	return strconv.FormatUint(e.Counter, 10) + "-" + plain.Hex(e.Hash[:])
}

// parse is the inverse of name; other names in ver/ are not ours. What is no number or no hash does not come out as it
// went in.
func parse(name string) (Entry, bool) {
	counter, hash, _ := strings.Cut(name, "-")
	n, _ := strconv.ParseUint(counter, 10, 64)
	sum, _ := plain.Hash(hash)
	e := Entry{Counter: n, Hash: sum}
	return e, e.name() == name
}

func (s Store) dir(e Entry) string { return filepath.Join(s.ver, e.name()) }

// Path is where the core lies or would lie.
func (s Store) Path(e Entry) string { return filepath.Join(s.dir(e), platforms.CoreName) }

// List names what lies in the store, highest counter first; whether it is sound is not looked at. A
// store that does not exist is empty.
func (s Store) List() ([]Entry, error) {
	names, err := s.disk.ReadDir(s.ver)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, plain.Wrap("list cores", err)
	}
	var list []Entry
	for _, name := range names {
		if e, ok := parse(name); ok {
			list = append(list, e)
			for at := len(list) - 1; at > 0 && list[at-1].Counter < list[at].Counter; at-- { // a handful
				list[at-1], list[at] = list[at], list[at-1]
			}
		}
	}
	return list, nil
}

// Collect removes every core that keep does not want. Names in ver/ that are not ours stay. It goes
// on past errors and returns the first.
func (s Store) Collect(keep func(Entry) bool) error {
	list, err := s.List()
	if err != nil {
		return err
	}
	removed := false
	for _, e := range list {
		if keep(e) {
			continue
		}
		removed = true
		if e := s.remove(e); e != nil && err == nil {
			err = plain.Wrap("collect core", e)
		}
	}
	if removed {
		if e := s.disk.SyncDir(s.ver); e != nil && err == nil {
			err = plain.Wrap("collect cores", e)
		}
	}
	return err
}

func (s Store) remove(e Entry) error {
	names, err := s.disk.ReadDir(s.dir(e))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := s.disk.Remove(filepath.Join(s.dir(e), name)); err != nil {
			return err
		}
	}
	return s.disk.Remove(s.dir(e))
}
