package wire

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func stored(t testing.TB, seq uint64, text string) []byte {
	t.Helper()
	raw, err := Marshal(&Item{Seq: seq, Kind: &Item_Result{Result: &Result{Check: "c", Text: text}}})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func pack(t testing.TB, first uint64, texts ...string) *Batch {
	t.Helper()
	var p Packer
	for i, text := range texts {
		seq := first + uint64(i)
		if !p.Add(seq, stored(t, seq, text), MaxBatch) {
			t.Fatalf("record %d does not fit", seq)
		}
	}
	return p.Batch(5)
}

func unpack(t testing.TB, b *Batch) (texts []string) {
	t.Helper()
	records, err := Unpack(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		i, err := r.Item()
		if err != nil || i.GetSeq() != r.Seq {
			t.Fatalf("record %d: %v, %v", r.Seq, i, err)
		}
		texts = append(texts, i.GetResult().GetText())
	}
	return texts
}

func TestBatchesComeOutAsTheyWentIn(t *testing.T) {
	for _, texts := range [][]string{{""}, {"a"}, {"a", "b", "c"}, {strings.Repeat("x", 6000), "y"}} {
		b := pack(t, 7, texts...)
		if b.GetFirst() != 7 || b.GetLast() != 6+uint64(len(texts)) || b.GetEpoch() != 5 {
			t.Errorf("batch %d to %d", b.GetFirst(), b.GetLast())
		}
		if b.GetZstd() != (b.GetUnpacked() >= compressFrom) {
			t.Errorf("%d bytes, compressed: %v", b.GetUnpacked(), b.GetZstd())
		}
		if got := unpack(t, b); fmt.Sprint(got) != fmt.Sprint(texts) {
			t.Errorf("got %d records", len(got))
		}
		last := b.GetLast()
		if b.GetCrc() != Crc(stored(t, last, texts[len(texts)-1])) {
			t.Error("the checksum is not that of the last record as stored")
		}
		// Items is what its message says it is.
		if !b.GetZstd() {
			if err := Unmarshal(b.GetItems(), new(Items)); err != nil {
				t.Error(err)
			}
		}
	}
	if new(Packer).Batch(1) != nil {
		t.Error("a batch of nothing")
	}
}

func TestPackerKeepsTheLimits(t *testing.T) {
	var p Packer
	half := stored(t, 1, strings.Repeat("x", MaxBatch/2))
	if !p.Add(1, half, 10) {
		t.Error("the first record did not fit")
	}
	if p.Add(3, half, MaxBatch) {
		t.Error("a hole was packed")
	}
	if p.Add(2, half, MaxBatch+1000) {
		t.Error("a batch grew past MaxBatch")
	}
	if p.Len() != 1 {
		t.Errorf("%d records", p.Len())
	}
	huge := stored(t, 4, strings.Repeat("x", MaxRecord-100))
	p = Packer{}
	if !p.Add(4, huge, MaxBatch) {
		t.Fatal("a large record did not fit alone")
	}
	if got := unpack(t, p.Batch(1)); len(got) != 1 || len(got[0]) != MaxRecord-100 {
		t.Error("a large record came back otherwise")
	}
}

func TestUnpackRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Batch)
	}{
		{"seq 0", func(b *Batch) { b.First = 0 }},
		{"last before first", func(b *Batch) { b.Last = b.First - 1 }},
		{"more named than there are", func(b *Batch) { b.Last++ }},
		{"fewer named than there are", func(b *Batch) { b.Last-- }},
		{"a billion named", func(b *Batch) { b.Last = b.First + 1e9 }},
		{"records of other numbers", func(b *Batch) { b.First++; b.Last++ }},
		{"another checksum", func(b *Batch) { b.Crc++ }},
		{"another length", func(b *Batch) { b.Unpacked++ }},
		{"a length past the limit", func(b *Batch) { b.Unpacked = MaxBatch + 1 }},
		{"cut short", func(b *Batch) { b.Items = b.Items[:len(b.Items)-1] }},
		{"not compressed as it says", func(b *Batch) { b.Zstd = !b.Zstd }},
		{"empty", func(b *Batch) { b.Items, b.Unpacked, b.Zstd = nil, 0, false }},
	}
	for _, long := range []string{"short", strings.Repeat("long", 2000)} {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				b := pack(t, 7, "a", long, "c")
				tt.change(b)
				if _, err := Unpack(b); !errors.Is(err, ErrBatch) {
					t.Errorf("error %v", err)
				}
			})
		}
	}
}

