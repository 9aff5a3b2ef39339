package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/updater/boot"
)

const (
	recordEvery = 20 * time.Millisecond // a step of the record is seen, however short
	hubEvery    = 250 * time.Millisecond
	pullEvery   = 5 * time.Second // 100 results a check and second are kept by then
)

// watch follows one update from the look to its end.
type watch struct {
	*demo
	release release
	record  boot.Record // seen last
	first   boot.Record
	seen    []agentView
	runs    runs
	log     *tail
}

// watch begins to look; what happened before does not count.
func (d *demo) watch(r release) (*watch, error) {
	w := &watch{demo: d, release: r, runs: runs{}}
	w.record, _ = d.record()
	w.first = w.record
	var err error
	w.log, err = openTail(filepath.Join(d.layout.Log, "core.log"))
	return w, err
}

// until follows until done says so or the time is up.
func (w *watch) until(ctx context.Context, within time.Duration, what string, done func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	record, hub, pull := time.NewTicker(recordEvery), time.NewTicker(hubEvery), time.NewTicker(pullEvery)
	defer record.Stop()
	defer hub.Stop()
	defer pull.Stop()
	for {
		select {
		case <-record.C:
			w.step()
			if done() {
				return w.collect(ctx)
			}
		case <-hub.C:
			w.presence(ctx)
			if done() {
				return w.collect(ctx)
			}
		case <-pull.C:
			if err := w.collect(ctx); err != nil && ctx.Err() == nil {
				w.say("hub: %v", err)
			}
		case <-ctx.Done():
			return fmt.Errorf("%s: not within %s", what, within)
		}
	}
}

// step prints what the record and the core's log say since the last one: the record first, which is written before anything is done.
func (w *watch) step() {
	w.stepRecord()
	for _, line := range w.log.lines() {
		if text := phase(line); text != "" {
			w.say("%s", text)
		}
	}
}

func (w *watch) stepRecord() {
	now, found := w.demo.record()
	if !found || now.Sequence <= w.record.Sequence {
		return
	}
	for _, text := range steps(w.record, now) {
		w.say("%s", text)
	}
	w.record = now
}

// steps says what happened between two records, in SWAP's words.
func steps(was, is boot.Record) []string {
	var out []string
	if !is.Trial.None() && is.Trial != was.Trial {
		out = append(out, fmt.Sprintf("STAGE: %s (release %d) lies in ver/, %d tries", short(is.Trial.Hash), is.Trial.Counter, is.Tries))
	}
	if !is.Trial.None() && (is.Trial == was.Trial && is.Starts > was.Starts || is.Trial != was.Trial && is.Starts > 0) {
		out = append(out, fmt.Sprintf("START: the trial starts beside good, start %d", is.Starts))
	}
	if !is.Trial.None() && is.Trial == was.Trial && is.Tries < was.Tries {
		out = append(out, fmt.Sprintf("FAIL: a verdict against the trial, %d tries left; good runs", is.Tries))
	}
	ended := false
	for _, b := range is.Barred {
		if b != (boot.Bar{}) && !slices.Contains(was.Barred[:], b) {
			out, ended = append(out, fmt.Sprintf("REJECT: %s is barred on this box: %s", short(b.Hash), b.Reason)), true
		}
	}
	for _, a := range is.Aside {
		if a != (boot.Aside{}) && !slices.Contains(was.Aside[:], a) {
			out, ended = append(out, fmt.Sprintf("SET ASIDE: %s until %s", short(a.Hash), time.Unix(a.Until, 0).UTC().Format(time.RFC3339))), true
		}
	}
	switch {
	case is.Good == was.Trial && !was.Trial.None():
		out = append(out, fmt.Sprintf("COMMIT: %s is good, %s is previous", short(is.Good.Hash), short(is.Previous.Hash)))
	case is.Good == was.Previous && is.Good != was.Good:
		out = append(out, fmt.Sprintf("DEMOTE: %s runs again", short(is.Good.Hash)))
	case is.Trial.None() && !was.Trial.None() && !ended:
		out = append(out, "DROP: the trial is given up, nothing is held against it")
	}
	return out
}

