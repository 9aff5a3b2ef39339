//go:build !linux

package load

import (
	"errors"
	"runtime"

	"github.com/shirou/gopsutil/v4/load"
)

type sampler struct{}

// New gives the check; its arguments are for Linux.
func New(_, _ string) *Check {
	return &Check{}
}

func (*sampler) sample() (Averages, int, error) {
	if runtime.GOOS == "windows" {
		return Averages{}, 0, errors.New("this system has no load average")
	}
	la, err := load.Avg()
	if err != nil {
		return Averages{}, 0, err
	}
	return Averages{la.Load1, la.Load5, la.Load15}, runtime.NumCPU(), nil
}
