package alike_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/core/wire/alike"
)

// bytesOf is the record of a run that printed that, begun late after it was due at 10 s · n of a day.
func bytesOf(t testing.TB, seq uint64, n int, output string, late, took time.Duration) []byte {
	t.Helper()
	o := check.ParseOutput([]byte(output), false)
	due := time.Date(2026, 11, 26, 12, 0, 0, 402_917_311, time.UTC).Add(time.Duration(n) * 10 * time.Second)
	r := wire.FromResult(check.Result{
		Check: "the check", Text: o.Text, Long: o.Long, Perfdata: o.Perfdata, Problems: o.Problems, Due: due, Start: due.Add(late), Duration: took,
	})
	r.Plugin, r.EveryMs, r.Revision, r.MonoNs = "check_it", 10_000, 7, int64(time.Duration(n)*10*time.Second+late)+35_112_717_812_345
	r.Standing = &wire.Standing{Attempt: 1, Attempts: 3, Hard: true, SinceNs: 1_790_000_000_123_456_789, HardSinceNs: 1_790_000_000_123_456_789}
	data, err := wire.Marshal(&wire.Item{Seq: seq, Kind: &wire.Item_Result{Result: r}})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// What Debian's plugins print, twice each, and how much telling the second by the first may take.
var pairs = []struct {
	name, first, second string
	limit               int
}{
	{"nothing changed", "USERS OK - 3 users currently logged in |users=3;50;90;0\n", "USERS OK - 3 users currently logged in |users=3;50;90;0\n", 16},
	{"three loads", "OK - load average: 4.29, 4.01, 2.83|load1=4.290;50.000;90.000;0; load5=4.010;50.000;90.000;0; load15=2.830;50.000;90.000;0; \n",
		"OK - load average: 3.71, 3.89, 2.80|load1=3.710;50.000;90.000;0; load5=3.890;50.000;90.000;0; load15=2.800;50.000;90.000;0; \n", 41},
	{"a disk", "DISK OK - free space: / 18273 MiB (47% inode=94%);| /=20411MiB;37943;39141;0;39940\n",
		"DISK OK - free space: / 18269 MiB (47% inode=94%);| /=20415MiB;37943;39141;0;39940\n", 24},
	{"a time, and a length", "TCP OK - 0.000 second response time on 127.0.0.1 port 22|time=0.000213s;;;0.000000;10.000000\n",
		"TCP OK - 0.001 second response time on 127.0.0.1 port 22|time=0.001087s;;;0.000000;10.000000\n", 22},
	{"more digits", "PROCS OK: 99 processes | procs=99;5000;9000;0;\n", "PROCS OK: 101 processes | procs=101;5000;9000;0;\n", 28},
	{"an age", "FILE_AGE OK: /etc/passwd is 5163216 seconds old and 1134 bytes | age=5163216s;999999999;9999999999 size=1134B;0;0;0\n",
		"FILE_AGE OK: /etc/passwd is 5163226 seconds old and 1134 bytes | age=5163226s;999999999;9999999999 size=1134B;0;0;0\n", 23},
}

func TestRecordsOfPlugins(t *testing.T) {
	for _, c := range pairs {
		base := bytesOf(t, 1021, 1, c.first, 1_211_871*time.Nanosecond, 13_818_112*time.Nanosecond)
		record := bytesOf(t, 1041, 2, c.second, 911_239*time.Nanosecond, 14_018_973*time.Nanosecond)
		diff := back(t, base, record)
		if len(diff) > c.limit {
			t.Errorf("%s: %d bytes for a record of %d, at most %d", c.name, len(diff), len(record), c.limit)
		}
	}
}

// back encodes and decodes, and gives the difference.
func back(t testing.TB, base, record []byte) []byte {
	t.Helper()
	diff := alike.Encode(nil, base, record)
	got, err := alike.Decode(nil, base, diff, len(record))
	if err != nil || !bytes.Equal(got, record) {
		t.Fatalf("record %x\nbase %x\ndifference %x\nmade %x: %v", record, base, diff, got, err)
	}
	if most := len(record) + len(record)/2 + 16; len(diff) > most {
		t.Errorf("%d bytes for a record of %d, base of %d", len(diff), len(record), len(base))
	}
	return diff
}

func TestAnythingComesBack(t *testing.T) {
	long := strings.Repeat("a line of a long text\n", 8000)
	lines, rnd := make([]string, 200), rand.New(rand.NewPCG(1, 2))
	for i := range lines {
		lines[i] = fmt.Sprintf("%016x", rnd.Uint64())
	}
	ordered := strings.Join(lines, "\n")
	moved := strings.Join(append(lines[100:len(lines):len(lines)], lines[:100]...), "\n")
	for i, c := range []struct {
		base, record string
		limit        int
	}{
		{"", "", 0}, {"same", "same", 0}, {"", "all new", 10}, {"gone", "", 3}, {"begin", "be", 3}, {"be", "begin", 7}, {"x", "y", 2}, {"xyz", "xyZ", 2},
		{long, long, 0}, {long, long + "more", 12}, {long, long[:100_000] + "!" + long[100_001:], 6}, {long, long[:90_000] + long[90_001:], 7},
		{long, long[22:], 6}, {long[22:], long, 14}, {ordered, moved, 200}, {moved, ordered, 200},
		{"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "\x00", 4}, {"\x00", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 16},
		{"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", 16},
		{"\x80\x00", "\x00", 4}, {"\x00", "\x80\x00", 5}, {"\x80\x80\x01", "\x81\x80\x01", 2},
	} {
		if n := len(back(t, []byte(c.base), []byte(c.record))); n > c.limit {
			t.Errorf("case %d, %.20q of %.20q: %d bytes, at most %d", i, c.record, c.base, n, c.limit)
		}
	}
}

// Numbers that are told by their decimals have to come back to the bit.
func TestDoubles(t *testing.T) {
	all := []float64{0, math.Copysign(0, -1), 1, -1, 0.1, 0.3, 1e15, 1e16, 1 << 53, 1<<53 - 1, 0.1 + 0.2, 1e-15, 5e-324, math.MaxFloat64, math.Inf(1), math.Inf(-1), math.NaN(), 123.456, -0.001, math.Pi}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		all = append(all, math.Round(rnd.NormFloat64()*1e9)/1e5, rnd.NormFloat64(), math.Float64frombits(rnd.Uint64()))
	}
	tagged := func(v float64) []byte {
		return append(binary.LittleEndian.AppendUint64([]byte{0x11}, math.Float64bits(v)), "behind"...)
	}
	for _, a := range all {
		for _, b := range all {
			back(t, tagged(a), tagged(b))
		}
	}
	if n := len(back(t, tagged(4.29), tagged(3.71))); n > 3 {
		t.Errorf("4.29 to 3.71 in %d bytes", n)
	}
}

func TestDecodeRefuses(t *testing.T) {
	base := []byte("\x96\x01 a base \x11\x00\x00\x00\x00\x00\x00\xf0\x7f") // ends with an infinite number
	for what, diff := range map[string]string{
		"copies more than there is":             "\xf8\x00",
		"copies far more than there is":         "\xf8\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		"a length that does not end":            "\xf8\x80",
		"a length over 64 bits":                 "\xf8\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
		"takes more than comes":                 "\x02ab",
		"takes far more than comes":             "\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		"instead of more than there is":         "\x98\x02abc",
		"moves before the beginning":            "\x04\x00\x01",
		"moves behind the end":                  "\x04\x00\x40",
		"moves by the least number":             "\x04\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		"no number to move by":                  "\x04\x00",
		"adds where nothing stands":             "\xa5\x02",
		"adds nothing":                          "\x05",
		"adds to what does not end":             "\x04\x00\x24\x0d\x02",
		"scaled without a power":                "\x07",
		"scaled without a number":               "\x07\x81",
		"a power too many":                      "\x07\x10\x02",
		"a power of none":                       "\x07\x80\x02",
		"a power of a varint too many":          "\x07\x90\x02",
		"decimals of what has fewer bytes":      "\x77\x00\x02",
		"decimals of what is no number":         "\x67\x00\x02",
		"decimals beyond what a number can say": "\x1f\x00\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01",
	} {
		before := []byte("before")
		if got, err := alike.Decode(before, base, []byte(diff), 1000); !errors.Is(err, alike.ErrDifference) || string(got) != "before" {
			t.Errorf("%s: %q, %v", what, got, err)
		}
	}
}

// A decoder makes no more than it may, whatever the step that would.
func TestDecodeStopsAtItsLimit(t *testing.T) {
	base := []byte("12\x96\x01\x11\x00\x00\x00\x00\x00\x00\x00\x00")
	for what, diff := range map[string]string{
		"the rest": "", "copied": "\x28a", "literal": "\x01ab", "some": "\x03\x05abcde", "moved": "\x04\x05\x0aabcde",
		"added": "\x15\x02\x04\x00\x12", "scaled": "\x17\x82\x02\x04\x00\x12", "a number": "\x04\x00\x0a\x07\x00\x02",
	} {
		made, err := alike.Decode(nil, base, []byte(diff), 1000)
		if err != nil {
			t.Fatal(what, err)
		}
		for most := range len(made) {
			if got, err := alike.Decode(nil, base, []byte(diff), most); err == nil {
				t.Errorf("%s: %d bytes, at most %d", what, len(got), most)
			}
		}
		if got, err := alike.Decode(nil, base, []byte(diff), len(made)); err != nil || !bytes.Equal(got, made) {
			t.Errorf("%s: %x, %v", what, got, err)
		}
	}
}

func TestNothingIsAllocated(t *testing.T) {
	base, record := pair(t)
	diff, made := make([]byte, 0, 512), make([]byte, 0, 512)
	n := testing.AllocsPerRun(100, func() {
		diff = alike.Encode(diff[:0], base, record)
		var err error
		if made, err = alike.Decode(made[:0], base, diff, 512); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%.0f allocations", n)
	}
}

func pair(t testing.TB) (base, record []byte) {
	c := pairs[1]
	return bytesOf(t, 1021, 1, c.first, 1_211_871*time.Nanosecond, 13_818_112*time.Nanosecond),
		bytesOf(t, 1041, 2, c.second, 911_239*time.Nanosecond, 14_018_973*time.Nanosecond)
}

func FuzzRoundTrip(f *testing.F) {
	for _, c := range pairs {
		f.Add(bytesOf(f, 1021, 1, c.first, time.Millisecond, 13*time.Millisecond), bytesOf(f, 1041, 2, c.second, 2*time.Millisecond, 14*time.Millisecond))
	}
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, base, record []byte) { back(t, base, record) })
}

