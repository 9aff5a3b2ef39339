package try

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/limpet-monitoring/limpet/core/check"
)

// printText writes for people. Nothing a plugin printed reaches the terminal as a control sequence.
func printText(w io.Writer, s seen) error {
	var b bytes.Buffer
	r := s.result
	row(&b, "ran", strings.Join(append([]string{s.trial.shown}, s.trial.check.Args...), " "))
	row(&b, "state", r.State.String()+ended(r))
	row(&b, "text", r.Text)
	row(&b, "long", r.Long)
	row(&b, "took", r.Duration.Round(10*time.Microsecond).String())
	table(&b, r.Perfdata)
	list(&b, "warnings", r.Problems)
	if len(s.stderr) > 0 {
		list(&b, "stderr (not sent to the hub)", strings.Split(strings.TrimRight(check.Escape(s.stderr), "\r\n"), "\n"))
	}
	if s.trial.note != "" {
		fmt.Fprintf(&b, "\nnote: %s\n", s.trial.note)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// ended says how the run came to its state, where the state alone does not.
func ended(r check.Result) string {
	switch {
	case r.TimedOut:
		return " (timed out)"
	case r.Signal != "":
		return " (" + r.Signal + ")"
	case r.Exit == int(r.State):
		return ""
	case r.Exit < 0:
		return " (it did not start)"
	}
	return fmt.Sprintf(" (exit code %d)", r.Exit)
}

// row writes a name and its value, which may have several lines; nothing for an empty one.
func row(b *bytes.Buffer, name, value string) {
	if value == "" {
		return
	}
	for i, line := range strings.Split(value, "\n") {
		if i > 0 {
			name = ""
		}
		fmt.Fprintf(b, "%-7s %s\n", name, plain(line))
	}
}

func list(b *bytes.Buffer, title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s\n", title)
	for _, line := range lines {
		fmt.Fprintf(b, "  %s\n", plain(line))
	}
}

// table writes perfdata with aligned columns.
func table(b *bytes.Buffer, values []check.Perfdata) {
	if len(values) == 0 {
		return
	}
	rows := [][]string{{"LABEL", "VALUE", "UNIT", "WARN", "CRIT", "MIN", "MAX"}}
	for _, v := range values {
		value := number(v.Value)
		if math.IsNaN(v.Value) {
			value = "U"
		}
		rows = append(rows, []string{plain(v.Label), value, plain(v.Unit), plain(v.Warn), plain(v.Crit), number(v.Min), number(v.Max)})
	}
	widths := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, cell := range r {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	fmt.Fprint(b, "\nperfdata\n")
	for _, r := range rows {
		var line strings.Builder
		for i, cell := range r {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 1 { // numbers to the right
				line.WriteString("  " + pad + cell)
			} else {
				line.WriteString("  " + cell + pad)
			}
		}
		fmt.Fprintln(b, strings.TrimRight(line.String(), " "))
	}
}

func number(v float64) string {
	if math.IsNaN(v) {
		return ""
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// plain writes control characters as they would be written in Go; tabs stay.
func plain(s string) string {
	if !strings.ContainsFunc(s, control) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if control(r) {
			q := strconv.QuoteRune(r)
			b.WriteString(q[1 : len(q)-1])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func control(r rune) bool { return r == '\r' || r == '\n' || check.Unseen(r) }

// document is the JSON form; null stands for what is absent or could not be measured.
type document struct {
	Ran        string   `json:"ran"`
	Args       []string `json:"args"`
	State      string   `json:"state"`
	Exit       int      `json:"exit"`
	Signal     string   `json:"signal,omitempty"`
	TimedOut   bool     `json:"timed_out"`
	Truncated  bool     `json:"truncated"`
	Text       string   `json:"text"`
	Long       string   `json:"long"`
	DurationMs float64  `json:"duration_ms"`
	Perfdata   []value  `json:"perfdata"`
	Problems   []string `json:"problems"`
	Stderr     string   `json:"stderr"`
}

type value struct {
	Label string   `json:"label"`
	Value *float64 `json:"value"`
	Unit  string   `json:"unit"`
	Warn  string   `json:"warn"`
	Crit  string   `json:"crit"`
	Min   *float64 `json:"min"`
	Max   *float64 `json:"max"`
}

func printJSON(w io.Writer, s seen) error {
	r := s.result
	d := document{
		Ran: s.trial.shown, Args: append([]string{}, s.trial.check.Args...), State: r.State.String(), Exit: r.Exit, Signal: r.Signal,
		TimedOut: r.TimedOut, Truncated: r.Truncated, Text: r.Text, Long: r.Long, DurationMs: float64(r.Duration.Microseconds()) / 1000,
		Perfdata: []value{}, Problems: append([]string{}, r.Problems...), Stderr: check.Escape(s.stderr),
	}
	for _, p := range r.Perfdata {
		d.Perfdata = append(d.Perfdata, value{p.Label, known(p.Value), p.Unit, p.Warn, p.Crit, known(p.Min), known(p.Max)})
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(d)
}

func known(v float64) *float64 {
	if math.IsNaN(v) {
		return nil
	}
	return &v
}
