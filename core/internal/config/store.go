package config

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// The file is
//
//	"limpet desired 1\n"   the format's name and version
//	CRC-32C                of what follows, 4 bytes, big-endian
//	wire.Desired           protobuf
const header = "limpet desired 1\n"

// maxFile bounds what is read: a document came in one frame.
const maxFile = wire.MaxHubFrame + 1<<10

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Store keeps the last known good document in one file (state/desired). One goroutine uses it.
type Store struct {
	disk  fsys.FS
	path  string
	newer *wire.Desired // than what lies there: the disk did not take it
}

// OpenStore names the file; it need not exist. Its folder must.
func OpenStore(path string) *Store { return &Store{disk: fsys.Disk{}, path: path} }

// Load returns the document given to Save last, whether the disk took it or not, or nil when there is none. A file that is damaged is moved aside to PATH.bad and
// reported as an error along with a nil document: the agent then runs the defaults and asks the hub again.
func (s *Store) Load() (*wire.Desired, error) {
	if s.newer != nil { // an older one must not come back while this one is known
		return s.newer, nil
	}
	b, err := fsys.Read(s.disk, s.path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		d, decodeErr := decode(b)
		if decodeErr == nil {
			return d, nil
		}
		err = decodeErr
	} else if !errors.Is(err, fsys.ErrTooLarge) {
		return nil, fmt.Errorf("load desired state: %w", err) // it may be readable another time
	}
	err = fmt.Errorf("load desired state %s (kept as %s.bad): %w", s.path, s.path, err)
	if moved := s.disk.Rename(s.path, s.path+".bad"); moved != nil {
		err = errors.Join(err, moved)
	}
	return nil, err
}

// Again tries once more to save what the disk did not take; nil = there is nothing of that kind (any more).
func (s *Store) Again() error {
	if s.newer == nil {
		return nil
	}
	return s.Save(s.newer)
}

// Save writes the document durably before it returns. After an error it is kept in memory: see Again.
func (s *Store) Save(d *wire.Desired) error {
	s.newer = d
	err := s.save(d)
	if err == nil {
		s.newer = nil
	}
	return err
}

func (s *Store) save(d *wire.Desired) error {
	b, err := encode(d)
	if err != nil {
		return err
	}
	if err := fsys.WriteNew(s.disk, s.path, b, 0o600); err != nil {
		return fmt.Errorf("save desired state: %w", err)
	}
	return nil
}

func encode(d *wire.Desired) ([]byte, error) {
	b := make([]byte, len(header)+4, len(header)+4+wire.Size(d))
	copy(b, header)
	b, err := wire.Append(b, d)
	if err != nil {
		return nil, fmt.Errorf("encode desired state: %w", err)
	}
	binary.BigEndian.PutUint32(b[len(header):], crc32.Checksum(b[len(header)+4:], castagnoli))
	return b, nil
}

func decode(b []byte) (*wire.Desired, error) {
	if len(b) < len(header)+4 || string(b[:len(header)]) != header {
		return nil, errors.New("not a file of this format")
	}
	body := b[len(header)+4:]
	if crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(b[len(header):]) {
		return nil, errors.New("its checksum does not hold")
	}
	d := new(wire.Desired)
	if err := wire.Unmarshal(body, d); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return d, nil
}
