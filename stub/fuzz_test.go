package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/updater/boot"
)

// FuzzLinesOfACore: whatever a core says, it moves no release: of the record only what the hub may ask for changes.
func FuzzLinesOfACore(f *testing.F) {
	f.Add("ready 1.2.3\nalive\nchecks 1f 1ff\nhold\n")
	f.Add("follow stable 2.5\nfollow " + strings.Repeat("x", 300) + "\nresume\n")
	f.Add("checks 10000000000000000 -1\nchecks\nready\nready \x00\nhandover ff 5\ndrained\nhandover\n")
	f.Fuzz(func(t *testing.T, text string) {
		story := story{releases: []nature{healthy}}
		w := &world{facts: facts{published: 1}, story: story, choose: kept{}, power: begins(story), up: time.Minute, wall: dayOne}
		w.live()
		before := w.s.record
		for _, line := range strings.Split(text, "\n") {
			w.s.heard(event{number: w.s.core.number, line: line})
			w.settle()
		}
		after := w.s.record
		after.Hub, after.Sequence = before.Hub, before.Sequence
		if after != before || w.bad != "" {
			t.Fatalf("%+v became %+v: %s", before, after, w.bad)
		}
	})
}

// kept chooses nothing: the power stays, and nothing befalls.
type kept struct{}

func (kept) Choose(int) int { return 0 }

// FuzzReader: whatever comes, a line is one line and no longer than it may be.
func FuzzReader(f *testing.F) {
	f.Add([]byte("ready 1\nalive\n"), 1)
	f.Add([]byte(strings.Repeat("x", 5000)), 7)
	f.Add(bytes.Repeat([]byte("\n"), 300), 100)
	f.Fuzz(func(t *testing.T, data []byte, n int) {
		r := newReader(&inPieces{data, max(n, 1)}, func() time.Time { return time.Unix(1, 0) })
		for count := 1; ; count++ {
			line, err := r.next()
			if err != nil {
				return
			}
			if strings.Contains(line, "\n") || len(line) >= lineSize || count > lineRate {
				t.Fatalf("line %d is %q", count, line)
			}
		}
	})
}

// inPieces hands data out a few bytes at a time.
type inPieces struct {
	data []byte
	n    int
}

func (p *inPieces) Read(b []byte) (int, error) {
	if len(p.data) == 0 {
		return 0, errors.New("the end")
	}
	n := copy(b, p.data[:min(p.n, len(p.data))])
	p.data = p.data[n:]
	return n, nil
}

// FuzzRequest: a request changes what its owner wishes, the bars, or begins a trial of the release before; nothing else.
func FuzzRequest(f *testing.F) {
	for _, text := range []string{"hold", "resume", "pin 1.2.3", "follow beta", "rollback", "unbar " + strings.Repeat("ab", 32), "look", "pin " + strings.Repeat("x", 100)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		story := story{releases: []nature{healthy}}
		w := &world{facts: facts{published: 1}, story: story, choose: kept{}, power: begins(story), up: time.Minute, wall: dayOne}
		w.live()
		before := w.s.record
		w.s.request(strings.Fields(text))
		w.settle()
		after := w.s.record
		after.Owner, after.Sequence, after.Barred = before.Owner, before.Sequence, before.Barred
		if after != before || w.bad != "" {
			t.Fatalf("%q: %+v became %+v: %s", text, before, after, w.bad)
		}
		if data, err := boot.Encode(w.s.record); err != nil {
			t.Fatal(err)
		} else if again, err := boot.Decode(data); err != nil || again != w.s.record {
			t.Fatalf("%q: the record does not come back: %v", text, err)
		}
	})
}
