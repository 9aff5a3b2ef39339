package plugin

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/limpet-monitoring/limpet/core/check"
)

// A busy box may let the readers run only when their time is up: what the plugin has said by then is not lost, and nobody is blamed for holding its output.
func TestReadersThatComeLate(t *testing.T) {
	for name, c := range map[string]struct {
		said  string
		limit int
		held  bool
	}{
		"a word":                   {"said in time", MaxOutput, false},
		"held by somebody":         {"said in time", MaxOutput, true},
		"more than is kept":        {strings.Repeat("x", 3000), 1000, false},
		"a full pipe":              {strings.Repeat("y", 60_000), MaxOutput, false},
		"nothing":                  {"", MaxOutput, false},
		"nothing, still held":      {"", MaxOutput, true},
		"exactly what can be kept": {strings.Repeat("z", 1000), 1000, false},
		"half a character at last": {strings.Repeat("é", 2000) + "\xc3", MaxOutput, true},
		"no text":                  {strings.Repeat("\xff", 3000), 1000, false},
	} {
		t.Run(name, func(t *testing.T) {
			var ends [2]readEnd
			for i := range ends {
				r, w, err := newPipe()
				if err != nil {
					t.Fatal(err)
				}
				ends[i] = r
				if _, err := unix.Write(int(w), []byte(c.said)); err != nil {
					t.Fatal(err)
				}
				if c.held {
					defer w.close()
				} else {
					w.close()
				}
			}
			s := newStreams(ends[0], ends[1], c.limit, nil)
			for _, x := range []*stream{s.stdout, s.stderr} {
				x.pipe = x.end.file()
				if err := x.pipe.SetReadDeadline(time.Now()); err != nil {
					t.Fatal(err)
				}
				go x.read()
			}
			stdout, stderr, ended := s.take()
			if string(stdout.data) != escaped(c.said, c.limit) || stdout.within()+stdout.dropped != int64(len(c.said)) || stderr.within()+stderr.dropped != int64(len(c.said)) {
				t.Errorf("stdout %d bytes, %d passed, %d dropped; stderr %d, %d, %d; want all %d", len(stdout.data), stdout.passed, stdout.dropped, len(stderr.data), stderr.passed, stderr.dropped, len(c.said))
			}
			if ended == c.held {
				t.Errorf("ended %v", ended)
			}
		})
	}
}

// escaped is what is kept of an output.
func escaped(s string, limit int) string {
	n, _ := check.Within([]byte(s), limit)
	return check.Escape([]byte(s[:n]))
}

// However the pieces come, what is kept and what is passed on is what comes of the whole, each piece of whole characters.
func TestPiecesAreEscapedAsTheWhole(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	words := []string{"a", "é", "€", "𝄞", "\x00", "\xff", "\xe2\x82", "\xf0\x9d\x84", "\n", "plain words "}
	for range 2000 {
		var said []byte
		for range rnd.IntN(60) {
			said = append(said, words[rnd.IntN(len(words))]...)
		}
		s := &stream{limit: 1 + rnd.IntN(200)}
		s.most = 1 + rnd.IntN(s.limit)
		var told strings.Builder
		s.out = func(_ bool, data []byte) {
			if !utf8.Valid(data) || len(data) == 0 {
				t.Errorf("%q is told", data)
			}
			told.Write(data)
		}
		for rest := said; len(rest) > 0; {
			n := 1 + rnd.IntN(len(rest))
			s.takeIn(append(make([]byte, maxHalf), rest[:n]...), n, false)
			rest = rest[n:]
		}
		got := s.take()
		if want := escaped(string(said), s.most); string(got.data) != want {
			t.Fatalf("of %q %q is kept, want %q", said, got.data, want)
		}
		if all := check.Escape(said); !strings.HasPrefix(all, told.String()) || len(all) > s.limit && told.Len() > s.limit || len(all) <= s.most && told.String() != all {
			t.Fatalf("of %q %q is told, limits %d and %d", said, told.String(), s.most, s.limit)
		}
		if got.within()+got.dropped != int64(len(said)) || len(check.Escape(said[:got.kept])) != len(got.data) {
			t.Fatalf("of %d bytes %d are kept, %d passed, %d dropped", len(said), got.kept, got.passed, got.dropped)
		}
	}
}
