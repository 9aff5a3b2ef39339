package network

import (
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/builtin/procfs"
)

// maxFile bounds what is read of /proc/net/dev: about 120 bytes an interface.
const maxFile = 1 << 20

type sampler struct {
	proc, sys string
	read      procfs.Reader
}

func newSampler(proc, sys string) sampler { return sampler{proc: proc, sys: sys} }

func (s *sampler) sample(wants func(string) bool) ([]counters, error) {
	defer s.read.Done()
	text, err := s.read.Read(s.proc+"/net/dev", maxFile)
	if err != nil {
		return nil, err
	}
	list, err := parseDev(text, wants)
	if err != nil {
		return nil, err
	}
	for i := range list[:min(len(list), maxInterfaces)] {
		list[i].link = s.link(list[i].name)
	}
	return list, nil
}

// link reads an interface's operational state (RFC 2863, as the kernel writes it).
func (s *sampler) link(name string) link {
	if strings.ContainsAny(name, "/") || name == "." || name == ".." {
		return linkUnknown
	}
	text, err := s.read.Once(s.sys+"/class/net/"+name+"/operstate", 64)
	if err != nil {
		return linkUnknown
	}
	line, _ := procfs.Line(text)
	switch string(line) {
	case "up":
		return linkUp
	case "down", "lowerlayerdown", "notpresent", "dormant", "testing":
		return linkDown
	default:
		return linkUnknown
	}
}

func (s *sampler) uptime() (time.Duration, error) {
	defer s.read.Done()
	text, err := s.read.Once(s.proc+"/uptime", 256)
	if err != nil {
		return 0, err
	}
	return procfs.Uptime(text)
}
