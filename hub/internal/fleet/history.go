package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/bus"
	"github.com/limpet-monitoring/limpet/hub/internal/mark"
)

// Limits of what is read of the past at once.
const (
	maxPoints  = 1000 // of one label
	maxSamples = 400_000
	maxLabels  = maxPerfdata
	maxResults = 1000
	maxWords   = 8 << 20          // bytes of long output in one answer
	maxRead    = 20 * time.Second // where one answer is made of it
	// maxSilence is how long the stream may take for one message more, where an answer is as long as what there is.
	maxSilence = 20 * time.Second
)

// errEnough ends a scan that has read all it may.
var errEnough = errors.New("enough")

// Check is one check with its last result's long output, read from the stream. ErrUnknownAgent, ErrUnknownCheck.
func (f *Fleet) Check(ctx context.Context, fingerprint, check string) (CheckStatus, error) {
	b, err := f.box(fingerprint)
	if err != nil {
		return CheckStatus{}, err
	}
	checks := b.view.Load().checks
	i := slices.IndexFunc(checks, func(t *tally) bool { return t.Status.Check == check })
	if i < 0 {
		return CheckStatus{}, fmt.Errorf("look up check %q: %w", check, ErrUnknownCheck)
	}
	status := checks[i].Status
	m, err := f.bus.At(ctx, bus.Results, checks[i].Message)
	if errors.Is(err, bus.ErrNone) {
		return status, nil // retention took it
	}
	if err != nil {
		return CheckStatus{}, err
	}
	a, err := decode(m)
	if err != nil {
		return CheckStatus{}, err
	}
	for _, item := range a.items {
		if item.GetSeq() == status.Last.Seq && a.batch.GetEpoch() == status.Last.Epoch {
			status.Last = ResultOf(item.GetResult(), At{Epoch: status.Last.Epoch, Seq: status.Last.Seq, Received: a.received})
		}
	}
	return status, nil
}

// Results is the newest results of one check, newest first, with long output, at most limit and never more than 1,000. Of one that has fewer, those that
// can be found in the time there is. ErrUnknownAgent.
func (f *Fleet) Results(ctx context.Context, fingerprint, check string, limit int) ([]Result, error) {
	limit = min(max(limit, 0), maxResults)
	ctx, cancel := context.WithTimeout(ctx, maxRead)
	defer cancel()
	var out []Result
	// The stream is read forwards: look back further until there is enough.
	for _, back := range lookBack {
		from := bus.Start{}
		if back > 0 {
			from.Time = time.Now().Add(-back)
		}
		newest := make([]Result, 0, limit)
		err := f.past(ctx, fingerprint, check, from, func(r *wire.Result, at At) error {
			newest = append(newest, ResultOf(r, at))
			if len(newest) >= 2*limit { // drop what cannot be among the newest
				newest = sorted(newest, limit)
			}
			return nil
		})
		if errors.Is(err, context.DeadlineExceeded) && back != lookBack[0] {
			break // what there is further back may be much, and none of this check
		}
		if err != nil {
			return nil, err
		}
		if out = sorted(newest, limit); len(out) == limit {
			break
		}
	}
	return thrifty(out), nil
}

// lookBack is how far Results looks back, one after the other; 0 = to the stream's beginning.
var lookBack = []time.Duration{10 * time.Minute, 2 * time.Hour, 24 * time.Hour, 0}

// sorted is the newest n, newest first.
func sorted(results []Result, n int) []Result {
	slices.SortFunc(results, func(a, b Result) int {
		return cmp.Or(cmp.Compare(b.Epoch, a.Epoch), cmp.Compare(b.Seq, a.Seq))
	})
	return results[:min(n, len(results))]
}

// thrifty drops the long output of older results where all of it together would be too much.
func thrifty(results []Result) []Result {
	words := 0
	for i := range results {
		if words += len(results[i].Long); words > maxWords {
			results[i].Long = ""
		}
	}
	return results
}

