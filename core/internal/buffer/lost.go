package buffer

import (
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/limpet-monitoring/limpet/core/wire"
)

// maxRuns bounds the runs under way that are marked, far above what a box runs at once.
const maxRuns = 4096

// run is one run as its mark names it.
type run struct {
	check string
	start int64 // ns, wall time
}

// runs are those under way: marked, without a result yet.
type runs struct {
	list     []run
	payloads [][]byte // their marks
}

func (r *runs) begin(x run, payload []byte) error {
	if len(r.list) >= maxRuns {
		return fmt.Errorf("mark run of %s: %d runs are marked already", x.check, len(r.list))
	}
	r.list = append(r.list, x)
	r.payloads = append(r.payloads, payload)
	return nil
}

// end takes away the run that a result belongs to: the one with its start, else the oldest of its
// check that was marked before.
func (r *runs) end(check string, start int64) {
	if i := ended(r.list, check, start); i >= 0 {
		r.list = slices.Delete(r.list, i, i+1)
		r.payloads = slices.Delete(r.payloads, i, i+1)
	}
}

func ended(list []run, check string, start int64) int {
	if i := slices.Index(list, run{check, start}); i >= 0 {
		return i
	}
	// The mark is a moment older than the plugin. A run of a core before, which is told as lost while one of the same check is under way, is older than that one's mark.
	return slices.IndexFunc(list, func(x run) bool { return x.check == check && check != "" && (x.start <= start || start == 0) })
}

// mark writes a start mark; see Buffer.Mark.
func (k *keeper) mark(x run, payload []byte) error {
	if err := k.rested(); err != nil {
		return err
	}
	if err := k.writeRecord(entry{kind: kindMark, payload: payload}); err != nil {
		return err
	}
	return k.runs.begin(x, payload)
}

// trail is what the end of a generation says of runs.
type trail struct {
	open []run // marked, without a result behind it
}

// follow takes one record in.
func (t *trail) follow(r record) {
	switch r.kind {
	case kindMark:
		m := new(wire.LostRun)
		if wire.Unmarshal(r.raw, m) == nil && len(t.open) < maxRuns {
			if x := (run{m.GetCheck(), m.GetStartNs()}); !slices.Contains(t.open, x) {
				t.open = append(t.open, x)
			}
		}
	case kindItem:
		if len(t.open) == 0 {
			return
		}
		if x, ok := runIn(r.raw); ok {
			if n := ended(t.open, x.check, x.start); n >= 0 {
				t.open = slices.Delete(t.open, n, n+1)
			}
		}
	}
}

// runOf is the run that an item ends, if it does.
func runOf(i *wire.Item) (run, bool) {
	switch {
	case i.GetResult() != nil:
		return run{i.GetResult().GetCheck(), i.GetResult().GetStartNs()}, true
	case i.GetLostRun() != nil:
		return run{i.GetLostRun().GetCheck(), i.GetLostRun().GetStartNs()}, true
	}
	return run{}, false
}

// runIn is runOf of an item's bytes: an opening buffer looks at many of them.
func runIn(raw []byte) (x run, ok bool) {
	for len(raw) > 0 {
		field, kind, n := protowire.ConsumeTag(raw)
		if n < 0 {
			return run{}, false
		}
		raw = raw[n:]
		if kind != protowire.BytesType || field != resultField && field != lostRunField {
			if n = protowire.ConsumeFieldValue(field, kind, raw); n < 0 {
				return run{}, false
			}
			raw = raw[n:]
			continue
		}
		inner, n := protowire.ConsumeBytes(raw)
		if n < 0 {
			return run{}, false
		}
		raw = raw[n:]
		start := protowire.Number(resultStartField)
		if field == lostRunField {
			start = lostStartField
		}
		if x, ok = namedRun(inner, start); !ok {
			return run{}, false
		}
	}
	return x, ok
}

// namedRun reads the check and the start out of a result or a lost run.
func namedRun(raw []byte, startField protowire.Number) (x run, ok bool) {
	for len(raw) > 0 {
		field, kind, n := protowire.ConsumeTag(raw)
		if n < 0 {
			return run{}, false
		}
		raw = raw[n:]
		switch {
		case field == checkField && kind == protowire.BytesType:
			var check []byte
			check, n = protowire.ConsumeBytes(raw)
			x.check = string(check)
		case field == startField && kind == protowire.VarintType:
			var start uint64
			start, n = protowire.ConsumeVarint(raw)
			x.start = int64(start)
		default:
			n = protowire.ConsumeFieldValue(field, kind, raw)
		}
		if n < 0 {
			return run{}, false
		}
		raw = raw[n:]
	}
	return x, true
}

// lostRuns are the runs that several generations leave open, each once. A run that one of them names may have its result in another.
func lostRuns(o Options, generations []*generation, trails []trail) []run {
	open := map[run]bool{}
	var lost []run
	for _, t := range trails {
		for _, x := range t.open {
			if !open[x] {
				open[x] = true
				lost = append(lost, x)
			}
		}
	}
	if len(lost) == 0 {
		return nil
	}
	for _, g := range generations {
		if g.cursor.owner != o.Owner {
			continue // another agent's: adopt has been here
		}
		g.scanEnd(o.FS, func(r record) {
			if r.kind != kindItem {
				return
			}
			if x, ok := runIn(r.raw); ok {
				delete(open, x)
			}
		})
	}
	return slices.DeleteFunc(lost, func(x run) bool { return !open[x] })
}

func (x run) item() *wire.Item {
	return &wire.Item{Kind: &wire.Item_LostRun{LostRun: &wire.LostRun{Check: x.check, StartNs: x.start}}}
}

// Mark says that a run of check begins at start: if the core is killed before a result of that check
// is appended, the next Open reports the run as lost. It is written, not synced.
func (b *Buffer) Mark(check string, start time.Time) error {
	x := run{check, start.UnixNano()}
	payload, err := wire.Marshal(&wire.LostRun{Check: x.check, StartNs: x.start})
	if err == nil && len(payload) > maxScratch {
		err = ErrTooLarge
	}
	if err == nil {
		h := handed{run: x, mark: payload, marked: make(chan error, 1)}
		if err = ErrClosed; b.k.intake.put(h) {
			err = <-h.marked
		}
	}
	if err != nil {
		return fmt.Errorf("mark run of %s: %w", check, err)
	}
	return nil
}
