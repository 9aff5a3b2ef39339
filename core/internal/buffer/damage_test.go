package buffer

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/core/wire/alike"
)

// TestDamageKeepsWhatIsReadable damages a closed generation of ten results in segments of about three,
// and drains it.
func TestDamageKeepsWhatIsReadable(t *testing.T) {
	tests := []struct {
		name   string
		damage func(t *testing.T, segments []string)
		want   func(all []string) []string
	}{
		{"none", func(*testing.T, []string) {}, func(all []string) []string { return all }},
		{"a bit in a payload", func(t *testing.T, s []string) { flip(t, s[0], segmentHeader+recordHeader+4) },
			func(all []string) []string { return append(all[1:], "gap corrupt 1-1") }},
		{"a bit in a length", func(t *testing.T, s []string) { flip(t, s[0], segmentHeader+4) },
			func(all []string) []string { return append(all[1:], "gap corrupt 1-1") }},
		{"a segment's header", func(t *testing.T, s []string) { flip(t, s[1], 3) }, func(all []string) []string { return all }},
		{"the end of a segment in the middle", func(t *testing.T, s []string) { cut(t, s[0], 5) },
			func(all []string) []string { return slices.Concat(all[:2], all[3:], []string{"gap corrupt 3-3"}) }},
		{"a segment in the middle missing", func(t *testing.T, s []string) { remove(t, s[1]) },
			func(all []string) []string { return slices.Concat(all[:3], all[6:], []string{"gap corrupt 4-6"}) }},
		{"a segment in the middle empty", func(t *testing.T, s []string) { os.Truncate(s[1], 0) },
			func(all []string) []string { return slices.Concat(all[:3], all[6:], []string{"gap corrupt 4-6"}) }},
		{"the first segment missing", func(t *testing.T, s []string) { remove(t, s[0]) },
			func(all []string) []string { return slices.Concat(all[3:], []string{"gap corrupt 1-3"}) }},
		{"torn at the end", func(t *testing.T, s []string) { cut(t, s[3], 5) }, func(all []string) []string { return all[:9] }},
		{"zeroes at the end", func(t *testing.T, s []string) { grow(t, s[3], make([]byte, 5000)) }, func(all []string) []string { return all }},
		{"a segment's content moved", func(t *testing.T, s []string) { copyTo(t, s[0], s[1]) },
			func(all []string) []string { return slices.Concat(all[:3], all[6:], []string{"gap corrupt 4-6"}) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := t.TempDir()
			b := open(t, Options{Dir: d, SegmentBytes: 170})
			for _, text := range texts("a", 10) { // each of a check of its own: whole
				if err := b.Append(result(text, text)); err != nil {
					t.Fatal(err)
				}
			}
			batch, err := b.Next(b.Live(), 1)
			if err != nil || batch == nil {
				t.Fatal(err)
			}
			if _, err := b.Resume(b.Live(), 0, 0); err != nil { // the cursor is known: 0
				t.Fatal(err)
			}
			name := generationName(b.Live())
			b.Close()
			segments, _ := filepath.Glob(filepath.Join(d, name, "*.seg"))
			if len(segments) != 4 {
				t.Fatalf("%d segments", len(segments))
			}
			writeCursor(t, filepath.Join(d, name), cursor{count: 1})
			tt.damage(t, segments)
			b = open(t, Options{Dir: d})
			expect(t, drain(t, b), tt.want(texts("a", 10))...)
			b.Close()
			b = open(t, Options{Dir: d})
			expect(t, drain(t, b)) // stated once
			b.Close()
		})
	}
}

// framed is a record that will stand there.
func framed(b []byte, kind byte, at spot, seq uint64, payload []byte) []byte {
	h := head{kind: kind, seq: seq, length: len(payload), crc: wire.Crc(payload)}
	return append(appendHead(b, h, at), payload...)
}

func flip(t *testing.T, name string, at int64) {
	t.Helper()
	edit(t, name, func(b []byte) []byte { b[at] ^= 4; return b })
}

func cut(t *testing.T, name string, n int) {
	t.Helper()
	edit(t, name, func(b []byte) []byte { return b[:len(b)-n] })
}

func grow(t *testing.T, name string, with []byte) {
	t.Helper()
	edit(t, name, func(b []byte) []byte { return append(b, with...) })
}

func copyTo(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	edit(t, to, func([]byte) []byte { return data })
}

func remove(t *testing.T, name string) {
	t.Helper()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
}