func FuzzDecode(f *testing.F) {
	base, record := pair(f)
	f.Add(base, alike.Encode(nil, base, record), 1000)
	f.Add([]byte("12\x96\x01\x11\x00\x00\x00\x00\x00\x00\x00\x00"), []byte("\x17\x82\x02\x04\x00\x12"), 8)
	f.Fuzz(func(t *testing.T, base, diff []byte, most int) {
		most = min(most, 1<<20)
		got, err := alike.Decode(nil, base, diff, most)
		if err != nil && got != nil || len(got) > max(most, 0) {
			t.Errorf("%d bytes, at most %d: %v", len(got), most, err)
		}
		if err == nil {
			back(t, base, got)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	base, record := pair(b)
	diff := make([]byte, 0, 512)
	b.SetBytes(int64(len(record)))
	b.ReportAllocs()
	for b.Loop() {
		diff = alike.Encode(diff[:0], base, record)
	}
	b.ReportMetric(float64(len(diff)), "bytes/record")
}

func BenchmarkDecode(b *testing.B) {
	base, record := pair(b)
	diff, made := alike.Encode(nil, base, record), make([]byte, 0, 512)
	b.SetBytes(int64(len(record)))
	b.ReportAllocs()
	for b.Loop() {
		made, _ = alike.Decode(made[:0], base, diff, 512)
	}
}

// Bytes that have nothing to do with each other are the most work.
func BenchmarkEncodeNoise(b *testing.B) {
	rnd := rand.New(rand.NewPCG(1, 2))
	base, record := make([]byte, 64<<10), make([]byte, 64<<10)
	for i := range base {
		base[i], record[i] = byte(rnd.Uint32()), byte(rnd.Uint32())
	}
	diff := make([]byte, 0, 128<<10)
	b.SetBytes(int64(len(record)))
	for b.Loop() {
		diff = alike.Encode(diff[:0], base, record)
	}
}
