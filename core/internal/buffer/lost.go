package buffer

import (
	"fmt"
	"slices"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"google.golang.org/protobuf/proto"
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
// check.
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
	return slices.IndexFunc(list, func(x run) bool { return x.check == check && check != "" })
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
	open  []run // marked, without a result behind it
	ended []run // results and lost runs, by check and start
}

// follow takes one record in.
func (t *trail) follow(r record) {
	switch r.kind {
	case kindMark:
		m := new(wire.LostRun)
		if proto.Unmarshal(r.raw, m) == nil && len(t.open) < maxRuns {
			if x := (run{m.GetCheck(), m.GetStartNs()}); !slices.Contains(t.open, x) {
				t.open = append(t.open, x)
			}
		}
	case kindItem:
		i := new(wire.Item)
		if proto.Unmarshal(r.raw, i) != nil {
			return
		}
		if x, ok := runOf(i); ok {
			t.ended = append(t.ended, x)
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

// lostRuns are the runs that several trails leave open, each once.
func lostRuns(trails []trail) []run {
	over := map[run]bool{}
	for _, t := range trails {
		for _, x := range t.ended {
			over[x] = true
		}
	}
	var lost []run
	for _, t := range trails {
		for _, x := range t.open {
			if !over[x] {
				over[x] = true
				lost = append(lost, x)
			}
		}
	}
	return lost
}

func (x run) item() *wire.Item {
	return &wire.Item{Kind: &wire.Item_LostRun{LostRun: &wire.LostRun{Check: x.check, StartNs: x.start}}}
}

// Mark says that a run of check begins at start: if the core is killed before a result of that check
// is appended, the next Open reports the run as lost. It is written, not synced.
func (b *Buffer) Mark(check string, start time.Time) error {
	x := run{check, start.UnixNano()}
	payload, err := proto.Marshal(&wire.LostRun{Check: x.check, StartNs: x.start})
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
