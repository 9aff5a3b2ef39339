package boot

import (
	"bytes"
	"errors"
	"io/fs"
	"os"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/plain"
)

// Sectors is the record on disk: two files of one sector each.
type Sectors struct {
	disk  fsys.FS
	names [2]string
	last  uint64 // highest sequence on disk
	next  int    // the sector to be written next: never the one that holds the record
}

// Prepare makes the sectors that are missing, filled with zeros, durably. Those there are stay as
// they are.
func Prepare(disk fsys.FS, names [2]string) error {
	for _, name := range names {
		f, err := disk.Open(name, os.O_RDONLY, 0)
		if err == nil {
			f.Close()
			continue
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return plain.Wrap("prepare record", err)
		}
		if err := fsys.WriteNew(disk, name, make([]byte, Size), 0o644); err != nil {
			return plain.Wrap("prepare record", err)
		}
	}
	return nil
}

// Load reads the record. found is false when neither sector holds one; a sector that is missing or
// cannot be read holds none. The Sectors returned is for its one writer.
func Load(disk fsys.FS, names [2]string) (s *Sectors, r Record, found bool) {
	s = &Sectors{disk: disk, names: names}
	for i, name := range names {
		data, err := fsys.Read(disk, name, Size)
		if err != nil {
			continue
		}
		got, err := Decode(data)
		if err == nil && (!found || got.Sequence > r.Sequence) {
			r, found, s.last, s.next = got, true, got.Sequence, 1-i
		}
	}
	return s, r, found
}

// Blank reports whether there never was a record: each sector is missing or as Prepare made it. Where
// it is false and Load found nothing, a record was lost.
func Blank(disk fsys.FS, names [2]string) bool {
	for _, name := range names {
		data, err := fsys.Read(disk, name, Size)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil || !bytes.Equal(data, make([]byte, Size)) {
			return false
		}
	}
	return true
}

// Save makes the record durable under the next sequence, which it returns in the record. When it
// fails the record before stands, and Save may be called again.
func (s *Sectors) Save(r Record) (Record, error) {
	r.Sequence = s.last + 1
	data, err := Encode(r)
	if err != nil {
		return r, err
	}
	if err := s.write(data); err != nil {
		return r, plain.Wrap("save record", err)
	}
	s.last = r.Sequence
	s.next = 1 - s.next
	return r, nil
}

// write falls back to a new file where the sector is missing: somebody removed it.
func (s *Sectors) write(data []byte) error {
	err := fsys.WriteInPlace(s.disk, s.names[s.next], data)
	if errors.Is(err, fs.ErrNotExist) {
		return fsys.WriteNew(s.disk, s.names[s.next], data, 0o644)
	}
	return err
}
