package buffer

import (
	"testing"
	"time"
)

// FuzzNames: the names of generations and segments come out as they went in.
func FuzzNames(f *testing.F) {
	for _, s := range []string{generationName(1 << 40), segmentName(1), segmentName(1 << 62), "0000000000000000", "00000000000000FF.seg", "+000000000000001", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if epoch, ok := parseGeneration(s); ok && generationName(epoch) != s {
			t.Fatalf("%q is %016x", s, epoch)
		}
		if first, ok := parseSegment(s); ok && segmentName(first) != s {
			t.Fatalf("%q is %016x", s, first)
		}
	})
}

// FuzzSegmentHeader: a header that is taken is the one of this segment.
func FuzzSegmentHeader(f *testing.F) {
	const epoch, first = 1 << 40, 3
	o := opening{time.UnixMilli(1_900_000_000_000), "boot", 2}
	good := appendSegmentHeader(nil, epoch, first, o)
	f.Add(good)
	f.Add(good[:len(good)-9])
	f.Add(appendSegmentHeader(nil, epoch, first+1, o))
	f.Fuzz(func(t *testing.T, data []byte) {
		o, ok := parseSegmentHeader(data, epoch, first)
		if ok && len(o.boot) > bootSize || !ok && o != (opening{}) {
			t.Fatalf("%v %v", o, ok)
		}
	})
}
