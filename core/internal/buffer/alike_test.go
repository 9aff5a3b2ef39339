package buffer

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/platforms/fsys/crashdisk"
)

// measuring is a result as a check has it again and again.
func measuring(check string, n int) *wire.Item {
	return &wire.Item{Kind: &wire.Item_Result{Result: &wire.Result{
		Check: check, Text: fmt.Sprintf("DISK OK - free space: / %d MiB (41%% inode=87%%)", 40_000-n), StartNs: 1_900_000_000_000_000_000 + int64(n)*10_000_000_000,
		Perfdata: []*wire.Perfdata{{Label: "/", Unit: "MB", Value: float64(50_000 + n), Warn: "90000", Crit: "99000"}}, Plugin: "check_disk", EveryMs: 10_000,
	}}}
}

// stood is one record as a scan finds it.
type stood struct {
	check  string
	text   string
	base   int64
	offset int64
	length int
}

// scanned are the results in a segment, by seq.
func scanned(t *testing.T, data []byte, epoch uint64) map[uint64]stood {
	t.Helper()
	all := map[uint64]stood{}
	s := newScan(bytes.NewReader(data), int64(len(data)), epoch, 1)
	for r, ok := s.next(); ok; r, ok = s.next() {
		var item wire.Item
		if err := wire.Unmarshal(r.raw, &item); err != nil || item.GetSeq() != r.seq {
			t.Fatalf("record %d is %v, %v", r.seq, &item, err)
		}
		all[r.seq] = stood{item.GetResult().GetCheck(), item.GetResult().GetText(), r.base, r.offset, r.length}
	}
	return all
}

// twoChecks writes 20 results of each of two checks in turn, and returns the segment.
func twoChecks(t *testing.T) (file string, epoch uint64) {
	t.Helper()
	dir := t.TempDir()
	b := open(t, Options{Dir: dir})
	defer b.Close()
	for n := range 20 {
		for _, check := range []string{"a", "b"} {
			if err := b.Append(measuring(check, n)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return filepath.Join(dir, generationName(b.Live()), segmentName(1)), b.Live()
}

// A check's first result in a segment stands whole, fifteen behind it as the difference to that one, the next one whole again.
func TestLaterResultsAreDifferences(t *testing.T) {
	file, epoch := twoChecks(t)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	all := scanned(t, data, epoch)
	if len(all) != 40 {
		t.Fatalf("%d records", len(all))
	}
	for seq, r := range all {
		n := int(seq-1) / 2
		base := all[seq-2*uint64(n%16)]
		switch {
		case n%16 == 0 && r.base != 0:
			t.Errorf("result %d of %s is a difference", n, r.check)
		case n%16 > 0 && (r.base != base.offset || base.check != r.check || r.length >= base.length/2):
			t.Errorf("result %d of %s takes %d bytes and is the difference to what stands at %d, not %d", n, r.check, r.length, r.base, base.offset)
		}
	}
}

// Whatever byte of a segment flips: what was not built on it reads as it was, and nothing reads as something else.
func TestAFlippedByteCostsNoMoreThanItsOwn(t *testing.T) {
	file, epoch := twoChecks(t)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	all := scanned(t, data, epoch)
	most := 0
	for at := range data {
		data[at] ^= 0x10
		left := scanned(t, data, epoch)
		data[at] ^= 0x10
		hit := uint64(0) // the record that the byte lies in
		for seq, r := range all {
			if int64(at) >= r.offset && int64(at) < r.offset+recordHeader+int64(r.length) {
				hit = seq
			}
		}
		for seq, r := range all {
			now, there := left[seq]
			switch mine := seq == hit || hit > 0 && r.base == all[hit].offset; {
			case there && now != r:
				t.Fatalf("byte %d: result %d reads as %v", at, seq, now)
			case mine == there:
				t.Fatalf("byte %d, of result %d: result %d reads: %v", at, hit, seq, there)
			}
		}
		most = max(most, len(all)-len(left))
	}
	if most != 1+basedOn {
		t.Errorf("%d results lost at most", most)
	}
}

// A damaged base is stated as lost together with what was built on it, each stretch once; the other check's results arrive.
func TestADamagedBaseIsStated(t *testing.T) {
	file, _ := twoChecks(t)
	flip(t, file, segmentHeader+recordHeader+9)
	b := open(t, Options{Dir: filepath.Dir(filepath.Dir(file))})
	defer b.Close()
	arrived, gaps := 0, 0
	for _, text := range drain(t, b) {
		switch {
		case strings.HasPrefix(text, "DISK"):
			arrived++
		case text == fmt.Sprintf("gap corrupt %d-%d", 2*gaps+1, 2*gaps+1):
			gaps++
		default:
			t.Errorf("%s", text)
		}
	}
	if arrived != 40-16 || gaps != 16 {
		t.Errorf("%d arrived, %d gaps", arrived, gaps)
	}
}

// What a writer remembers stays within its bound, however many checks there are and however their results change, and all comes back.
func TestBasesAreBounded(t *testing.T) {
	b := open(t, Options{FS: crashdisk.New()})
	defer b.Close()
	sent := 0
	for n := range 40 {
		for c := range 300 {
			item := measuring(fmt.Sprintf("check-%03d", c), n)
			if c%7 == n%7 {
				item.GetResult().Text = strings.Repeat("something else entirely ", c)
			}
			b.AppendThen(item, func(err error) {
				if err != nil {
					t.Error(err)
				}
			})
			sent++
		}
	}
	if err := b.Append(measuring("last", 0)); err != nil {
		t.Fatal(err)
	}
	b.k.do(func() {
		if known := &b.k.live.bases; known.bytes > maxBases+maxAlike || len(known.of) < 30 {
			t.Errorf("%d checks in %d bytes", len(known.of), known.bytes)
		}
	})
	if got := len(drain(t, b)); got != sent+1 {
		t.Errorf("%d of %d came back", got, sent+1)
	}
}

// A write that failed takes nothing with it to which a later result could be the difference.
func TestNoDifferenceToWhatWasNotWritten(t *testing.T) {
	disk := crashdisk.New()
	b := open(t, Options{FS: disk})
	defer b.Close()
	add := func(n int) error { return b.Append(measuring("a", n)) }
	if err := add(0); err != nil {
		t.Fatal(err)
	}
	disk.FailAt(1, os.ErrDeadlineExceeded)
	if err := add(1); err == nil {
		t.Fatal("no call failed")
	}
	for n := 2; n < 5; n++ {
		if err := add(n); err != nil {
			t.Fatal(err)
		}
	}
	for i, text := range drain(t, b) {
		if strings.HasPrefix(text, "gap") {
			t.Errorf("%d: %s", i, text)
		}
	}
}
