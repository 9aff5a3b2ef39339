package disk

import (
	"golang.org/x/sys/unix"

	"github.com/limpet-monitoring/limpet/core/internal/builtin/mountinfo"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/procfs"
)

// maxFile bounds what is read of the list of mounts, in bytes.
const maxFile = 4 << 20

type sampler struct {
	proc string
	read procfs.Reader
}

func newSampler(proc string) sampler { return sampler{proc: proc} }

// mounts gives what is mounted, and how many lines made no sense. Files bound into a container, as its resolv.conf is, are
// left out.
func (s *sampler) mounts() ([]mount, int, error) {
	defer s.read.Done()
	text, err := s.read.Read(s.proc+"/self/mountinfo", maxFile)
	if err != nil {
		return nil, 0, err
	}
	parsed, broken, err := mountinfo.Parse(text)
	if err != nil {
		return nil, broken, err
	}
	list := make([]mount, 0, len(parsed))
	for _, m := range parsed {
		if m.Root != "/" && !pseudo[m.Type] && !remote(m.Type) && isFile(m.Point) {
			continue
		}
		list = append(list, mount{
			device: m.Device, root: m.Root, point: m.Point, kind: m.Type, source: m.Source, readOnly: m.ReadOnly,
		})
	}
	return list, broken, nil
}

func isFile(path string) bool {
	var st unix.Stat_t
	return unix.Lstat(path, &st) == nil && st.Mode&unix.S_IFMT != unix.S_IFDIR
}

// statfs asks the system how full the filesystem of a path is.
func statfs(path string) (usage, error) {
	var st unix.Statfs_t
	for {
		err := unix.Statfs(path, &st)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return usage{}, err
		}
		break
	}
	size := uint64(st.Frsize)
	if size == 0 {
		size = uint64(st.Bsize)
	}
	return usage{
		total: st.Blocks * size, free: st.Bfree * size, available: st.Bavail * size, files: st.Files, filesFree: st.Ffree,
	}, nil
}
