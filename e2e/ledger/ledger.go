//go:build unix

// Package ledger counts runs: plugins of its own write down on the box that they ran, each run with a word of its own, before they print the same
// word; what the hub's bus holds is held against that. It believes neither the agent nor the hub about the other.
package ledger

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/e2e/rig"
)

// plugin writes its word, takes its time, prints its word. It starts no process but for sleeping: two hundred of them run each second.
const plugin = `#!/bin/sh
read -r up rest </proc/uptime
word=$$-$up
echo "$word" >>%s/$LIMPET_CHECK
%secho "OK - word=$word | n=1"
`

// Ledger is what ran on one box.
type Ledger struct{ dir string }

// New makes the plugins below dir: check_fast, and check_slow, which takes so many seconds.
func New(dir, slow string) (*Ledger, error) {
	l := &Ledger{dir}
	for _, d := range []string{l.Plugins(), l.words()} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
	}
	for name, takes := range map[string]string{"check_fast": "", "check_slow": "sleep " + slow + "\n"} {
		if err := os.WriteFile(filepath.Join(l.Plugins(), name), fmt.Appendf(nil, plugin, l.words(), takes), 0o755); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// Plugins is the folder for the box file's plugin_dirs.
func (l *Ledger) Plugins() string { return filepath.Join(l.dir, "plugins") }

func (l *Ledger) words() string { return filepath.Join(l.dir, "words") }

// Checks is a document of checks that run every second: so many quick ones, so many slow ones.
func Checks(fast, slow int) string {
	var b strings.Builder
	b.WriteString("defaults: false\nchecks:\n")
	for i := range fast {
		fmt.Fprintf(&b, "  - {name: fast-%03d, plugin: check_fast, every: 1s, timeout: 20s}\n", i)
	}
	for i := range slow {
		fmt.Fprintf(&b, "  - {name: slow-%03d, plugin: check_slow, every: 1s, timeout: 20s}\n", i)
	}
	return b.String()
}

// Began is how many checks have run at least once.
func (l *Ledger) Began() int {
	files, _ := os.ReadDir(l.words())
	return len(files)
}

// Ran is how many runs there were.
func (l *Ledger) Ran() (n int) {
	all, _ := l.ran()
	for _, words := range all {
		n += len(words)
	}
	return n
}

// Run is one result on the bus.
type Run struct {
	Check   string
	Text    string
	Start   time.Time
	Due     time.Time
	Trigger string
	Epoch   string
	Seq     uint64
}

// Tally is what a count came to.
type Tally struct {
	Ran, Arrived int
	Told         int      // runs that the bus says were cut off
	Lost         []string // ran, are not on the bus, and nobody says that they were cut off; of a check's missing ones the later ones
	Doubled      []string // are on the bus more than once
	Strange      []string // are on the bus and never ran
	Runs         []Run    // everything on the bus, in its order
}

// behind is how far the hub's log may be behind its bus.
const behind = 15 * time.Second

// Count holds what ran against what the bus got of the agent in the last while. Nothing may run any more. What is lost is looked for until the log has had
// the time to tell of it.
func (l *Ledger) Count(ctx context.Context, hub *rig.Hub, agent string, back time.Duration) (t Tally, err error) {
	for end := time.Now().Add(behind); ; <-time.After(time.Second) {
		if t, err = l.CountWith(ctx, hub, agent, back, new(Told)); err != nil || len(t.Lost) == 0 || time.Now().After(end) {
			return t, err
		}
	}
}

// CountWith is Count where the hub was asked now and then what was cut off, because its log is longer than it shows at once.
func (l *Ledger) CountWith(ctx context.Context, hub *rig.Hub, agent string, back time.Duration, told *Told) (Tally, error) {
	var t Tally
	arrived := map[string]map[string]int{} // by check and word
	err := hub.Every(ctx, agent, back, func(line []byte) error {
		var r Run
		if err := json.Unmarshal(line, &r); err != nil {
			return err
		}
		t.Runs = append(t.Runs, r)
		if _, word, ok := strings.Cut(r.Text, "word="); ok {
			if arrived[r.Check] == nil {
				arrived[r.Check] = map[string]int{}
			}
			arrived[r.Check][word]++
		}
		return nil
	})
	if err != nil {
		return t, err
	}
	if err := told.Look(ctx, hub, agent); err != nil {
		return t, err
	}
	ran, err := l.ran()
	if err != nil {
		return t, err
	}
	boot, err := booted()
	if err != nil {
		return t, err
	}
	for check, words := range ran {
		t.add(check, words, arrived[check], told.runs[check], boot)
		delete(arrived, check)
	}
	for check := range arrived {
		t.Strange = append(t.Strange, check)
	}
	return t, nil
}

// add counts one check. boot is what the words' times are from.
func (t *Tally) add(check string, ran []string, arrived map[string]int, told []time.Time, boot time.Time) {
	t.Ran += len(ran)
	t.Told += len(told)
	var missing []string
	known := make(map[string]bool, len(ran))
	for _, word := range ran {
		known[word] = true
		if arrived[word] == 0 {
			missing = append(missing, word)
		}
	}
	for _, word := range untold(missing, told, boot) {
		t.Lost = append(t.Lost, check+" "+word)
	}
	for word, n := range arrived {
		t.Arrived++
		if n > 1 {
			t.Doubled = append(t.Doubled, check+" "+word)
		}
		if !known[word] {
			t.Strange = append(t.Strange, check+" "+word)
		}
	}
}

// A run writes its word this long after the start that the bus has of it, at most, in a box that has much else to do; clocks differ by less than skew.
const (
	wordWithin = 10 * time.Second
	skew       = 250 * time.Millisecond
)

// untold are those words that no run wrote of which the bus says that it was cut off. Such a run may have been cut off before its word.
func untold(words []string, told []time.Time, boot time.Time) []string {
	at := func(word string) time.Time { return boot.Add(When(word)) }
	slices.SortFunc(words, func(a, b string) int { return at(a).Compare(at(b)) })
	slices.SortFunc(told, time.Time.Compare)
	for _, start := range told {
		i := slices.IndexFunc(words, func(w string) bool { return !at(w).Before(start.Add(-skew)) })
		if i >= 0 && at(words[i]).Before(start.Add(wordWithin)) {
			words = slices.Delete(words, i, i+1)
		}
	}
	return words
}

// Uptime is the clock of the words.
func Uptime() (time.Duration, error) {
	text, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return 0, err
	}
	up, _, _ := strings.Cut(string(text), " ")
	seconds, err := strconv.ParseFloat(up, 64)
	return time.Duration(seconds * float64(time.Second)), err
}

