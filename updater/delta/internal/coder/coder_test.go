package coder

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// play codes a mixture of everything under contexts that repeat, and returns what came out.
func play(c *Coder, seed uint64, steps int) []int64 {
	r := rand.New(rand.NewPCG(seed, 0))
	var got []int64
	last := uint32(0)
	for range steps {
		v := r.Int64() >> (3 + r.UintN(60))
		b := byte(r.UintN(4) * r.UintN(60))
		c.Contexts(last&3, last, 7)
		switch r.UintN(3) {
		case 0:
			last = c.Bit(uint32(b&1), 1, 0)
			got = append(got, int64(last))
		case 1:
			last = uint32(c.Byte(b, 1))
			got = append(got, int64(last))
		default:
			got = append(got, c.Signed(v, 2))
		}
	}
	return got
}

func TestDecoderReadsWhatEncoderWrote(t *testing.T) {
	for _, steps := range []int{0, 1, 2, 10, 5000} {
		e := NewEncoder(1 << 30)
		want := play(e, uint64(steps), steps)
		b := e.Bytes()
		d := NewDecoder(context.Background(), bytes.NewReader(b), e.Spent())
		// The decoder's own values are other ones: it must not look at them.
		r := rand.New(rand.NewPCG(uint64(steps), 0))
		last := uint32(0)
		for i := range steps {
			_ = r.Int64() >> (3 + r.UintN(60))
			_, _ = r.UintN(4), r.UintN(60)
			d.Contexts(last&3, last, 7)
			var got int64
			switch r.UintN(3) {
			case 0:
				last = d.Bit(0, 1, 0)
				got = int64(last)
			case 1:
				last = uint32(d.Byte(0, 1))
				got = int64(last)
			default:
				got = d.Signed(0, 2)
			}
			if got != want[i] {
				t.Fatalf("%d steps: step %d is %d, want %d", steps, i, got, want[i])
			}
		}
		if err := d.Close(); err != nil {
			t.Errorf("%d steps: %v", steps, err)
		}
	}
}

// TestStreamIsFrozen fails when the coder makes other bytes than it did when the format was made: on another platform,
// or after a change that needs a new codec name.
func TestStreamIsFrozen(t *testing.T) {
	e := NewEncoder(1 << 30)
	play(e, 42, 20_000)
	s := sha256.Sum256(e.Bytes())
	const want = "692fd3ac6b1e4f14444033865090873db4222ef2bb52ff985aea6802d7150501"
	if got := hex.EncodeToString(s[:]); got != want {
		t.Errorf("the stream hashes to %s, want %s", got, want)
	}
}

func TestTables(t *testing.T) {
	for x := int32(-squashLimit); x < squashLimit; x++ {
		if squash(x) > squash(x+1) {
			t.Fatalf("squash falls after %d", x)
		}
	}
	if p := squash(0); p != 32768 {
		t.Errorf("squash(0) = %d, want 32768", p)
	}
	for i, x := range stretchTable {
		if i > 0 && x < stretchTable[i-1] {
			t.Fatalf("stretch falls at %d", i)
		}
		// Within the clamp, stretch undoes squash to one step of its table.
		if p := squash(int32(x)); x > -stretchLimit && x < stretchLimit && (p>>4-int32(i) > 16 || int32(i)-p>>4 > 16) {
			t.Errorf("squash(stretch(%d)) is in step %d", i, p>>4)
		}
	}
}

func TestCodeIsShort(t *testing.T) {
	e := NewEncoder(1 << 30)
	for i := range 100_000 {
		e.Contexts(0)
		e.Bit(uint32(i&1), uint32(i&1), 0)
	}
	if n := len(e.Bytes()); n > 40 {
		t.Errorf("100000 bits that always are the same take %d bytes", n)
	}
}

func decode(in []byte, budget uint64, steps int) (err error) {
	defer Recover(&err)
	d := NewDecoder(context.Background(), bytes.NewReader(in), budget)
	for range steps {
		d.Contexts(1)
		d.Byte(0, 0)
	}
	return d.Close()
}

func TestDecoderRefuses(t *testing.T) {
	e := NewEncoder(1 << 30)
	for i := range 50 {
		e.Contexts(1)
		e.Byte(byte(i*37), 0)
	}
	good := e.Bytes()
	if err := decode(good, 400, 50); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		in     []byte
		budget uint64
		want   string
	}{
		"budget too small":  {good, 399, "budget"},
		"budget too large":  {good, 401, "were said"},
		"cut to nothing":    {nil, 400, io.EOF.Error()},
		"cut by eight":      {good[:len(good)-8], 400, io.EOF.Error()},
		"something behind":  {append(bytes.Clone(good), 9, 9, 9, 9, 9, 9, 9), 400, "goes on"},
		"a zero behind":     {append(bytes.Clone(good), 0), 400, "end stream"},
		"one byte behind":   {append(bytes.Clone(good), 1), 400, "end stream"},
		"last byte changed": {append(bytes.Clone(good[:len(good)-1]), good[len(good)-1]^1), 400, "end stream"},
	} {
		if err := decode(c.in, c.budget, 50); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestRecover(t *testing.T) {
	f := func() (err error) {
		defer Recover(&err)
		var none []error
		return none[len(none)]
	}
	if err := f(); err == nil || !strings.Contains(err.Error(), "index out of range") {
		t.Errorf("a panic of the runtime becomes %v", err)
	}
}

// What two nearly equal files code to may end in any number of zero bytes.
func TestStreamsThatEndInZeros(t *testing.T) {
	for n := range 100 {
		e := NewEncoder(1 << 20)
		e.code1(0, 1<<15)
		for range n {
			e.code1(1, 1<<15) // the low end of the range: it goes out as zeros
		}
		b := e.Bytes()
		var err error
		func() {
			defer Recover(&err)
			d := NewDecoder(context.Background(), bytes.NewReader(b), e.Spent())
			if d.code1(0, 1<<15) != 0 {
				t.Errorf("%d: the first bit is another", n)
			}
			for range n {
				if d.code1(0, 1<<15) != 1 {
					t.Errorf("%d: a bit is another", n)
				}
			}
			err = d.Close()
		}()
		if err != nil {
			t.Errorf("%d bits at the low end, %d bytes: %v", n, len(b), err)
		}
	}
}
