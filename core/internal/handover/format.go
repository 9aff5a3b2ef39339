package handover

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/schedule"
	"github.com/limpet-monitoring/limpet/core/wire"
)

const magic = "limpet-handover 1"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// marshal writes the lines of docs/handover-format.md.
func (b Book) marshal(c Clock) []byte {
	out := make([]byte, 0, 256+128*(len(b.Plan.Slots)+len(b.States)))
	out = fmt.Appendf(out, "%s\nat %d %s\ncore %s %016x %d\n", magic, b.At, word(c.BootID), word(b.Core), b.Epoch, b.Revision)
	w := lineWriter{out}
	for _, s := range b.Plan.Slots {
		if s.Cron != "" {
			w.word("cron").word(s.Name).number(int64(c.since(s.Next))).number(s.Wall.UnixNano()).quoted(s.Cron).end()
		} else {
			w.word("every").word(s.Name).number(int64(s.Every)).number(int64(c.since(s.Anchor))).number(int64(c.since(s.Next))).end()
		}
	}
	for _, f := range b.Plan.Flights {
		w.word("run").word(f.Name).number(int64(c.since(f.Start))).number(int64(f.Timeout)).end()
	}
	for _, r := range b.States {
		w.word("state").word(r.Check).number(int64(r.State)).number(r.Start.UnixNano()).number(int64(r.Duration)).quoted(clip(r.Text))
		if s := r.Standing; s.Attempt > 0 {
			w.number(int64(s.Attempt)).number(int64(s.Attempts)).number(int64(s.Hard)).number(wallOf(s.Since)).number(wallOf(s.HardSince))
			w.word(strconv.FormatBool(s.Flapping)).word(s.Flaps())
		}
		w.end()
	}
	out = w.out
	return fmt.Appendf(out, "end %08x\n", crc32.Checksum(out, castagnoli))
}

// lineWriter writes lines of fields. A book is written every second, with a line or two for each of a box's checks.
type lineWriter struct{ out []byte }

// blank begins the next field.
func (w *lineWriter) blank() {
	if n := len(w.out); n > 0 && w.out[n-1] != '\n' {
		w.out = append(w.out, ' ')
	}
}

func (w *lineWriter) word(s string) *lineWriter {
	w.blank()
	w.out = append(w.out, s...)
	return w
}

func (w *lineWriter) number(n int64) *lineWriter {
	w.blank()
	w.out = strconv.AppendInt(w.out, n, 10)
	return w
}

func (w *lineWriter) quoted(s string) *lineWriter {
	w.blank()
	w.out = strconv.AppendQuote(w.out, s)
	return w
}

func (w *lineWriter) end() { w.out = append(w.out, '\n') }

// wallOf is a wall time, 0 for none.
func wallOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// word keeps a field one field.
func word(s string) string {
	if s == "" {
		return "-"
	}
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r == utf8.RuneError {
			return '_'
		}
		return r
	}, s)
}

