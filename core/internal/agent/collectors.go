package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"sync"
	"time"

	spec "github.com/limpet-monitoring/limpet/core/check/collector"
	"github.com/limpet-monitoring/limpet/core/internal/collector"
	"github.com/limpet-monitoring/limpet/core/internal/input"
	"github.com/limpet-monitoring/limpet/core/wire"
)

// endCollectors is what collectors are given to end in at a stop; then they are killed.
const endCollectors = 5 * time.Second

func (a *agent) newCollectors() *collector.Collectors {
	return collector.New(collector.Options{
		Dir: a.o.Layout.Collector(), Log: a.o.Layout.Log, Event: a.collectorEvent, Changed: func() { poke(a.kept) }, Logger: a.log,
		Cgroup: sync.OnceValue(a.collectorsCgroup),
	})
}

// collectorsCgroup makes the cgroup for collectors where runs of plugins have theirs. Its name is that of the folder: agents that share a hierarchy do not
// share it, and every core of one agent finds it again.
func (a *agent) collectorsCgroup() string {
	dir, err := a.slots.Beside(a.collectorsName())
	if err != nil {
		a.log.Warn("collectors run without cgroups of their own", "err", err)
	}
	return dir
}

func (a *agent) collectorsName() string {
	sum := sha256.Sum256([]byte(a.o.Layout.Collector()))
	return "limpet-collectors-" + hex.EncodeToString(sum[:8])
}

// keepCollectors makes those of the running set run. Only the core that schedules has collectors.
func (a *agent) keepCollectors() {
	if a.lock == nil {
		return
	}
	a.inputs.Apply(a.wantedInputs())
	f := a.facts.Load()
	a.collectors.Apply(a.set.Collectors, spec.Facts{
		Hostname: f.GetHostname(), OS: f.GetOs(), Arch: f.GetArch(), Platform: f.GetPlatform(), Kernel: f.GetKernel(), Fingerprint: a.id.Fingerprint(),
		CPUs: int(f.GetCpus()), Memory: f.GetMemoryBytes(), Addresses: f.GetAddresses(), Tags: f.GetTags(),
		Graphite: input.Address(a.set.Graphite), StatsD: input.Address(a.set.StatsD),
	})
}

func (a *agent) wantedInputs() input.Want {
	return input.Want{Graphite: a.set.Graphite, StatsD: a.set.StatsD}
}

// inputSocket is where a core gives the sockets of its inputs to the next one.
func (a *agent) inputSocket() string { return filepath.Join(a.o.Layout.Run(), "inputs.sock") }

// collectorEvent keeps what happened to a collector for the hub.
func (a *agent) collectorEvent(kind, text, name string) {
	a.event(kind, text, map[string]string{"collector": name})
}

// event keeps something that is no result on its way to the hub.
func (a *agent) event(kind, text string, attributes map[string]string) {
	e := &wire.Event{Kind: kind, Text: text, AtNs: time.Now().UnixNano(), Attributes: attributes}
	if err := a.buffer.Append(&wire.Item{Kind: &wire.Item_Event{Event: e}}); err != nil {
		a.log.Error("event not kept", "kind", kind, "text", text, "err", err)
	}
}

// tellCollectors has the hub know how the collectors are.
func (a *agent) tellCollectors() {
	now := cloneFacts(a.facts.Load())
	now.Collectors = a.collectorFacts()
	if !sameFacts(now, a.facts.Load()) {
		a.facts.Store(now)
		a.session.SendFacts()
	}
	poke(a.news)
}

func (a *agent) collectorFacts() []*wire.CollectorState {
	var out []*wire.CollectorState
	for _, s := range a.collectors.States() {
		out = append(out, &wire.CollectorState{
			Name: s.Name, Kind: s.Kind, State: s.State, Text: s.Text, SinceNs: s.Since.UnixNano(), Pid: uint32(s.PID), Restarts: uint32(s.Restarts),
			Refused: s.Refused, Local: s.Local,
		})
	}
	return out
}

// collectorsHold says whether all collectors run, and whether there is any to judge. One whose newest configuration was refused holds as long
// as its former one runs.
func (a *agent) collectorsHold() (judged, hold bool) {
	states := a.collectors.States()
	if a.lock == nil || len(states) == 0 {
		return false, false
	}
	for _, s := range states {
		switch s.State {
		case collector.Starting, collector.Checking:
			return false, false
		case collector.Running:
		default:
			return true, false
		}
	}
	return true, true
}

// stopCollectors ends them beside whatever else a stop waits for; the returned function waits for them.
func (a *agent) stopCollectors(ctx context.Context) (wait func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		ctx, cancel := context.WithTimeout(ctx, endCollectors)
		defer cancel()
		a.collectors.End(ctx)
	}()
	return func() { <-done }
}

// CollectorStatus is one collector.
type CollectorStatus struct {
	Name     string    `json:"name"`
	Kind     string    `json:"kind"`
	State    string    `json:"state"` // "running", "starting", "checking", "waiting", "failed"
	Text     string    `json:"text"`
	Since    time.Time `json:"since"`
	PID      int       `json:"pid"` // 0 = it does not run
	Restarts int       `json:"restarts"`
	Refused  string    `json:"refused"` // why a newer configuration is not used
	Local    bool      `json:"local"`   // named in the box file
	Log      string    `json:"log"`
}

func (a *agent) collectorStatus() []CollectorStatus {
	out := []CollectorStatus{}
	for _, s := range a.collectors.States() {
		out = append(out, CollectorStatus(s))
	}
	return out
}

func (a *agent) inputStatus() []InputStatus {
	out := []InputStatus{}
	for _, s := range a.inputs.States() {
		out = append(out, InputStatus(s))
	}
	return out
}
