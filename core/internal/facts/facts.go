// Package facts says what is known about a box: names, addresses, system, machine. Facts are no names (DESIGN §6): an agent is
// known by its fingerprint, and any fact may change under it. Gathering never fails; what cannot be read is left empty.
package facts

import (
	"crypto/sha256"
	"encoding/hex"
	"net"
	"os"
	"runtime"
	"slices"

	"github.com/limpet-monitoring/limpet/platforms"
)

// maxAddresses bounds what a box with many interfaces reports.
const maxAddresses = 32

// Facts of the machine and its system.
type Facts struct {
	Hostname  string
	Addresses []string // unicast, neither loopback nor link-local, sorted, at most 32
	OS, Arch  string   // GOOS, GOARCH
	Platform  string   // "debian 12"
	Kernel    string
	BootID    string // changes with every boot, where the system says so
	MachineID string // SHA-256 of what identifies the machine, hex; empty where nothing does
	Memory    uint64 // bytes
	CPUs      int
}

// Gather reads all of them anew.
func Gather() Facts {
	f := Facts{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), Addresses: addresses()}
	f.Hostname, _ = os.Hostname()
	var machine string
	f.Platform, f.Kernel, f.BootID, machine, f.Memory = system()
	if machine != "" {
		sum := sha256.Sum256([]byte("limpet machine\x00" + machine))
		f.MachineID = hex.EncodeToString(sum[:])
	}
	return f
}

// Place says where a folder lies, as a hash: in this boot of this machine, under this name, as this file of this disk. A copy lies somewhere else.
func Place(dir string) string {
	_, _, boot, machine, _ := system()
	sum := sha256.Sum256([]byte("limpet place\x00" + machine + "\x00" + boot + "\x00" + dir + "\x00" + platforms.FileID(dir)))
	return hex.EncodeToString(sum[:])
}

func addresses() []string {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var out []string
	for _, a := range all {
		n, ok := a.(*net.IPNet)
		if !ok || n.IP.IsLoopback() || n.IP.IsLinkLocalUnicast() {
			continue
		}
		out = append(out, n.IP.String())
	}
	slices.Sort(out)
	out = slices.Compact(out)
	return out[:min(len(out), maxAddresses)]
}
