package main

import (
	"flag"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The golden files are the lines of contract 1: those of core.lines every core ever released may send, those of stub.lines every stub
// in the field does send, and no update reaches it. core/internal/control reads the same files.
const linesOfCore, linesOfStub = "testdata/contract-1/core.lines", "testdata/contract-1/stub.lines"

// watched is a world in which nothing fails, up to its first idle moment.
func watched(t *testing.T, releases ...nature) *world {
	t.Helper()
	s := story{releases: releases}
	return &world{
		facts: facts{published: 1}, story: s, choose: crashdisk.Kept{}, power: begins(s), up: time.Minute, wall: dayOne,
	}
}

// TestLinesOfOldCores: each line still means what it meant.
func TestLinesOfOldCores(t *testing.T) {
	data, err := os.ReadFile(linesOfCore)
	if err != nil {
		t.Fatal(err)
	}
	w := watched(t, healthy)
	w.live()
	s := w.s
	p := s.core
	p.watch, p.said, s.versions = watch{quiet: time.Minute, start: time.Second}, false, map[uint64]string{}
	meaning := map[string]func() bool{
		"ready 1.2.3": func() bool { return p.watch.ready && p.version == "1.2.3" && s.versions[1] == "1.2.3" },
		"alive":       func() bool { return p.watch.quiet == 0 },
		"checks 000000000000001f 00000000000000ff": func() bool {
			return p.said && p.holds == 0x1f && p.judged == 0xff && s.swap.session == w.up
		},
		"look":              func() bool { return len(s.looking.found) == 1 },
		"hold":              func() bool { return s.record.Hub.HoldSet && s.record.Hub.Hold },
		"resume":            func() bool { return !s.record.Hub.Hold },
		"follow beta":       func() bool { return s.record.Hub.ChannelSet && s.record.Hub.Channel == "beta" && !s.record.Hub.PinSet },
		"follow stable 2.5": func() bool { return s.record.Hub.Channel == "stable" && s.record.Hub.Pin == "2.5" },
		"handover 00ff 5":   func() bool { return true }, // below
		"drained":           func() bool { return true },
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	for _, line := range lines {
		s.heard(event{number: p.number, line: line})
		if means, ok := meaning[line]; !ok || !means() {
			t.Errorf("%q is not understood", line)
		}
	}
	if len(lines) != 10 {
		t.Errorf("%d lines", len(lines))
	}
	for line, file := range map[string]string{"handover 00ff 5": "activate 00ff\n", "drained": "activate\n"} {
		w := watched(t, healthy)
		w.live()
		old := w.s.core
		next := &fake{w: w, number: 99}
		w.s.swap.next, w.s.swap.handing = &process{number: 99, core: old.core, role: old.role, child: next, stdin: next, done: make(chan struct{})}, true
		w.said = nil
		w.s.heard(event{number: old.number, line: line})
		if w.s.core.number != 99 || !slices.Contains(w.said, file) {
			t.Errorf("%q: %q", line, w.said)
		}
		if line != "drained" && old.drainFor != 35*time.Second {
			t.Errorf("it may drain for %v", old.drainFor)
		}
	}
}

var nonce = regexp.MustCompile(`[0-9a-f]{32}\b`)

// TestLinesOfThisStub: what it says in an update, a broken release, a reload and a stop is what stubs of contract 1 say, and fields more.
func TestLinesOfThisStub(t *testing.T) {
	w := watched(t, healthy, deadLater, healthy)
	w.live()
	w.s.reload()
	w.settle()
	w.s.tell("stop restart 10")
	w.cores[len(w.cores)-1].gone = false
	w.s.stop()
	text := ""
	for _, line := range w.said {
		if word, rest, _ := strings.Cut(line, " "); word == "successor" {
			line = word + " " + nonce.ReplaceAllString(rest, "0123456789abcdef0123456789abcdef")
		}
		if !strings.Contains(text, line) {
			text += line
		}
	}
	if *update {
		if err := os.WriteFile(linesOfStub, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(linesOfStub)
	was, is := strings.Split(string(golden), "\n"), strings.Split(text, "\n")
	if err != nil || len(was) != len(is) {
		t.Fatalf("it says\n%s\nand said\n%s%v", text, golden, err)
	}
	for i := range was {
		for _, field := range strings.Fields(was[i]) {
			if !slices.Contains(strings.Fields(is[i]), field) {
				t.Errorf("%q is not said any more:\n%s", field, is[i])
			}
		}
	}
}

// TestWhatALifeCounts: each look once, each end of a core once, and for how long what drains may.
func TestWhatALifeCounts(t *testing.T) {
	w := watched(t, healthy, healthy)
	w.live()
	v := w.s.view()
	if v.looks < 2 || v.restarts != 0 || v.core.counter != 2 || v.newest != "9.9.2" || v.looked == 0 || v.trial != "" || v.phase != "" {
		t.Errorf("after an update: %+v", v)
	}
	looks, number := w.s.looking.looks, w.s.core.number
	w.s.lookNow()
	w.settle()
	if w.s.looking.looks != looks+1 {
		t.Errorf("%d looks, there were %d", w.s.looking.looks, looks)
	}
	for n := 1; n <= 2; n++ {
		for _, f := range w.cores {
			if f.number == w.s.core.number {
				f.end(platforms.Exit{Code: -1, Signal: 9})
			}
		}
		w.settle()
		if v := w.s.view(); v.restarts != n || v.core.pid != 0 || v.core.counter != 2 || v.last != "signal-9" || v.state != restarting {
			t.Errorf("killed for the %d. time: %+v", n, v)
		}
		w.s.again()
		w.settle()
		if v := w.s.view(); v.state != running || w.s.core.number != number+n {
			t.Errorf("started again for the %d. time: %+v", n, v)
		}
	}
}
