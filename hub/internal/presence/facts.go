package presence

import (
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/journal"
)

// Facts is what an agent says of its box. Every string in it was written by the agent: bounded, valid UTF-8, not to be believed.
type Facts struct {
	Hostname      string            `json:"hostname"`
	Addresses     []string          `json:"addresses"`
	OS            string            `json:"os"`   // GOOS
	Arch          string            `json:"arch"` // GOARCH
	Platform      string            `json:"platform"`
	Kernel        string            `json:"kernel"`
	BootID        string            `json:"boot_id"`
	MachineIDHash string            `json:"machine_id_hash"`
	Place         string            `json:"place,omitempty"` // where the agent's files lie, as a hash
	MemoryBytes   uint64            `json:"memory_bytes"`
	CPUs          uint32            `json:"cpus"`
	CoreVersion   string            `json:"core_version"`
	CoreHash      string            `json:"core_hash"`
	StubVersion   string            `json:"stub_version"`
	Tags          []string          `json:"tags"`
	More          map[string]string `json:"more,omitempty"`
	Plugins       []string          `json:"plugins"`
	Trust         string            `json:"trust"` // "hub" or "signed"
	Development   bool              `json:"development"`
	Checks        []string          `json:"checks"` // names of all that run; empty where the agent does not say
	Collectors    []Collector       `json:"collectors,omitempty"`
}

// Collector is how one of the agent's collectors is, in the agent's own words (docs/collectors.md).
type Collector struct {
	Name     string       `json:"name"`
	Kind     string       `json:"kind"`
	State    string       `json:"state"` // "running", "starting", "checking", "waiting", "failed"
	Text     string       `json:"text"`  // why, one line
	Since    journal.Time `json:"since"`
	PID      uint32       `json:"pid"` // 0 = it does not run
	Restarts uint32       `json:"restarts"`
	Refused  string       `json:"refused"` // why a newer configuration is not used
	Local    bool         `json:"local"`   // named in the box file
}

// What is kept of facts.
const (
	maxText   = 256    // bytes of one string
	maxBarred = 2048   // of the list of hashes that are barred, 16 with a reason each
	maxList   = 64     // addresses
	maxChecks = 10_000 // names of checks

	maxCollectors = 64
)

// FromWire takes an agent's facts within their limits; what is beyond them is cut off.
func FromWire(f *wire.Facts) Facts {
	more := ClipMap(f.GetMore())
	if _, kept := more["barred"]; kept {
		more["barred"] = Clip(f.GetMore()["barred"], maxBarred)
	}
	return Facts{
		Hostname: Clip(f.GetHostname(), maxText), Addresses: clipList(f.GetAddresses(), maxList),
		OS: Clip(f.GetOs(), maxText), Arch: Clip(f.GetArch(), maxText),
		Platform: Clip(f.GetPlatform(), maxText), Kernel: Clip(f.GetKernel(), maxText),
		BootID: Clip(f.GetBootId(), maxText), MachineIDHash: Clip(f.GetMachineIdHash(), maxText),
		Place:       Clip(f.GetPlace(), maxText),
		MemoryBytes: f.GetMemoryBytes(), CPUs: f.GetCpus(),
		CoreVersion: Clip(f.GetCoreVersion(), maxText), CoreHash: Clip(f.GetCoreHash(), maxText), StubVersion: Clip(f.GetStubVersion(), maxText),
		Tags: clipList(f.GetTags(), wire.MaxTags), More: more, Plugins: clipList(f.GetPlugins(), wire.MaxPlugins),
		Trust: Clip(f.GetTrust(), maxText), Development: f.GetDevelopment(), Checks: clipList(f.GetChecks(), maxChecks),
		Collectors: collectors(f.GetCollectors()),
	}
}

func collectors(in []*wire.CollectorState) []Collector {
	var out []Collector
	for _, c := range in[:min(len(in), maxCollectors)] {
		out = append(out, Collector{
			Name: Clip(c.GetName(), maxText), Kind: Clip(c.GetKind(), maxText), State: Clip(c.GetState(), maxText), Text: Clip(c.GetText(), 4*maxText),
			Since: journal.At(time.Unix(0, c.GetSinceNs())), PID: c.GetPid(), Restarts: c.GetRestarts(), Refused: Clip(c.GetRefused(), 4*maxText), Local: c.GetLocal(),
		})
	}
	return out
}

// Clip is s cut to at most n bytes, between characters.
func Clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func clipList(in []string, n int) []string {
	out := make([]string, 0, min(len(in), n))
	for _, s := range in[:min(len(in), n)] {
		out = append(out, Clip(s, maxText))
	}
	return out
}

// ClipMap is a map within the limits of facts.
func ClipMap(in map[string]string) map[string]string {
	out := map[string]string{}
	for _, k := range slices.Sorted(maps.Keys(in)) {
		if len(out) == wire.MaxFacts {
			break
		}
		out[Clip(k, maxText)] = Clip(in[k], maxText)
	}
	return out
}

func now() journal.Time { return journal.At(time.Now()) }