// TestBombIsNotUnpacked: what is small on the line and says so little of itself cannot take memory.
func TestBombIsNotUnpacked(t *testing.T) {
	b := pack(t, 1, strings.Repeat("0", MaxRecord-100))
	b.Last = 2
	if _, err := Unpack(b); !errors.Is(err, ErrBatch) {
		t.Errorf("error %v", err)
	}
	b.Unpacked = 1000
	if _, err := Unpack(b); !errors.Is(err, ErrBatch) {
		t.Errorf("error %v", err)
	}
}

func TestCutBefore(t *testing.T) {
	b := pack(t, 10, "a", "b", "c", strings.Repeat("d", 6000))
	b.BootId = "boot"
	for seq, want := range map[uint64]int{1: 4, 10: 4, 11: 3, 13: 1, 14: 0, 99: 0} {
		rest, err := CutBefore(b, seq)
		if err != nil {
			t.Fatal(err)
		}
		if want == 0 {
			if rest != nil {
				t.Errorf("from %d: %v", seq, rest)
			}
			continue
		}
		if got := unpack(t, rest); len(got) != want || rest.GetCrc() != b.GetCrc() || rest.GetBootId() != "boot" || rest.GetEpoch() != 5 || rest.GetLast() != 13 {
			t.Errorf("from %d: %d records", seq, len(got))
		}
	}
}

func FuzzUnpack(f *testing.F) {
	for _, b := range []*Batch{pack(f, 1, "a"), pack(f, 9, "a", "b"), pack(f, 3, strings.Repeat("z", 6000), "y")} {
		data, err := Marshal(b)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b := new(Batch)
		if Unmarshal(data, b) != nil {
			return
		}
		records, err := Unpack(b)
		if err != nil {
			if !errors.Is(err, ErrBatch) {
				t.Fatalf("error %v", err)
			}
			return
		}
		var p Packer
		for _, r := range records {
			if !p.Add(r.Seq, r.Raw, MaxBatch) {
				return // one that only its own packing held together
			}
		}
		again, err := Unpack(p.Batch(b.GetEpoch()))
		if err != nil || len(again) != len(records) {
			t.Fatalf("packed again: %v", err)
		}
		for i := range records {
			if !bytes.Equal(records[i].Raw, again[i].Raw) {
				t.Fatalf("record %d changed", records[i].Seq)
			}
		}
	})
}

// A record that is packed piece by piece comes out as one that is packed as a whole, and nothing else is taken for it.
func TestALargeRecordIsPackedInPieces(t *testing.T) {
	noise := make([]byte, 700_000)
	rnd := rand.NewChaCha8([32]byte{1})
	_, _ = rnd.Read(noise)
	for name, text := range map[string]string{
		"all the same":       strings.Repeat("x", 1<<20),
		"no pattern":         base64.StdEncoding.EncodeToString(noise),
		"exactly a piece":    strings.Repeat("y", largePiece-20),
		"a little":           "z",
		"a batch and a byte": strings.Repeat("0123456789", MaxBatch/10+1),
	} {
		raw := stored(t, 9, text)
		var p Packer
		if p.AddLarge(9, Crc(raw)+1, len(raw), bytes.NewReader(raw)) || p.AddLarge(9, Crc(raw), len(raw)+1, bytes.NewReader(raw)) || p.Len() != 0 {
			t.Errorf("%s: taken for another record", name)
		}
		if !p.AddLarge(9, Crc(raw), len(raw), bytes.NewReader(raw)) || p.AddLarge(10, Crc(raw), len(raw), bytes.NewReader(raw)) || p.Add(10, raw, MaxBatch) {
			t.Fatalf("%s: not taken, or not alone", name)
		}
		b := p.Batch(5)
		if b.GetFirst() != 9 || b.GetLast() != 9 || b.GetCrc() != Crc(raw) || !b.GetZstd() || len(b.GetItems()) > len(raw)+1<<10 {
			t.Errorf("%s: batch %d to %d, %d bytes", name, b.GetFirst(), b.GetLast(), len(b.GetItems()))
		}
		if got := unpack(t, b); len(got) != 1 || got[0] != text {
			t.Errorf("%s comes out as something else", name)
		}
		frame := &Frame{Body: &Frame_Batch{Batch: b}}
		head, items, err := BatchFrame(b)
		var told Frame
		if err != nil || Unmarshal(append(head, items...), &told) != nil || !Equal(&told, frame) {
			t.Errorf("%s: another frame in two pieces (%v)", name, err)
		}
	}
}
