package plugin

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
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
			if string(stdout.data) != c.said[:min(len(c.said), c.limit)] || stdout.within()+stdout.dropped != int64(len(c.said)) || stderr.within()+stderr.dropped != int64(len(c.said)) {
				t.Errorf("stdout %d bytes, %d passed, %d dropped; stderr %d, %d, %d; want all %d", len(stdout.data), stdout.passed, stdout.dropped, len(stderr.data), stderr.passed, stderr.dropped, len(c.said))
			}
			if ended == c.held {
				t.Errorf("ended %v", ended)
			}
		})
	}
}
