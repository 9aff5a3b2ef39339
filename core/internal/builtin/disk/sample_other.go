//go:build !linux

package disk

import (
	"slices"

	"github.com/shirou/gopsutil/v4/disk"
)

type sampler struct{}

func newSampler(string) sampler { return sampler{} }

// mounts gives what is mounted.
func (*sampler) mounts() ([]mount, int, error) {
	parts, err := disk.Partitions(true)
	if err != nil && len(parts) == 0 {
		return nil, 0, err
	}
	list := make([]mount, 0, len(parts))
	for _, p := range parts {
		list = append(list, mount{
			root: "/", point: p.Mountpoint, kind: p.Fstype, source: p.Device, readOnly: slices.Contains(p.Opts, "ro"),
		})
	}
	return list, 0, nil
}

// statfs asks the system how full the filesystem of a path is.
func statfs(path string) (usage, error) {
	u, err := disk.Usage(path)
	if err != nil {
		return usage{}, err
	}
	return usage{
		total: u.Total, free: u.Total - min(u.Used, u.Total), available: u.Free, files: u.InodesTotal, filesFree: u.InodesFree,
	}, nil
}
