package dial

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// Limits of what is remembered.
const (
	maxMemoryFile = 64 << 10 // bytes
	maxHosts      = 64       // hub and mirrors are a handful
	maxHostname   = 255
)

// memoryHead is the first line of the file; what follows are lines
//
//	last HOST IP
//	given HOST IP:PORT
const memoryHead = "limpet addresses 1"

// memory is what is remembered of addresses. The dialer's mutex guards it.
type memory struct {
	last  map[string]string   // host to the IP that worked
	given map[string][]string // host to ip:port
}

// setLast notes the address that worked and says whether that is news.
func (m *memory) setLast(host, ip string) bool {
	if host == ip || m.last[host] == ip || !rememberable(host) {
		return false
	}
	if _, known := m.last[host]; !known && len(m.last) >= maxHosts {
		return false
	}
	m.last[host] = ip
	return true
}

// setGiven notes the addresses that the hub gave and says whether that is news.
func (m *memory) setGiven(host string, addresses []string) bool {
	var good []string
	for _, a := range addresses {
		if ap, err := netip.ParseAddrPort(a); err == nil && ap.Port() != 0 && len(good) < maxAddresses {
			good = append(good, ap.String())
		}
	}
	if slices.Equal(good, m.given[host]) || !rememberable(host) {
		return false
	}
	if _, known := m.given[host]; !known && len(m.given) >= maxHosts {
		return false
	}
	m.given[host] = good
	return true
}

func rememberable(host string) bool {
	return host != "" && len(host) <= maxHostname && !strings.ContainsAny(host, " \t\r\n")
}

// parseMemory reads what it can: a damaged line costs that line.
func parseMemory(data []byte) memory {
	m := memory{last: map[string]string{}, given: map[string][]string{}}
	lines := bufio.NewScanner(bytes.NewReader(data))
	if !lines.Scan() || lines.Text() != memoryHead {
		return m
	}
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) != 3 {
			continue
		}
		switch f[0] {
		case "last":
			if ip, err := netip.ParseAddr(f[2]); err == nil {
				m.setLast(f[1], ip.String())
			}
		case "given":
			m.setGiven(f[1], append(slices.Clone(m.given[f[1]]), f[2]))
		}
	}
	return m
}

func (m *memory) text() []byte {
	var b bytes.Buffer
	fmt.Fprintln(&b, memoryHead)
	for _, host := range slices.Sorted(maps.Keys(m.last)) {
		fmt.Fprintln(&b, "last", host, m.last[host])
	}
	for _, host := range slices.Sorted(maps.Keys(m.given)) {
		for _, a := range m.given[host] {
			fmt.Fprintln(&b, "given", host, a)
		}
	}
	return b.Bytes()
}

func readMemory(name string, log *slog.Logger) memory {
	if name == "" {
		return parseMemory(nil)
	}
	data, err := fsys.Read(fsys.Disk{}, name, maxMemoryFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("known addresses not read", "file", name, "err", err)
	}
	return parseMemory(data)
}

func (m *memory) write(name string, log *slog.Logger) {
	if name == "" {
		return
	}
	if err := fsys.WriteNew(fsys.Disk{}, name, m.text(), 0o644); err != nil {
		log.Debug("known addresses not kept", "file", name, "err", err) // the fetcher may not write there
	}
}