// verdicts counts in the box's history what was held against the release. The record alone may take two steps between two looks.
func (w *watch) verdicts(ctx context.Context) (int, error) {
	text, err := w.run(ctx, "limpet", "history", "--root", w.layout.Root)
	return countFails(text, hex.EncodeToString(w.release.hash[:])), err
}

func countFails(history, hash string) int {
	n := 0
	for line := range strings.Lines(history) {
		if f := strings.Fields(line); len(f) > 1 && f[1] == "fail" && slices.Contains(f, "hash="+hash) {
			n++
		}
	}
	return n
}

// phases are the lines of a core's log that show a swap, and what to say for them.
var phases = []struct{ msg, text string }{
	{`msg="core starts"`, "a core starts"},
	{`msg="stands by"`, "the trial stands by"},
	{`msg="hands over"`, "drain: the old core schedules nothing any more and hands over"},
	{`msg=schedules `, "activate: the new core schedules"},
	{`msg="core ends"`, "a core ends"},
	{"broken on purpose", ""},
}

func phase(line string) string {
	for _, p := range phases {
		if strings.Contains(line, p.msg) {
			if p.text == "" {
				return "core.log: " + line
			}
			if _, version, ok := strings.Cut(line, "version="); ok {
				return p.text + ": " + strings.Fields(version)[0]
			}
			return p.text
		}
	}
	return ""
}

// presence asks the hub how it sees the agent.
func (w *watch) presence(ctx context.Context) {
	a, err := w.hub.agent(ctx, w.agent)
	if err != nil {
		return // a hub that is gone on purpose
	}
	if len(w.seen) > 0 && w.seen[len(w.seen)-1] == a {
		return
	}
	w.seen = append(w.seen, a)
	cause := ""
	if a.Cause != "" {
		cause = " (" + a.Cause + ")"
	}
	w.say("hub: agent is %s%s, core %s (%.12s)", a.Presence, cause, a.CoreVersion, a.CoreHash)
}

// neverLost reports whether the hub saw the agent all the time.
func (w *watch) neverLost() bool {
	return !slices.ContainsFunc(w.seen, func(a agentView) bool { return a.Presence == "offline" })
}

// hubSees reports whether the hub says that a core runs.
func (w *watch) hubSees(hash [32]byte) bool {
	return len(w.seen) > 0 && w.seen[len(w.seen)-1].Presence == "online" && strings.HasPrefix(w.seen[len(w.seen)-1].CoreHash, short(hash))
}

// collect brings the results of the checks that measure.
func (w *watch) collect(ctx context.Context) error {
	for i := range ticks {
		list, err := w.hub.results(ctx, w.agent, tick(i))
		if err != nil {
			return fmt.Errorf("results of %s: %w", tick(i), err)
		}
		w.runs.add(list)
	}
	return nil
}

func barred(r boot.Record, c release) bool {
	return slices.ContainsFunc(r.Barred[:], func(b boot.Bar) bool { return b.Hash == c.hash })
}

func aside(r boot.Record, c release) bool {
	return slices.ContainsFunc(r.Aside[:], func(a boot.Aside) bool { return a.Hash == c.hash })
}

// tail reads what is added to a file that is rotated by copy and truncate.
type tail struct {
	name string
	at   int64
	part string // a line without its end yet
}

func openTail(name string) (*tail, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	return &tail{name: name, at: info.Size()}, nil
}

// lines are those that were finished since the last call.
func (t *tail) lines() []string {
	f, err := os.Open(t.name)
	if err != nil {
		return nil
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() < t.at {
		t.at, t.part = 0, ""
	}
	if _, err := f.Seek(t.at, io.SeekStart); err != nil {
		return nil
	}
	var out []string
	r := bufio.NewReader(f)
	for {
		text, err := r.ReadString('\n')
		t.at += int64(len(text))
		if err != nil {
			t.part += text
			return out
		}
		out = append(out, t.part+strings.TrimRight(text, "\n"))
		t.part = ""
	}
}