// Series is the values of one check since then, as far as the stream holds them. ErrUnknownAgent.
func (f *Fleet) Series(ctx context.Context, fingerprint, check string, since time.Time) (Series, error) {
	ctx, cancel := context.WithTimeout(ctx, maxRead)
	defer cancel()
	p := plot{lines: map[string]*SeriesLabel{}}
	err := f.past(ctx, fingerprint, check, bus.Start{Time: since}, func(r *wire.Result, at At) error {
		if r.GetStartNs() >= since.UnixNano() || since.IsZero() {
			return p.add(r)
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return Series{}, err
	}
	return p.series(check), nil
}

// All gives every result of an agent that the stream holds since then to fn, in the stream's order. It takes as long as that takes; the time that fn takes is
// fn's own to bound. ErrUnknownAgent.
func (f *Fleet) All(ctx context.Context, fingerprint string, since time.Time, fn func(Result) error) error {
	ctx, silence := listen(ctx)
	defer silence.end()
	return f.past(ctx, fingerprint, "", bus.Start{Time: since}, func(r *wire.Result, at At) error {
		silence.pause()
		defer silence.begin()
		return fn(ResultOf(r, at))
	})
}

// silence ends a context when nothing was heard for maxSilence.
type silence struct {
	timer *time.Timer
	end   context.CancelFunc
}

func listen(ctx context.Context) (context.Context, silence) {
	ctx, cancel := context.WithCancel(ctx)
	timer := time.AfterFunc(maxSilence, cancel)
	return ctx, silence{timer, func() { timer.Stop(); cancel() }}
}

func (s silence) pause() { s.timer.Stop() }

func (s silence) begin() { s.timer.Reset(maxSilence) }

// past gives every result of a check, or with "" of all of them, that the stream holds from a moment on to fn. How long that may take is the caller's to say.
func (f *Fleet) past(ctx context.Context, fingerprint, check string, from bus.Start, fn func(*wire.Result, At) error) error {
	if _, err := f.box(fingerprint); err != nil {
		return err
	}
	return f.bus.Scan(ctx, bus.Results, mark.Subjects(fingerprint)+"*", from, func(m bus.Message) error {
		a, err := decode(m)
		if err != nil {
			return nil // reported when it came
		}
		for _, item := range a.items {
			if r := item.GetResult(); r != nil && (check == "" || r.GetCheck() == check) {
				if err := fn(r, At{Epoch: a.batch.GetEpoch(), Seq: item.GetSeq(), Received: a.received}); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// plot gathers the lines of one check.
type plot struct {
	lines   map[string]*SeriesLabel
	order   []string
	states  []StatePoint
	samples int
}

func (p *plot) add(r *wire.Result) error {
	at := r.GetStartNs() / int64(time.Millisecond)
	p.states = append(p.states, StatePoint{at, int64(stateOf(r))})
	for _, raw := range r.GetPerfdata()[:min(len(r.GetPerfdata()), maxPerfdata)] {
		d := perfdataOf(raw)
		line := p.lines[d.Label]
		if line == nil {
			if len(p.lines) >= maxLabels {
				continue
			}
			line = &SeriesLabel{Label: d.Label}
			p.lines[d.Label] = line
			p.order = append(p.order, d.Label)
		}
		line.Unit, line.Warn, line.Crit = d.Unit, d.Warn, d.Crit
		line.Points = append(line.Points, Point{Number(at), d.Value})
		p.samples++
	}
	if p.samples+len(p.states) > maxSamples {
		return errEnough
	}
	return nil
}

func (p *plot) series(check string) Series {
	out := Series{Check: check, Labels: make([]SeriesLabel, 0, len(p.order)), States: steps(p.states)}
	for _, label := range p.order {
		line := p.lines[label]
		slices.SortStableFunc(line.Points, func(a, b Point) int { return cmp.Compare(a[0], b[0]) })
		line.Points = thin(line.Points, maxPoints)
		out.Labels = append(out.Labels, *line)
	}
	return out
}

// thin is at most n points over the same time: each the mean of its share of the time; a share of which nothing could be
// measured is one point without a value.
func thin(points []Point, n int) []Point {
	if len(points) <= n {
		return points
	}
	first, last := float64(points[0][0]), float64(points[len(points)-1][0])
	width := (last - first) / float64(n)
	out := make([]Point, 0, n)
	for i := 0; i < len(points); {
		share := min(int((float64(points[i][0])-first)/width), n-1)
		var at, sum float64
		all, measured := 0, 0
		for ; i < len(points) && min(int((float64(points[i][0])-first)/width), n-1) == share; i++ {
			at += float64(points[i][0])
			all++
			if v := float64(points[i][1]); !math.IsNaN(v) && !math.IsInf(v, 0) {
				sum += v
				measured++
			}
		}
		out = append(out, Point{Number(math.Round(at / float64(all))), Number(sum / float64(measured))}) // 0/0 is no number
	}
	return out
}

// steps is where the state changed, and the newest point.
func steps(states []StatePoint) []StatePoint {
	slices.SortStableFunc(states, func(a, b StatePoint) int { return cmp.Compare(a[0], b[0]) })
	out := make([]StatePoint, 0, 16)
	for i, s := range states {
		if i == 0 || i == len(states)-1 || states[i-1][1] != s[1] {
			out = append(out, s)
		}
	}
	return out[max(0, len(out)-maxPoints):]
}
