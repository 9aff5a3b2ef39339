//go:build !linux

package network

import (
	"net"
	"time"

	"github.com/shirou/gopsutil/v4/host"
	gopsutil "github.com/shirou/gopsutil/v4/net"
)

type sampler struct{}

func newSampler(_, _ string) sampler { return sampler{} }

func (*sampler) sample(wants func(string) bool) ([]counters, error) {
	stats, err := gopsutil.IOCounters(true)
	if err != nil {
		return nil, err
	}
	links := make(map[string]link)
	if all, err := net.Interfaces(); err == nil {
		for _, i := range all {
			links[i.Name] = linkDown
			if i.Flags&net.FlagRunning != 0 {
				links[i.Name] = linkUp
			}
		}
	}
	list := []counters{} // never nil: nil means "no sample"
	for _, s := range stats[:min(len(stats), maxRead)] {
		if !wants(s.Name) {
			continue
		}
		list = append(list, counters{
			name: s.Name, rx: s.BytesRecv, tx: s.BytesSent, errors: s.Errin + s.Errout, drops: s.Dropin + s.Dropout,
			link: links[s.Name],
		})
	}
	return list, nil
}

func (*sampler) uptime() (time.Duration, error) {
	seconds, err := host.Uptime()
	return time.Duration(seconds) * time.Second, err
}
