package buffer

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
)

// segment1 is the header of a segment of format 1.
func segment1(epoch, first uint64) []byte {
	b := append(appendSegmentHeader(nil, epoch, first, opening{time.UnixMilli(0), "boot", 0})[:segmentProven1], make([]byte, 8)...)
	copy(b, segmentMagic1)
	binary.LittleEndian.PutUint32(b[segmentProven1:], crc32.Checksum(b[:segmentProven1], castagnoli))
	return b
}

// framed1 is an item of format 1 that stands behind b.
func framed1(b []byte, epoch, seq uint64, payload []byte) []byte {
	h := []byte{marker, marker1, 1, 0}
	h = binary.LittleEndian.AppendUint32(h, uint32(len(payload)))
	h = binary.LittleEndian.AppendUint64(h, seq)
	h = binary.LittleEndian.AppendUint32(h, wire.Crc(payload))
	h = append(h, 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(h[20:], spot{epoch: epoch, offset: int64(len(b))}.crc1(h))
	return append(append(b, h...), payload...)
}

// TestFormat1Damaged drains what a core of format 1 left, damaged: "one" (acknowledged) and "two" in its first segment, "three" and "four" in its second, each of
// which begins with the mark of a run that was cut off.
func TestFormat1Damaged(t *testing.T) {
	tests := []struct {
		name   string
		damage func(t *testing.T, first, second string)
		want   []string
	}{
		{"a header", func(t *testing.T, _, second string) { flip(t, second, 30) }, []string{"two", "three", "four", "lost d"}},
		{"a header's version", func(t *testing.T, first, _ string) { flip(t, first, 7) }, []string{"two", "three", "four", "lost d"}},
		{"every header", func(t *testing.T, first, second string) { flip(t, first, 7); flip(t, second, 7) }, []string{"two", "three", "four", "lost d"}},
		{"a record's header", func(t *testing.T, _, second string) { flip(t, second, item1(t, second)+9) }, []string{"two", "four", "lost d", "gap corrupt 3-3"}},
		{"a payload", func(t *testing.T, _, second string) { flip(t, second, item1(t, second)+recordHeader1+1) }, []string{"two", "four", "lost d", "gap corrupt 3-3"}},
		{"torn at the end", func(t *testing.T, _, second string) { cut(t, second, 5) }, []string{"two", "three", "lost d"}},
		{"nothing but its header", func(t *testing.T, _, second string) { truncate(t, second, segmentHeader1) }, []string{"two"}},
		{"no segment", func(t *testing.T, first, _ string) { remove(t, first) }, []string{"three", "four", "lost d", "gap corrupt 2-2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := t.TempDir()
			if err := os.CopyFS(d, os.DirFS(goldens[0])); err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(d, folder(t, goldens[0]))
			tt.damage(t, filepath.Join(dir, segmentName(1)), filepath.Join(dir, segmentName(3)))
			for range 2 { // what is lost is stated once
				b := open(t, Options{Dir: d, MaxAge: 200 * 365 * 24 * time.Hour})
				expect(t, drain(t, b), tt.want...)
				b.Close()
				tt.want = nil
			}
		})
	}
}

// item1 is where the first item of a segment of format 1 stands.
func item1(t *testing.T, name string) int64 {
	t.Helper()
	data, err := os.ReadFile(name)
	at := bytes.Index(data, []byte{marker, marker1, 1, 0})
	if err != nil || at < 0 {
		t.Fatal(at, err)
	}
	return int64(at)
}

func truncate(t *testing.T, name string, size int) {
	t.Helper()
	edit(t, name, func(b []byte) []byte { return b[:size] })
}

func TestShowReadsFormat1(t *testing.T) {
	var text strings.Builder
	if err := Show(goldens[0], &text, ShowOptions{Records: true}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"4 records in 2 files", "3 wait for the hub", "two", "four", "a run began"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
	if strings.Contains(text.String(), "does not") {
		t.Errorf("damage in\n%s", text.String())
	}
}
