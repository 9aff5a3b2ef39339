package buffer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/platforms"
)

// ShowOptions say how Show writes.
type ShowOptions struct {
	JSON    bool // a JSON object a generation, a line each (and with Records, one a record)
	Records bool // each record, in order
}

// ShownGeneration is what Show says of one generation.
type ShownGeneration struct {
	Epoch    string         `json:"epoch"` // 16 hex digits
	Begun    time.Time      `json:"begun"` // by its epoch
	Held     bool           `json:"held"`  // a core writes or drains it
	Bytes    int64          `json:"bytes"`
	Segments []ShownSegment `json:"segments"`
	Records  uint64         `json:"records"` // that read, start marks not counted
	Marks    uint64         `json:"marks"`
	Last     uint64         `json:"last"`  // seq of the last record that reads
	Acked    uint64         `json:"acked"` // what the hub has, as the cursor says
	Waiting  uint64         `json:"waiting"`
	Cursor   string         `json:"cursor"` // "ok", "missing", "damaged"
}

// ShownSegment is one file.
type ShownSegment struct {
	Name    string `json:"name"`
	Bytes   int64  `json:"bytes"`
	Records uint64 `json:"records"`
	Header  bool   `json:"header"`  // it holds
	Damaged bool   `json:"damaged"` // something in it does not read; at the end of the newest one that is a write under way, or a cut
	Error   string `json:"error,omitempty"`
}

// ShownRecord is one record.
type ShownRecord struct {
	Epoch  string `json:"epoch"`
	Seq    uint64 `json:"seq"` // 0 for a start mark
	Kind   string `json:"kind"`
	Bytes  int    `json:"bytes"`
	Offset int64  `json:"offset"`
	At     string `json:"at"`
	Name   string `json:"name"` // the check, or an event's kind
	Text   string `json:"text"`
}

// Show writes what lies in a buffer's folder, of a living agent's or a dead one's. It reads only, takes no lock, and leaves a generation alone
// that goes away meanwhile.
func Show(dir string, w io.Writer, o ShowOptions) error {
	names, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("read buffer: %w", err)
	}
	s := shower{out: w, o: o, json: json.NewEncoder(w)}
	s.json.SetEscapeHTML(false)
	for _, entry := range names {
		epoch, ok := parseGeneration(entry.Name())
		if !ok {
			continue
		}
		if err := s.generation(filepath.Join(dir, entry.Name()), epoch); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("read generation %s: %w", entry.Name(), err)
		}
	}
	return s.total()
}

type shower struct {
	out  io.Writer
	o    ShowOptions
	json *json.Encoder

	generations    int
	bytes          int64
	records, waits uint64
}

func (s *shower) generation(dir string, epoch uint64) error {
	g := ShownGeneration{Epoch: generationName(epoch), Begun: time.UnixMilli(int64(epoch >> randomBits)).UTC(), Cursor: "ok", Segments: []ShownSegment{}}
	var c cursor
	data, err := os.ReadFile(filepath.Join(dir, cursorName))
	switch known, ok := parseCursor(data); {
	case errors.Is(err, fs.ErrNotExist):
		g.Cursor = "missing"
	case err != nil:
		return err
	case !ok:
		g.Cursor = "damaged"
	default:
		c = known
	}
	g.Held, _ = platforms.Held(filepath.Join(dir, lockName))
	names, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	first := true
	for _, entry := range names { // sorted, and so are numbers of one width
		from, ok := parseSegment(entry.Name())
		if !ok {
			continue
		}
		if first && g.Cursor != "ok" {
			c.acked = from - 1 // docs/buffer-format.md, "The cursor"
		}
		first = false
		g.Segments = append(g.Segments, s.segment(dir, entry.Name(), epoch, from, &g))
	}
	g.Acked = c.acked
	if g.Last > c.acked {
		g.Waiting = g.Last - c.acked
	}
	s.generations++
	s.bytes, s.records, s.waits = s.bytes+g.Bytes, s.records+g.Records, s.waits+g.Waiting
	return s.print(g)
}

func (s *shower) segment(dir, name string, epoch, first uint64, g *ShownGeneration) ShownSegment {
	seg := ShownSegment{Name: name}
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		seg.Error = err.Error()
		return seg
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		seg.Error = err.Error()
		return seg
	}
	seg.Bytes = info.Size()
	g.Bytes += seg.Bytes
	header := make([]byte, segmentHeader)
	n, _ := f.ReadAt(header, 0)
	_, seg.Header = parseSegmentHeader(header[:n], epoch, first)
	scan := newScan(f, seg.Bytes, epoch, first)
	for r, ok := scan.next(); ok; r, ok = scan.next() {
		if r.kind == kindItem {
			seg.Records++
			g.Records++
			g.Last = max(g.Last, r.seq)
		} else {
			g.Marks++
		}
		if s.o.Records {
			s.record(epoch, r)
		}
	}
	seg.Damaged = scan.damaged
	return seg
}

