package boot

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

func sample(counter uint64) Core {
	return Core{Counter: counter, Length: int64(counter) * 1000, Hash: sha256.Sum256([]byte{byte(counter)})}
}

func full() Record {
	r := Record{
		Sequence: 1<<40 + 7, Good: sample(41), Previous: sample(40), Trial: sample(42), Factory: sample(3),
		Tries: 2, Starts: 5, Committed: 1_790_000_000, Floor: 12, TimeFloor: 1_790_000_100, Baseline: 0xF00000000000001F,
		Owner: Wish{ChannelSet: true, Channel: "beta", HoldSet: true, Hold: true},
		Hub:   Wish{PinSet: true, Pin: "1.2.3", HoldSet: true, ChannelSet: true},
	}
	for i := range r.Barred {
		c := sample(uint64(50 + i))
		r.Barred[i] = Bar{c.Hash, c.Counter, Reason(i%6 + 1)}
	}
	for i := range 3 {
		c := sample(uint64(70 + i))
		r.Aside[i] = Aside{c.Hash, c.Counter, 1_790_086_400 + int64(i)}
	}
	return r
}

// The golden files are what boxes in the field have on disk: Decode reads them for ever.
func TestGolden(t *testing.T) {
	for name, r := range map[string]Record{
		"first.rec": {Sequence: 1, Good: sample(3), Factory: sample(3), Floor: 2, TimeFloor: 1_790_000_000},
		"full.rec":  full(),
	} {
		path := filepath.Join("testdata", name)
		b, err := Encode(r)
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(path, b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		golden, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b, golden) {
			t.Errorf("%s: Encode writes something else", name)
		}
		if got, err := Decode(golden); err != nil || got != r {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
}

// seal puts the right checksum on a sector.
func seal(b []byte) []byte {
	sum := sha256.Sum256(b[:checksum])
	copy(b[checksum:], sum[:])
	return b
}

func TestDecodeRefuses(t *testing.T) {
	good, err := Encode(full())
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]func(b []byte) []byte{
		"empty":             func(b []byte) []byte { return nil },
		"short":             func(b []byte) []byte { return b[:Size-1] },
		"long":              func(b []byte) []byte { return append(b, 0) },
		"zeros":             func(b []byte) []byte { return make([]byte, Size) },
		"zeros, sealed":     func(b []byte) []byte { return seal(make([]byte, Size)) },
		"torn":              func(b []byte) []byte { copy(b[2048:], make([]byte, 2048)); return b },
		"checksum":          func(b []byte) []byte { b[atSequence]++; return b },
		"next format":       func(b []byte) []byte { b[atFormat] = 2; return seal(b) },
		"no sequence":       func(b []byte) []byte { copy(b[atSequence:], make([]byte, 8)); return seal(b) },
		"unused byte":       func(b []byte) []byte { b[3000] = 1; return seal(b) },
		"core, no counter":  func(b []byte) []byte { copy(b[atCores:], make([]byte, 8)); return seal(b) },
		"core, no length":   func(b []byte) []byte { copy(b[atCores+8:], make([]byte, 8)); return seal(b) },
		"core, negative":    func(b []byte) []byte { b[atCores+15] = 0x80; return seal(b) },
		"time, negative":    func(b []byte) []byte { b[atTimes+7] = 0x80; return seal(b) },
		"gap in the barred": func(b []byte) []byte { copy(b[atBarred+48:], make([]byte, 48)); return seal(b) },
		"unknown reason":    func(b []byte) []byte { b[atBarred+40] = 7; return seal(b) },
		"channel too long":  func(b []byte) []byte { b[atWishes+2] = 33; return seal(b) },
		"channel not text":  func(b []byte) []byte { b[atWishes+8] = 7; return seal(b) },
		"pin not set":       func(b []byte) []byte { b[atWishes+wishSize] = 0; return seal(b) },
		"hold neither":      func(b []byte) []byte { b[atWishes+1] = 2; return seal(b) },
	}
	for name, change := range tests {
		if _, err := Decode(change(bytes.Clone(good))); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEveryBitIsUnderTheChecksum(t *testing.T) {
	good, err := Encode(full())
	if err != nil {
		t.Fatal(err)
	}
	for i := range Size {
		b := bytes.Clone(good)
		b[i] ^= 1 << (i % 8)
		if _, err := Decode(b); err == nil {
			t.Fatalf("byte %d changed and nobody noticed", i)
		}
	}
}

func TestEncodeRefusesWhatDecodeWould(t *testing.T) {
	for name, change := range map[string]func(r *Record){
		"half a core":      func(r *Record) { r.Good.Hash = [32]byte{} },
		"long pin":         func(r *Record) { r.Owner = Wish{PinSet: true, Pin: strings.Repeat("x", MaxPin+1)} },
		"hold not set":     func(r *Record) { r.Hub = Wish{Hold: true} },
		"gap in the aside": func(r *Record) { r.Aside[0] = Aside{} },
	} {
		r := full()
		change(&r)
		if _, err := Encode(r); err == nil {
			t.Errorf("%s: written", name)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, name := range []string{"first.rec", "full.rec"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == Size {
			b = seal(bytes.Clone(b)) // or nothing past the checksum would ever be reached
		}
		r, err := Decode(b)
		if err != nil {
			return
		}
		again, err := Encode(r)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("decoded, but encodes to something else: %v", err)
		}
	})
}