// When says when a run wrote its word, by Uptime; what of a Tally's lists names its check before the word.
func When(word string) time.Duration {
	up, _ := strconv.ParseFloat(word[strings.LastIndexByte(word, '-')+1:], 64)
	return time.Duration(up * float64(time.Second))
}

// booted is when this machine's uptime began: the earliest of some looks, as between the two clocks this process may be made to wait.
func booted() (time.Time, error) {
	var first time.Time
	for range 5 {
		up, err := Uptime()
		if err != nil {
			return time.Time{}, err
		}
		if at := time.Now().Add(-up); first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first, nil
}

// ran reads the words that plugins wrote, by check, in the order in which they ran.
func (l *Ledger) ran() (map[string][]string, error) {
	files, err := os.ReadDir(l.words())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	all := map[string][]string{}
	for _, f := range files {
		file, err := os.Open(filepath.Join(l.words(), f.Name()))
		if err != nil {
			return nil, err
		}
		var words []string
		for lines := bufio.NewScanner(file); lines.Scan(); {
			words = append(words, lines.Text())
		}
		file.Close()
		all[f.Name()] = words
	}
	return all, nil
}

// Told is what a hub's log said of runs of an agent that were cut off.
type Told struct {
	seen map[string]bool
	runs map[string][]time.Time // their starts, by check
}

// Look reads the newest part of the log. It has to come often enough that no part is left out: an error says that it did not.
func (t *Told) Look(ctx context.Context, hub *rig.Hub, agent string) error {
	var log []struct {
		ID, Kind, Fingerprint, Check string
		At                           time.Time
	}
	if err := hub.Get(ctx, "/api/v1/log?limit=1000", &log); err != nil {
		return err
	}
	known := false
	for _, e := range log {
		known = known || t.seen[e.ID]
	}
	if len(log) == 1000 && !known {
		return errors.New("count lost runs: the hub's log is longer than it shows at once")
	}
	if t.seen == nil {
		t.seen, t.runs = map[string]bool{}, map[string][]time.Time{}
	}
	for _, e := range log {
		if !t.seen[e.ID] && e.Kind == "lost-run" && e.Fingerprint == agent {
			t.runs[e.Check] = append(t.runs[e.Check], e.At)
		}
		t.seen[e.ID] = true
	}
	return nil
}

// Settle waits until the agent runs nothing any more and has brought everything to the hub. The checks must have been taken away.
func Settle(ctx context.Context, r *rig.Rig, a *rig.Agent) error {
	return rig.AwaitPatiently(ctx, "an empty buffer", func(ctx context.Context) (bool, error) {
		out, _ := r.Run(ctx, "limpet", "status", "--json", "--root", a.Root)
		var st struct {
			Core *struct {
				Buffer   struct{ Pending, Foreign uint64 }
				Schedule struct{ Checks, Running int }
			}
		}
		if json.Unmarshal([]byte(out), &st) != nil || st.Core == nil {
			return false, nil
		}
		b, s := st.Core.Buffer, st.Core.Schedule
		return b.Pending == 0 && b.Foreign == 0 && s.Checks == 0 && s.Running == 0, nil
	})
}
