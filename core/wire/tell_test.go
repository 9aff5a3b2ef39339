package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strings"
	"testing"
)

// carried sends a batch over a line and gives how many bytes its frame had; the other side has to hear what was told.
func carried(t testing.TB, teller *Teller, hearer *Hearer, b *Batch) int {
	t.Helper()
	want := Clone(b)
	data, err := Marshal(&Frame{Body: &Frame_Batch{Batch: teller.Tell(b)}})
	if err != nil {
		t.Fatal(err)
	}
	f := new(Frame)
	if err := Unmarshal(data, f); err != nil {
		t.Fatal(err)
	}
	got, err := hearer.Hear(f.GetBatch())
	if err != nil {
		t.Fatal(err)
	}
	if got.GetZstd() { // it went whole
		Compress(want)
	}
	if !Equal(got, want) {
		t.Fatalf("heard %v, told %v", got, want)
	}
	if _, err := Unpack(got); err != nil {
		t.Fatal(err)
	}
	if hearer.held > BasesRoom || teller.held != hearer.held || len(teller.bases) != len(hearer.bases) {
		t.Fatalf("kept %d bytes in %d places, and %d in %d", teller.held, len(teller.bases), hearer.held, len(hearer.bases))
	}
	return len(data)
}

// loose is a batch of an epoch.
func loose(t testing.TB, epoch, first uint64, boot string, records ...[]byte) *Batch {
	t.Helper()
	var p Packer
	for i, raw := range records {
		if !p.Add(first+uint64(i), raw, MaxBatch) {
			t.Fatalf("record %d does not fit", i)
		}
	}
	b := p.Loose(epoch)
	b.BootId = boot
	return b
}