func edit(t *testing.T, name string, change func([]byte) []byte) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err == nil {
		err = os.WriteFile(name, change(data), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func writeCursor(t *testing.T, dir string, c cursor) {
	t.Helper()
	data := make([]byte, cursorSize)
	copy(data[cursorSpacing:], c.bytes())
	if err := os.WriteFile(filepath.Join(dir, cursorName), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDamagedCursorSendsAgain(t *testing.T) {
	d := t.TempDir()
	b := open(t, Options{Dir: d})
	add(t, b, texts("a", 3)...)
	epoch := b.Live()
	drain(t, b)
	b.Close()
	edit(t, filepath.Join(d, generationName(epoch), cursorName), func(b []byte) []byte { return bytes.Repeat([]byte{7}, len(b)) })
	b = open(t, Options{Dir: d})
	defer b.Close()
	expect(t, drain(t, b), texts("a", 3)...)
}

func TestCursorTakesTheNewerSlotThatHolds(t *testing.T) {
	data := make([]byte, cursorSize)
	copy(data, cursor{count: 4, acked: 40, crc: 9, crcOK: true}.bytes())
	copy(data[cursorSpacing:], cursor{count: 5, acked: 50, settled: true}.bytes())
	if c, ok := parseCursor(data); !ok || c != (cursor{count: 5, acked: 50, settled: true, slot: 1}) {
		t.Errorf("cursor %+v", c)
	}
	data[cursorSpacing+20] ^= 1
	if c, ok := parseCursor(data); !ok || c != (cursor{count: 4, acked: 40, crc: 9, crcOK: true}) {
		t.Errorf("cursor with the newer slot torn %+v", c)
	}
	data[3] ^= 1
	if _, ok := parseCursor(data); ok {
		t.Error("a cursor without a slot that holds")
	}
}

// TestOutputThatLooksLikeARecordIsNone has a plugin print a whole record, and damages what is before it.
func TestOutputThatLooksLikeARecordIsNone(t *testing.T) {
	d := t.TempDir()
	b := open(t, Options{Dir: d})
	forged, err := wire.Marshal(&wire.Item{Seq: 2, Kind: result("c", "forged").Kind})
	if err != nil {
		t.Fatal(err)
	}
	// The best a plugin can do: the right epoch and seq, at a place it guesses.
	inner := framed(nil, kindItem, spot{b.Live(), 1, segmentHeader}, 2, forged)
	add(t, b, strings.ToValidUTF8("before", ""))
	payload, err := wire.Marshal(&wire.Item{Kind: &wire.Item_Event{Event: &wire.Event{Kind: "x"}}})
	if err != nil {
		t.Fatal(err)
	}
	payload = append(append(payload, 0x7a, byte(len(inner))), inner...) // a field of a newer version, with bytes of any kind
	done := make(chan error, 1)
	b.k.do(func() {
		b.k.append(handed{item: item{payload: payload}, done: func(_ uint64, err error) { done <- err }})
	})
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	add(t, b, "behind")
	epoch := b.Live()
	b.Close()
	name := filepath.Join(d, generationName(epoch), segmentName(1))
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	second := segmentHeader + recordHeader + int(data[segmentHeader+2])
	flip(t, name, int64(second)+5)
	b = open(t, Options{Dir: d})
	defer b.Close()
	expect(t, drain(t, b), "before", "behind", "gap corrupt 2-2")
}

// FuzzScan reads any bytes as a segment: it ends, goes forward, and gives only what proves itself.
func FuzzScan(f *testing.F) {
	const epoch = 1 << 40
	var seg []byte
	seg = appendSegmentHeader(seg, epoch, 1, opening{time.UnixMilli(0), "boot", 0})
	for seq := range uint64(3) {
		seg = framed(seg, kindItem, spot{epoch, 1, int64(len(seg))}, seq+1, bytes.Repeat([]byte("r"), 30))
	}
	for seq := range uint64(2) {
		payload := append(bytes.Repeat([]byte("r"), 29), byte('a'+seq))
		h := head{kind: kindItem, seq: seq + 4, base: segmentHeader, crc: wire.Crc(payload)}
		diff := alike.Encode(nil, bytes.Repeat([]byte("r"), 30), payload)
		h.length = len(diff)
		seg = append(appendHead(seg, h, spot{epoch, 1, int64(len(seg))}), diff...)
	}
	f.Add(seg)
	f.Add(seg[:len(seg)-3])
	f.Add(append(bytes.Clone(seg[:70]), seg[60:]...))
	f.Add([]byte(segmentMagic))
	f.Add(framed1(framed1(segment1(epoch, 1), epoch, 1, []byte("one")), epoch, 2, []byte("two")))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := newScan(bytes.NewReader(data), int64(len(data)), epoch, 1)
		at, last := int64(0), uint64(0)
		for r, ok := s.next(); ok; r, ok = s.next() {
			if r.offset < at || r.end() > int64(len(data)) || r.kind == kindItem && r.seq <= last {
				t.Fatalf("record at %d to %d, seq %d, after %d, seq %d", r.offset, r.end(), r.seq, at, last)
			}
			if r.base == 0 && !bytes.Equal(r.raw, data[r.offset+int64(r.size):r.end()]) || wire.Crc(r.raw) != r.crc {
				t.Fatalf("record at %d is not what stands there", r.offset)
			}
			at = r.end()
			if r.kind == kindItem {
				last = r.seq
			}
		}
	})
}

// FuzzCursor reads any bytes as a cursor.
func FuzzCursor(f *testing.F) {
	f.Add(cursor{count: 1, acked: 2}.bytes())
	f.Add(make([]byte, cursorSize))
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, ok := parseCursor(data); ok && !bytes.Contains(data, c.bytes()[:4]) {
			t.Fatalf("cursor %+v from nothing", c)
		}
	})
}