func clip(s string) string {
	s = strings.ToValidUTF8(s, "?")
	if len(s) <= maxText {
		return s
	}
	n := maxText
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

var (
	errForm = errors.New("not a book of a version this core reads")
	errSum  = errors.New("damaged: its checksum does not hold")
)

// parse reads what marshal wrote, now or in a later version of format 1: lines of an unknown kind, and fields behind the known ones, are
// passed over.
func parse(data []byte, c Clock) (Book, error) {
	p := parser{clock: c}
	if err := p.parse(data); err != nil {
		return Book{}, err
	}
	return p.book, nil
}

// parser is one book being read; fields are those of the line not taken yet.
type parser struct {
	clock   Clock
	anyBoot bool // also one of another boot: then its times since boot mean nothing
	book    Book
	fields  string
	err     error
}

func (p *parser) parse(data []byte) error {
	if !bytes.HasPrefix(data, []byte(magic+"\n")) {
		return errForm
	}
	at := bytes.LastIndex(data, []byte("\nend ")) + 1
	if at == 0 || string(data[at:]) != fmt.Sprintf("end %08x\n", crc32.Checksum(data[:at], castagnoli)) {
		return errSum
	}
	lines := string(data[len(magic)+1 : at])
	for n := 2; lines != ""; n++ {
		var line string
		line, lines, _ = strings.Cut(lines, "\n")
		if err := p.line(line); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	if p.book.At == 0 {
		return fmt.Errorf("%w: it does not say when it was written", errForm)
	}
	return nil
}

func (p *parser) line(line string) error {
	kind, rest, _ := strings.Cut(line, " ")
	p.fields, p.err = rest, nil
	switch kind {
	case "at":
		p.book.At = p.duration(math.MaxInt64)
		if boot := p.word(); p.err == nil && !p.anyBoot && boot != word(p.clock.BootID) {
			return ErrOtherBoot
		}
	case "core":
		p.book.Core = p.word()
		p.book.Epoch = p.number(16)
		p.book.Revision = p.number(10)
	case "every":
		s := schedule.Slot{Name: p.name(), Every: p.duration(check.MaxEvery), Anchor: p.time(), Next: p.time()}
		p.slot(s)
	case "cron":
		s := schedule.Slot{Name: p.name(), Next: p.time(), Wall: p.wall(), Cron: p.quoted(check.MaxCron)}
		p.slot(s)
	case "run":
		f := schedule.Flight{Name: p.name(), Start: p.time(), Timeout: p.duration(check.MaxTimeout)}
		p.fit(len(p.book.Plan.Flights))
		p.book.Plan.Flights = append(p.book.Plan.Flights, f)
	case "state":
		r := check.Result{Check: p.name(), State: check.State(p.number(10)), Start: p.wall(), Duration: p.duration(math.MaxInt64), Text: p.quoted(maxText)}
		if r.State > check.Unknown {
			p.fail("no such state")
		}
		if p.fields != "" { // a core from before there were standings ends here
			r.Standing = p.standing(r.State)
		}
		p.fit(len(p.book.States))
		p.book.States = append(p.book.States, r)
	}
	return p.err
}

func (p *parser) standing(state check.State) check.Standing {
	s := check.Standing{State: state, Attempt: p.small(), Attempts: p.small(), Hard: check.State(min(p.number(10), uint64(check.Unknown)))}
	s.Since, s.HardSince = p.wall(), p.wallOrNone()
	s.Flapping = p.word() == "true"
	s, ok := s.WithFlaps(p.word())
	if !ok {
		p.fail("no states for flap detection")
	}
	return s
}

// small is a count of attempts.
func (p *parser) small() int {
	n := p.number(10)
	if n < 1 || n > check.MaxAttempts {
		p.fail("out of range")
		return 1
	}
	return int(n)
}

func (p *parser) wallOrNone() time.Time {
	if t := p.wall(); t.UnixNano() != 0 {
		return t
	}
	return time.Time{}
}

func (p *parser) slot(s schedule.Slot) {
	p.fit(len(p.book.Plan.Slots))
	if s.Every <= 0 && s.Cron == "" {
		p.fail("neither interval nor cron expression")
	}
	p.book.Plan.Slots = append(p.book.Plan.Slots, s)
}

func (p *parser) fit(n int) {
	if n >= wire.MaxChecks {
		p.fail("more lines than checks can be")
	}
}

func (p *parser) fail(why string) {
	if p.err == nil {
		p.err = errors.New(why)
	}
}

func (p *parser) word() string {
	w, rest, _ := strings.Cut(p.fields, " ")
	p.fields = rest
	if w == "" {
		p.fail("a field is missing")
	}
	return w
}

func (p *parser) name() string {
	w := p.word()
	if !check.ValidName(w) {
		p.fail("no name of a check")
	}
	return w
}

func (p *parser) number(base int) uint64 {
	n, err := strconv.ParseUint(p.word(), base, 64)
	if err != nil {
		p.fail("no number")
	}
	return n
}

// wall is a wall time.
func (p *parser) wall() time.Time {
	n, err := strconv.ParseInt(p.word(), 10, 64)
	if err != nil {
		p.fail("no time")
	}
	return time.Unix(0, n)
}

// duration is not negative.
func (p *parser) duration(limit time.Duration) time.Duration {
	n := p.number(10)
	if n > uint64(limit) {
		p.fail("out of range")
		return 0
	}
	return time.Duration(n)
}

// time is a time since boot, as this process's clock has it. A slot may lie before the boot.
func (p *parser) time() time.Time {
	n, err := strconv.ParseInt(p.word(), 10, 64)
	const far = int64(100 * 365 * 24 * time.Hour)
	if err != nil || n > far || n < -far {
		p.fail("no time since boot")
		return time.Time{}
	}
	return p.clock.time(time.Duration(n))
}

func (p *parser) quoted(limit int) string {
	quoted, err := strconv.QuotedPrefix(p.fields)
	if err != nil {
		p.fail("no quoted text")
		return ""
	}
	p.fields = strings.TrimPrefix(p.fields[len(quoted):], " ")
	s, err := strconv.Unquote(quoted)
	if err != nil || len(s) > limit {
		p.fail("no quoted text")
	}
	return s
}