func resultOf(t testing.TB, seq uint64, check, text string) []byte {
	t.Helper()
	raw, err := Marshal(&Item{Seq: seq, Kind: &Item_Result{Result: &Result{
		Check: check, Text: text, StartNs: 1_790_000_000_000_000_000 + int64(seq)*500_012_345, DurationNs: 12_345_678 + int64(seq*7919%1000), EveryMs: 10_000, Plugin: "check_" + check,
		Perfdata: []*Perfdata{{Label: "v", Value: float64(seq%97) / 100, Unit: "s"}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// Twenty checks, each at a time of its own: the frame of one result with all that is in it.
func TestOneResultTakesFewBytes(t *testing.T) {
	teller, hearer, total := NewTeller(BasesRoom), new(Hearer), 0
	for seq := uint64(1); seq <= 400; seq++ {
		check := fmt.Sprint("check", seq%20)
		n := carried(t, teller, hearer, loose(t, 5, seq, "4c9a1a5e-1a1e-4c53-8f43-1f7c3bd4d2a6", resultOf(t, seq, check, fmt.Sprint(check, " is well since ", seq, " results"))))
		if seq > 20 {
			total += n
		}
	}
	if mean := float64(total) / 380; mean > 36 {
		t.Errorf("%.1f bytes for a result", mean)
	}
}

// Batches of several generations, of all sizes, sent again, cut differently, of more checks than there is room for, one after the other as a session carries them.
func TestWhatIsToldIsHeard(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, checks := range []int{1, 30, 1000} {
		teller, hearer := NewTeller(BasesRoom), new(Hearer)
		next := map[uint64]uint64{}
		for range 300 {
			epoch := 7 + random.Uint64N(3)
			if random.IntN(9) == 0 {
				next[epoch] -= min(next[epoch], random.Uint64N(30)) // some were not confirmed
			}
			first := next[epoch] + 1
			var records [][]byte
			for range 1 + random.IntN(60) {
				next[epoch]++
				records = append(records, resultOf(t, next[epoch], fmt.Sprint("c", random.IntN(checks)), strings.Repeat("text ", random.IntN(1+random.IntN(500)))))
			}
			carried(t, teller, hearer, loose(t, epoch, first, []string{"", "boot"}[epoch%2], records...))
		}
		if checks == 1000 && teller.held < BasesRoom*9/10 {
			t.Errorf("%d bytes kept of %d", teller.held, BasesRoom)
		}
	}
}

// A base that is not used any more goes when another needs the room; one that is used stays, however many others come by.
func TestTheRoomIsForWhatIsUsed(t *testing.T) {
	teller, hearer := NewTeller(BasesRoom), new(Hearer)
	text := strings.Repeat("x", MaxBase-200)
	seq := uint64(0)
	send := func(check string) int {
		seq++
		return carried(t, teller, hearer, loose(t, 1, seq, "", resultOf(t, seq, check, text)))
	}
	for i := range 30 {
		send(fmt.Sprint("old", i))
	}
	if n := send("old0"); n > 100 {
		t.Errorf("the first of too many takes %d bytes", n)
	}
	if n := send("old29"); n < MaxBase/2 {
		t.Errorf("the last of too many takes %d bytes", n)
	}
	for range stale + 1 {
		send("old0")
	}
	send("new")
	if n := send("new"); n > 100 {
		t.Errorf("a new one takes %d bytes when the old ones are not used", n)
	}
	if n := send("old0"); n > 100 {
		t.Errorf("one in use takes %d bytes", n)
	}
}

func TestWithoutBasesBatchesAreWhole(t *testing.T) {
	for _, texts := range [][]string{{"a"}, {strings.Repeat("x", 2*compressFrom)}} {
		var records [][]byte
		for i, text := range texts {
			records = append(records, resultOf(t, uint64(i+1), "c", text))
		}
		b := NewTeller(0).Tell(loose(t, 3, 1, "boot", records...))
		if len(b.GetAlike()) > 0 || b.GetEpoch() != 3 || b.GetZstd() != (b.GetUnpacked() >= compressFrom) {
			t.Errorf("told %v", b)
		}
		if _, err := Unpack(b); err != nil {
			t.Error(err)
		}
	}
	big := loose(t, 3, 1, "", resultOf(t, 1, "c", strings.Repeat("x", MaxBatch)))
	if b := NewTeller(BasesRoom).Tell(big); len(b.GetAlike()) > 0 {
		t.Error("a record larger than a batch is told")
	}
}

// alikeBytes is Batch.alike of parts, each a way and the bytes to it.
func alikeBytes(crc uint32, parts ...any) []byte {
	out := binary.LittleEndian.AppendUint32(nil, crc)
	for i := 0; i < len(parts); i += 2 {
		out = piece(out, uint64(parts[i].(int)), []byte(parts[i+1].(string)), i+2 == len(parts))
	}
	return out
}

func TestHearerRefuses(t *testing.T) {
	r := string(resultOf(t, 1, "c", "text"))
	crc := func(all ...string) uint32 { return crc32.Checksum([]byte(strings.Join(all, "")), castagnoli) }
	long := strings.Repeat("y", MaxBase)
	kept := []any{}
	for i := range BasesRoom/MaxBase + 1 {
		kept = append(kept, 1+2*i, long)
	}
	many := []any{}
	for i := range MaxBases + 1 {
		many = append(many, 1+2*i, "")
	}
	full := []any{1, long}
	for range MaxBatch / MaxBase {
		full = append(full, 2, "")
	}
	for what, b := range map[string]*Batch{
		"no epoch":                            {First: 1, Alike: alikeBytes(crc(r), 0, r)},
		"no number":                           {Epoch: 1, Alike: alikeBytes(crc(r), 0, r)},
		"too short":                           {Epoch: 1, First: 1, Alike: []byte{1, 2, 3}},
		"no record":                           {Epoch: 1, First: 1, Alike: []byte{1, 2, 3, 4}},
		"a way that does not end":             {Epoch: 1, First: 1, Alike: []byte{1, 2, 3, 4, 0x80}},
		"a record that does not end":          {Epoch: 1, First: 1, Alike: []byte{1, 2, 3, 4, 0, 9, 1}},
		"no last record":                      {Epoch: 1, First: 1, Alike: []byte{1, 2, 3, 4, 0, 1, 1}},
		"another checksum":                    {Epoch: 1, First: 1, Alike: alikeBytes(crc(r)+1, 0, r)},
		"by what is not there":                {Epoch: 1, First: 1, Alike: alikeBytes(crc(r), 2, r)},
		"by what is far from there":           {Epoch: 1, First: 1, Alike: append([]byte{1, 2, 3, 4}, 0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1)},
		"kept in a place behind the next":     {Epoch: 1, First: 1, Alike: alikeBytes(crc(r), 3, r)},
		"too long to be kept":                 {Epoch: 1, First: 1, Alike: alikeBytes(crc(long+"y"), 1, long+"y")},
		"made too long to be kept":            {Epoch: 1, First: 1, Alike: alikeBytes(crc(long, long+"y"), 1, long, 2, "\x04\x01\x00y")},
		"more kept than there is room for":    {Epoch: 1, First: 1, Alike: alikeBytes(0, kept...)},
		"more kept than there are places":     {Epoch: 1, First: 1, Alike: alikeBytes(0, many...)},
		"no difference":                       {Epoch: 1, First: 1, Alike: alikeBytes(crc(r, r), 1, r, 2, "\x05")},
		"more than a batch may have":          {Epoch: 1, First: 1, Alike: alikeBytes(0, full...)},
		"compressed, but it is not":           {Epoch: 1, First: 1, Zstd: true, Unpacked: 99, Alike: alikeBytes(crc(r), 0, r)},
		"says that it is larger than a batch": {Epoch: 1, First: 1, Zstd: true, Unpacked: MaxBatch + 1, Alike: alikeBytes(crc(r), 0, r)},
	} {
		h := new(Hearer)
		if got, err := h.Hear(b); !errors.Is(err, ErrDifference) || !errors.Is(err, ErrBatch) {
			t.Errorf("%s: %.100v, %v", what, got, err)
		}
		if h.held > BasesRoom+MaxBase || len(h.bases) > MaxBases {
			t.Errorf("%s: keeps %d bytes in %d places", what, h.held, len(h.bases))
		}
	}
	h := new(Hearer)
	if b, err := h.Hear(&Batch{Epoch: 9, First: 1, Alike: alikeBytes(crc(r), 1, r)}); err != nil || b.GetLast() != 1 || !bytes.Contains(b.GetItems(), []byte(r)) {
		t.Errorf("what is right is not heard: %v, %v", b, err)
	}
}

// Whatever comes, what is kept is bounded, and so is what is made.
func FuzzHear(f *testing.F) {
	t := NewTeller(BasesRoom)
	for seq := uint64(1); seq < 4; seq++ {
		b := t.Tell(loose(f, 5, seq, "boot", resultOf(f, seq, "c", fmt.Sprint("text ", seq))))
		data, err := Marshal(b)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, data, b.GetAlike())
	}
	f.Fuzz(func(t *testing.T, one, two, three []byte) {
		h := new(Hearer)
		for i, data := range [][]byte{one, two, three} {
			b := new(Batch)
			if i == 2 {
				b.Epoch, b.First, b.Alike = 1, 1, data
			} else if Unmarshal(data, b) != nil {
				continue
			}
			got, err := h.Hear(b)
			if err == nil && len(b.GetAlike()) > 0 && len(got.GetItems()) > max(MaxBatch, len(b.GetAlike())+16) {
				t.Errorf("%d bytes made", len(got.GetItems()))
			}
			if err == nil && h.held > BasesRoom || len(h.bases) > MaxBases {
				t.Errorf("%d bytes kept in %d places", h.held, len(h.bases))
			}
			if err != nil {
				if !errors.Is(err, ErrDifference) {
					t.Errorf("not said to be the difference's fault: %v", err)
				}
				return
			}
		}
	})
}
