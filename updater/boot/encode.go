package boot

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/limpet-monitoring/limpet/platforms/plain"
)

// Size is the length of a sector in bytes.
const Size = 4096

const (
	magic    = "LIMPETR\n"
	format   = 1
	checksum = Size - sha256.Size // where it lies

	atFormat   = 8
	atSequence = 16
	atCores    = 24 // four of them
	atTries    = 216
	atStarts   = 217
	atSoak     = 218
	atTimes    = 224 // committed, floor, time floor, baseline
	atBarred   = 256
	atAside    = 1024
	atWishes   = 1792 // two of them
	atReverted = 2000
	coreSize   = 48
	entrySize  = 48
	wishSize   = 104

	flagChannel = 1
	flagPin     = 2
	flagHold    = 4
)

// ErrInvalid is the cause when a sector holds no record.
var ErrInvalid = errors.New("not a valid record")

var order = binary.LittleEndian

// Encode is the record as one sector. It fails when the record breaks its own rules, so that no
// sector is ever written that Decode would refuse.
func Encode(r Record) ([]byte, error) {
	if wrong := r.wrong(); wrong != "" {
		return nil, errors.New("encode record: " + wrong)
	}
	b := make([]byte, Size)
	copy(b, magic)
	order.PutUint16(b[atFormat:], format)
	order.PutUint64(b[atSequence:], r.Sequence)
	for i, c := range []Core{r.Good, r.Previous, r.Trial, r.Factory} {
		putCore(b[atCores+i*coreSize:], c)
	}
	b[atTries], b[atStarts] = r.Tries, r.Starts
	order.PutUint16(b[atSoak:], r.Soak)
	order.PutUint64(b[atReverted:], uint64(r.Reverted))
	for i, v := range []uint64{uint64(r.Committed), r.Floor, uint64(r.TimeFloor), r.Baseline} {
		order.PutUint64(b[atTimes+8*i:], v)
	}
	for i, e := range r.Barred {
		at := b[atBarred+i*entrySize:]
		copy(at, e.Hash[:])
		order.PutUint64(at[32:], e.Counter)
		at[40] = byte(e.Reason)
	}
	for i, e := range r.Aside {
		at := b[atAside+i*entrySize:]
		copy(at, e.Hash[:])
		order.PutUint64(at[32:], e.Counter)
		order.PutUint64(at[40:], uint64(e.Until))
	}
	putWish(b[atWishes:], r.Owner)
	putWish(b[atWishes+wishSize:], r.Hub)
	sum := sha256.Sum256(b[:checksum])
	copy(b[checksum:], sum[:])
	return b, nil
}

func putCore(b []byte, c Core) {
	order.PutUint64(b, c.Counter)
	order.PutUint64(b[8:], uint64(c.Length))
	copy(b[16:], c.Hash[:])
}

func putWish(b []byte, w Wish) {
	for flag, set := range map[byte]bool{flagChannel: w.ChannelSet, flagPin: w.PinSet, flagHold: w.HoldSet} {
		if set {
			b[0] |= flag
		}
	}
	if w.Hold {
		b[1] = 1
	}
	b[2], b[3] = byte(len(w.Channel)), byte(len(w.Pin))
	copy(b[8:8+MaxChannel], w.Channel)
	copy(b[8+MaxChannel:], w.Pin)
}

// Decode reads one sector. Errors are ErrInvalid.
func Decode(b []byte) (Record, error) {
	if len(b) != Size {
		return Record{}, plain.Because(ErrInvalid, strconv.Itoa(len(b))+" bytes")
	}
	if string(b[:len(magic)]) != magic {
		return Record{}, plain.Because(ErrInvalid, "no magic")
	}
	if sum := sha256.Sum256(b[:checksum]); !bytes.Equal(sum[:], b[checksum:]) {
		return Record{}, plain.Because(ErrInvalid, "checksum")
	}
	if f := order.Uint16(b[atFormat:]); f != format {
		return Record{}, plain.Because(ErrInvalid, "format "+strconv.Itoa(int(f)))
	}
	r := decode(b)
	// What Encode would not have written is no record: unused bytes, gaps, fields out of range.
	again, err := Encode(r)
	if err != nil {
		return Record{}, plain.Because(ErrInvalid, err.Error())
	}
	if !bytes.Equal(again, b) {
		return Record{}, plain.Because(ErrInvalid, "unused bytes are set")
	}
	return r, nil
}

