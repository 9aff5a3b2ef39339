package fleet

import (
	"cmp"
	"slices"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/journal"
	"github.com/limpet-monitoring/limpet/hub/internal/presence"
)

// Limits of the samples that the view keeps of one agent: the newest of each name. All of them are on the bus.
const (
	maxSampleNames = 1000
	maxSampleName  = 512       // bytes, as inputs take them
	sampleForgets  = time.Hour // a name that is quiet as long is not shown any more
)

// Sample is the newest value of one name that another program on a box sent to one of the agent's inputs (docs/inputs.md).
type Sample struct {
	Input    string `json:"input"` // "graphite" or "statsd"
	Name     string `json:"name"`
	Value    Number `json:"value"`
	Kind     string `json:"kind"`     // "gauge", "counter", "timer" or "set"
	At       Time   `json:"at"`       // by the sender's clock, else the agent's
	Received Time   `json:"received"` // by the hub's clock
}

// sampleKey is one name of one input.
type sampleKey struct{ input, name string }

// takeSamples keeps the newest of each name, in the order in which they came. Owner.
func (f *Fleet) takeSamples(b *box, a *arrival, s *wire.Samples) {
	input := presence.Clip(s.GetInput(), maxWord)
	for _, w := range s.GetSamples() {
		key := sampleKey{input, presence.Clip(w.GetName(), maxSampleName)}
		if _, known := b.samples[key]; !known && len(b.samples) >= maxSampleNames {
			b.moreSamples = true
			continue
		}
		if b.samples == nil {
			b.samples = map[sampleKey]Sample{}
		}
		b.samples[key] = Sample{Input: input, Name: key.name, Value: Number(w.GetValue()), Kind: presence.Clip(w.GetKind(), maxWord),
			At: journal.At(time.Unix(0, w.GetAtNs())), Received: journal.At(a.received)}
	}
	b.shownSamples = nil // made anew when somebody is to see it
}

// forgetSamples takes away what has been quiet for long, and says whether there was any. Owner.
func (b *box) forgetSamples(now time.Time) bool {
	before := len(b.samples)
	for key, s := range b.samples {
		if now.Sub(s.Received.Time) > sampleForgets {
			delete(b.samples, key)
		}
	}
	if len(b.samples) == before {
		return false
	}
	b.shownSamples, b.moreSamples = nil, false
	return true
}

// sampleList is what readers see, by input and name; a list that was handed out is never changed. Owner.
func (b *box) sampleList() []Sample {
	if b.shownSamples == nil && len(b.samples) > 0 {
		list := make([]Sample, 0, len(b.samples))
		for _, s := range b.samples {
			list = append(list, s)
		}
		slices.SortFunc(list, func(x, y Sample) int { return cmp.Or(cmp.Compare(x.Input, y.Input), cmp.Compare(x.Name, y.Name)) })
		b.shownSamples = list
	}
	return b.shownSamples
}

// Samples are the newest samples of an agent, by input and name, at most 1,000 names; more says that there are others. ErrUnknownAgent.
func (f *Fleet) Samples(fingerprint string) (list []Sample, more bool, err error) {
	b, err := f.box(fingerprint)
	if err != nil {
		return nil, false, err
	}
	v := b.view.Load()
	if v.samples == nil {
		return []Sample{}, v.moreSamples, nil
	}
	return v.samples, v.moreSamples, nil
}
