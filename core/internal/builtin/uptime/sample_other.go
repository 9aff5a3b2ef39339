//go:build !linux

package uptime

import (
	"time"

	"github.com/shirou/gopsutil/v4/host"
)

type sampler struct{}

func newSampler(string) sampler { return sampler{} }

func (*sampler) sample() (time.Duration, error) {
	seconds, err := host.Uptime()
	return time.Duration(seconds) * time.Second, err
}