func (s *shower) record(epoch uint64, r record) {
	out := tell(r)
	out.Epoch, out.Seq, out.Bytes, out.Offset = generationName(epoch), r.seq, r.length, r.offset
	if s.o.JSON {
		_ = s.json.Encode(out) // the last write tells
		return
	}
	fmt.Fprintf(s.out, "    %8d  %-8s %6d B  %s  %s  %s\n", out.Seq, out.Kind, out.Bytes, out.At, out.Name, check.Shown(out.Text))
}

// tell says for people what a record holds.
func tell(r record) ShownRecord {
	stamp := func(ns int64) string { return time.Unix(0, ns).UTC().Format("2006-01-02T15:04:05.000Z") }
	if r.kind == kindMark {
		var m wire.LostRun
		if wire.Unmarshal(r.raw, &m) != nil {
			return ShownRecord{Kind: "mark", Text: "does not decode"}
		}
		return ShownRecord{Kind: "mark", At: stamp(m.GetStartNs()), Name: m.GetCheck(), Text: "a run began"}
	}
	var i wire.Item
	if wire.Unmarshal(r.raw, &i) != nil {
		return ShownRecord{Kind: "item", Text: "does not decode"}
	}
	switch k := i.GetKind().(type) {
	case *wire.Item_Result:
		return ShownRecord{Kind: "result", At: stamp(k.Result.GetStartNs()), Name: k.Result.GetCheck(), Text: k.Result.GetState().String()[len("STATE_"):] + " " + k.Result.GetText()}
	case *wire.Item_Gap:
		return ShownRecord{Kind: "gap", Name: k.Gap.GetCause(), Text: fmt.Sprintf("records %d to %d of %016x are lost", k.Gap.GetFirst(), k.Gap.GetLast(), k.Gap.GetEpoch())}
	case *wire.Item_LostRun:
		return ShownRecord{Kind: "lost-run", At: stamp(k.LostRun.GetStartNs()), Name: k.LostRun.GetCheck(), Text: "a run was cut off"}
	case *wire.Item_Samples:
		return ShownRecord{Kind: "samples", Name: k.Samples.GetInput(), Text: fmt.Sprintf("%d samples", len(k.Samples.GetSamples()))}
	case *wire.Item_Event:
		return ShownRecord{Kind: "event", At: stamp(k.Event.GetAtNs()), Name: k.Event.GetKind(), Text: k.Event.GetText()}
	}
	return ShownRecord{Kind: "unknown", Text: "of a newer core's kind"}
}

func (s *shower) print(g ShownGeneration) error {
	if s.o.JSON {
		return s.json.Encode(g)
	}
	held := "closed"
	if g.Held {
		held = "held by a core"
	}
	fmt.Fprintf(s.out, "%s  begun %s, %s: %d records in %d files (%d kB), %d wait for the hub",
		g.Epoch, g.Begun.Format("2006-01-02 15:04:05"), held, g.Records, len(g.Segments), (g.Bytes+1023)/1024, g.Waiting)
	if g.Cursor != "ok" {
		fmt.Fprintf(s.out, "; cursor %s", g.Cursor)
	}
	fmt.Fprintln(s.out)
	for i, seg := range g.Segments {
		switch {
		case seg.Error != "":
			fmt.Fprintf(s.out, "    %s: %s\n", seg.Name, seg.Error)
		case !seg.Header:
			fmt.Fprintf(s.out, "    %s: its header does not read; %d records do\n", seg.Name, seg.Records)
		case seg.Damaged && i == len(g.Segments)-1 && g.Held:
			fmt.Fprintf(s.out, "    %s: its end is being written\n", seg.Name)
		case seg.Damaged:
			fmt.Fprintf(s.out, "    %s: some of it does not read\n", seg.Name)
		}
	}
	return nil
}

func (s *shower) total() error {
	if s.o.JSON {
		return nil
	}
	_, err := fmt.Fprintf(s.out, "%d generations, %d records, %d kB; %d wait for the hub\n", s.generations, s.records, (s.bytes+1023)/1024, s.waits)
	return err
}
