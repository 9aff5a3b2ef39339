package logfile

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkRead looks through 16 MiB of lines as a web server writes them.
func BenchmarkRead(b *testing.B) {
	line := []byte("192.0.2.7 - - [26/Nov/2026:14:22:38 +0000] \"GET /index.html HTTP/1.1\" 200 5120 \"-\" \"Mozilla/5.0\"\n")
	text := bytes.Repeat(line, 16<<20/len(line))
	path := filepath.Join(b.TempDir(), "log")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		b.Fatal(err)
	}
	o, err := parse([]string{"-F", path, "-q", "ERROR", "-q", " 50[0-9] ", "--from-start"})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		s := &scan{options: o, left: maxRead}
		if _, err := s.follow(b.Context(), state{}, true); err != nil {
			b.Fatal(err)
		}
	}
}
