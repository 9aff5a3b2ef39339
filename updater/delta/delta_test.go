package delta_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/updater/delta"
	"github.com/limpet-monitoring/limpet/updater/delta/encode"
)

// random returns n bytes that are the same for the same seed.
func random(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func words(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 2))
	var b []byte
	for len(b) < n {
		b = append(b, strings.Repeat("the limpet holds fast ", 1+r.IntN(2))[r.IntN(20):]...)
	}
	return b[:n]
}

func splice(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// cases are pairs that every codec must bring through, with what the patch may cost beyond its header.
func cases() map[string]struct {
	old, new []byte
	most     int
} {
	type pair = struct {
		old, new []byte
		most     int
	}
	a, t := random(1, 40_000), words(2, 40_000)
	return map[string]pair{
		"both empty":       {nil, nil, 40},
		"no base":          {nil, a[:1000], 1100},
		"no result":        {a, nil, 40},
		"one byte":         {[]byte{1}, []byte{2}, 40},
		"equal":            {a, a, 300},
		"nothing shared":   {a, random(3, 10_000), 10_300},
		"inserted":         {a, splice(a[:1000], random(4, 50), a[1000:]), 400},
		"deleted":          {a, splice(a[:20_000], a[20_100:]), 300},
		"swapped":          {a, splice(a[15_000:], a[:15_000]), 300},
		"text":             {t, splice(t[:9_000], []byte("another"), t[9_007:]), 3000},
		"twice":            {a[:20_000], splice(a[:20_000], a[:20_000]), 300},
		"grown past votes": {a[:17], a[:10_000], 10_300},
	}
}

func TestRoundTrip(t *testing.T) {
	for _, codec := range delta.Codecs() {
		for name, c := range cases() {
			t.Run(codec+"/"+name, func(t *testing.T) {
				patch, err := encode.Make(codec, c.old, c.new)
				if err != nil {
					t.Fatal(err)
				}
				if n := len(patch) - delta.HeaderSize; n > c.most {
					t.Errorf("the patch costs %d bytes beyond its header, at most %d are right", n, c.most)
				}
				got, err := apply(codec, c.old, patch)
				if err != nil || !bytes.Equal(got, c.new) {
					t.Errorf("apply: %d bytes of %d, %v", len(got), len(c.new), err)
				}
			})
		}
	}
}

func apply(codec string, base, patch []byte) ([]byte, error) {
	var out bytes.Buffer
	err := delta.Apply(context.Background(), codec, bytes.NewReader(base), int64(len(base)), bytes.NewReader(patch), &out, delta.Limits{})
	return out.Bytes(), err
}

// TestEveryByteFlipped asks of every patch with one byte changed that it is refused or still makes the promised file.
func TestEveryByteFlipped(t *testing.T) {
	old := splice(words(5, 3000), random(5, 600))
	new := splice(old[:1000], []byte("a change"), old[1100:2900], random(6, 80), old[2900:])
	for _, codec := range delta.Codecs() {
		patch, err := encode.Make(codec, old, new)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(patch); i += flipStep {
			bad := bytes.Clone(patch)
			bad[i] ^= 1 << (i % 8)
			got, err := apply(codec, old, bad)
			if err == nil && !bytes.Equal(got, new) {
				t.Fatalf("%s: byte %d changed makes another file without an error", codec, i)
			}
		}
		for n := 0; n < len(patch); n += 3 * flipStep {
			if _, err := apply(codec, old, patch[:n]); err == nil {
				t.Fatalf("%s: a patch cut to %d of %d bytes is taken", codec, n, len(patch))
			}
		}
		if _, err := apply(codec, old, append(patch, 0)); err == nil {
			t.Errorf("%s: a patch with a byte behind it is taken", codec)
		}
	}
}

func TestRefusals(t *testing.T) {
	base := words(7, 5000)
	patch, err := encode.Make(delta.Zstd, base, base[:4000])
	if err != nil {
		t.Fatal(err)
	}
	other := bytes.Clone(base)
	other[9]++
	if _, err := apply(delta.Zstd, other, patch); !errors.Is(err, delta.ErrBase) {
		t.Errorf("another base: %v, want %v", err, delta.ErrBase)
	}
	if _, err := apply(delta.Zstd, base[:4999], patch); !errors.Is(err, delta.ErrBase) {
		t.Errorf("a shorter base: %v, want %v", err, delta.ErrBase)
	}
	if _, err := apply("gzip", base, patch); !errors.Is(err, delta.ErrCodec) {
		t.Errorf("codec gzip: %v, want %v", err, delta.ErrCodec)
	}
	if _, err := encode.Make("gzip", base, base); !errors.Is(err, delta.ErrCodec) {
		t.Errorf("make with codec gzip: %v, want %v", err, delta.ErrCodec)
	}
	small := delta.Limits{Output: 3999}
	err = delta.Apply(context.Background(), delta.Zstd, bytes.NewReader(base), 5000, bytes.NewReader(patch), io.Discard, small)
	if err == nil || !strings.Contains(err.Error(), "over the limit of 3999") {
		t.Errorf("a result over the caller's limit: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err = delta.Apply(ctx, delta.Zstd, bytes.NewReader(base), 5000, bytes.NewReader(patch), io.Discard, delta.Limits{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: %v, want %v", err, context.Canceled)
	}
}

// TestHugeSizes checks that a size in the header is refused before memory is taken for it.
func TestHugeSizes(t *testing.T) {
	for _, size := range []int64{delta.MaxFile + 1, 1 << 62, -1} {
		h := delta.Header{Format: 'z', Size: size}
		if _, err := delta.ReadHeader(bytes.NewReader(encode.AppendHeader(nil, h))); err == nil {
			t.Errorf("a result of %d bytes is taken", size)
		}
	}
	h := delta.Header{Format: 'z', Size: 65 << 20}
	if _, err := apply(delta.Zstd, nil, encode.AppendHeader(nil, h)); err == nil || !strings.Contains(err.Error(), "over the limit") {
		t.Errorf("65 MiB from nothing: %v", err)
	}
}

// TestSmallFramesRefused makes a result byte by byte, where each may read eight megabytes of the base.
func TestSmallFramesRefused(t *testing.T) {
	base := words(8, 5000)
	for result, want := range map[string]string{"a": "", "ab": "read part"} {
		h, err := encode.NewHeader(delta.Zstd, base, []byte(result))
		if err != nil {
			t.Fatal(err)
		}
		patch := encode.AppendHeader(nil, h)
		for i := range len(result) { // result, offset, window, frame; magic number, one segment, size; one raw block
			patch = append(patch, 1, 0, 0, 10, 0x28, 0xB5, 0x2F, 0xFD, 0x20, 1, 9, 0, 0, result[i])
		}
		got, err := apply(delta.Zstd, base, patch)
		if want == "" && (err != nil || string(got) != result) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%d frames of one byte: %q, %v, want %q", len(result), got, err, want)
		}
	}
}

func FuzzApply(f *testing.F) {
	base := splice(words(5, 3000), random(5, 600))
	new := splice(base[:1000], []byte("a change"), base[1100:])
	for _, codec := range delta.Codecs() {
		patch, err := encode.Make(codec, base, new)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(patch[delta.HeaderSize:])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, codec := range delta.Codecs() {
			h, err := encode.NewHeader(codec, base, new)
			if err != nil {
				t.Fatal(err)
			}
			got, err := apply(codec, base, append(encode.AppendHeader(nil, h), body...))
			if err == nil && !bytes.Equal(got, new) {
				t.Fatalf("%s: another file without an error", codec)
			}
		}
	})
}
