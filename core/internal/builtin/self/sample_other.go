//go:build !linux

package self

import (
	"os"
	"time"

	gopsutil "github.com/shirou/gopsutil/v4/process"
)

type sampler struct{}

func newSampler(string) sampler { return sampler{} }

func (*sampler) sample() (process, error) {
	p, err := gopsutil.NewProcess(int32(os.Getpid()))
	if err != nil {
		return process{}, err
	}
	m, err := p.MemoryInfo()
	if err != nil {
		return process{}, err
	}
	t, err := p.Times()
	if err != nil {
		return process{}, err
	}
	return process{rss: m.RSS, cpu: time.Duration((t.User + t.System) * float64(time.Second))}, nil
}