func decode(b []byte) Record {
	r := Record{
		Sequence:  order.Uint64(b[atSequence:]),
		Tries:     b[atTries],
		Starts:    b[atStarts],
		Soak:      order.Uint16(b[atSoak:]),
		Reverted:  int64(order.Uint64(b[atReverted:])),
		Committed: int64(order.Uint64(b[atTimes:])),
		Floor:     order.Uint64(b[atTimes+8:]),
		TimeFloor: int64(order.Uint64(b[atTimes+16:])),
		Baseline:  order.Uint64(b[atTimes+24:]),
		Owner:     wish(b[atWishes:]),
		Hub:       wish(b[atWishes+wishSize:]),
	}
	for i, c := range []*Core{&r.Good, &r.Previous, &r.Trial, &r.Factory} {
		*c = core(b[atCores+i*coreSize:])
	}
	for i := range r.Barred {
		at := b[atBarred+i*entrySize:]
		r.Barred[i] = Bar{[32]byte(at[:32]), order.Uint64(at[32:]), Reason(at[40])}
	}
	for i := range r.Aside {
		at := b[atAside+i*entrySize:]
		r.Aside[i] = Aside{[32]byte(at[:32]), order.Uint64(at[32:]), int64(order.Uint64(at[40:]))}
	}
	return r
}

func core(b []byte) Core {
	return Core{order.Uint64(b), int64(order.Uint64(b[8:])), [32]byte(b[16:48])}
}

func wish(b []byte) Wish {
	return Wish{
		ChannelSet: b[0]&flagChannel != 0,
		PinSet:     b[0]&flagPin != 0,
		HoldSet:    b[0]&flagHold != 0,
		Hold:       b[1] == 1,
		Channel:    string(b[8 : 8+min(int(b[2]), MaxChannel)]),
		Pin:        string(b[8+MaxChannel:][:min(int(b[3]), MaxPin)]),
	}
}

// wrong says which rule of the format the record breaks, or "".
func (r Record) wrong() string {
	for _, c := range []Core{r.Good, r.Previous, r.Trial, r.Factory} {
		if !c.whole() {
			return "a core is incomplete"
		}
	}
	switch {
	case r.Sequence == 0:
		return "no sequence"
	case r.Committed < 0 || r.TimeFloor < 0 || r.Reverted < 0:
		return "a time is negative"
	}
	ended := false
	for _, e := range r.Barred {
		empty := e == Bar{}
		if !empty && (ended || e.Hash == [32]byte{} || e.Reason == 0 || e.Reason > Asked) {
			return "the list of barred cores has a gap or an entry that is none"
		}
		ended = ended || empty
	}
	ended = false
	for _, e := range r.Aside {
		empty := e == Aside{}
		if !empty && (ended || e.Hash == [32]byte{} || e.Until < 0) {
			return "the list of cores set aside has a gap or an entry that is none"
		}
		ended = ended || empty
	}
	if !r.Owner.valid() || !r.Hub.valid() {
		return "a wish is too long, no text, or not set"
	}
	return ""
}

func (w Wish) valid() bool {
	return printable(w.Channel, MaxChannel) && printable(w.Pin, MaxPin) &&
		(w.ChannelSet || w.Channel == "") && (w.PinSet || w.Pin == "") && (w.HoldSet || !w.Hold)
}

func printable(s string, limit int) bool {
	return len(s) <= limit && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}
