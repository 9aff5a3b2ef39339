package wire

import (
	"encoding/binary"
	"errors"
	"maps"
	"math"
	"slices"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// Message is one of wire.proto's messages, a plain struct (wire.gen.go). It is written and read as protobuf does it: fields in the order of their numbers,
// those of a oneof behind them, maps in the order of their keys, what is zero left out; what is unknown is kept, and written last, so that what a newer
// version said survives an older one that stores it or passes it on. Why not by protobuf's own code: docs/decisions/150-own-codec.md.
type Message interface {
	code(*coder)
	reset()
}

// errText is the cause when a text is no UTF-8, which protobuf refuses both ways.
var errText = errors.New("a text that is no UTF-8")

// Marshal is the message's bytes, the same for equal messages. The only error is a text that is no UTF-8.
func Marshal(m Message) ([]byte, error) {
	c := &coder{measuring: true}
	m.code(c)
	*c = coder{out: make([]byte, 0, c.size)}
	m.code(c)
	return c.out, c.err
}

// Append is Marshal behind what b has.
func Append(b []byte, m Message) ([]byte, error) {
	c := &coder{out: b}
	m.code(c)
	return c.out, c.err
}

// Size is how many bytes Append appends.
func Size(m Message) int {
	c := &coder{measuring: true}
	m.code(c)
	return c.size
}

// Unmarshal makes the message what the bytes say. It keeps none of them. After an error the message has what came before it.
func Unmarshal(b []byte, m Message) error {
	m.reset()
	c := &coder{reading: true, in: b}
	c.read(m)
	return c.err
}

// Equal says whether two messages of one type say the same.
func Equal(x, y Message) bool {
	a, errA := Marshal(x)
	b, errB := Marshal(y)
	return errA == nil && errB == nil && string(a) == string(b)
}

// Clone is a copy that shares nothing with the message. Of one with a text that is no UTF-8 it has what stands before that.
func Clone[T any, P messageOf[T]](m P) P {
	to := P(new(T))
	b, _ := Marshal(m)
	_ = Unmarshal(b, to)
	return to
}

// messageOf is what generic code knows of a message: the pointer to its struct.
type messageOf[T any] interface {
	*T
	Message
}

// coder goes over a message's fields. One list of them serves three ends: to write each one that is not zero, to count its bytes, or to read it. Reading goes
// over the list as often as it has to: a field that stands before one already passed, which no sender of ours does, costs another pass.
type coder struct {
	measuring, reading bool

	out  []byte // what was written
	size int    // what was measured

	in    []byte           // behind the tag of the field that comes next
	field []byte           // the same from its tag on
	num   protowire.Number // of it, 0 = there is none
	typ   protowire.Type
	taken bool // one was read in this pass
	err   error
}

func (c *coder) read(m Message) {
	for c.next(); c.num != 0; {
		c.taken = false
		m.code(c)
	}
}

// next reads the next field's tag.
func (c *coder) next() {
	c.num = 0
	if len(c.in) == 0 || c.err != nil {
		return
	}
	num, typ, n := protowire.ConsumeTag(c.in)
	switch {
	case n < 0:
		c.fail(protowire.ParseError(n))
	case num > protowire.MaxValidNumber:
		c.fail(errors.New("a field of an impossible number"))
	default:
		c.field, c.in, c.num, c.typ = c.in, c.in[n:], num, typ
	}
}

func (c *coder) fail(err error) {
	if c.err == nil {
		c.err = err
	}
	c.num = 0
}

// here says whether the field of that number is to be read now. One of the right number and another type is unknown, as to protobuf.
func (c *coder) here(num protowire.Number, typ protowire.Type) bool {
	return c.num == num && c.typ == typ
}

// member is the number of the field that is to be read if it can be a message, else 0.
func (c *coder) member() protowire.Number {
	if c.typ != protowire.BytesType {
		return 0
	}
	return c.num
}

// took goes on behind a value of n bytes.
func (c *coder) took(n int) {
	if n < 0 {
		c.fail(protowire.ParseError(n))
		return
	}
	c.in, c.taken = c.in[n:], true
	c.next()
}

func (c *coder) takeVarint() uint64 {
	v, n := protowire.ConsumeVarint(c.in)
	c.took(n)
	return v
}

func (c *coder) takeBytes() []byte {
	v, n := protowire.ConsumeBytes(c.in)
	c.took(n)
	return v
}

func (c *coder) takeText() string {
	v := c.takeBytes()
	if !utf8.Valid(v) {
		c.fail(errText)
	}
	return string(v)
}

// inside reads the message that is to be read into m, on top of what that has.
func (c *coder) inside(m Message) {
	b := c.takeBytes()
	outer := *c
	c.in = b
	c.read(m)
	if err := c.err; err != nil {
		outer.fail(err)
	}
	*c = outer
}

// rest is the end of a pass: it writes what is unknown, and takes a field that nobody knew.
func (c *coder) rest(unknown *[]byte) {
	switch {
	case c.measuring:
		c.size += len(*unknown)
	case !c.reading:
		c.out = append(c.out, *unknown...)
	case !c.taken && c.num != 0:
		n := protowire.ConsumeFieldValue(c.num, c.typ, c.in)
		if n >= 0 {
			*unknown = append(*unknown, c.field[:len(c.field)-len(c.in)+n]...)
		}
		c.took(n)
	}
}

func (c *coder) putVarint(num protowire.Number, v uint64) {
	if c.measuring {
		c.size += protowire.SizeTag(num) + protowire.SizeVarint(v)
		return
	}
	c.out = protowire.AppendVarint(protowire.AppendTag(c.out, num, protowire.VarintType), v)
}

func (c *coder) putText(num protowire.Number, v string) {
	if c.measuring {
		c.size += protowire.SizeTag(num) + protowire.SizeBytes(len(v))
		return
	}
	if !utf8.ValidString(v) {
		c.fail(errText)
	}
	c.out = protowire.AppendString(protowire.AppendTag(c.out, num, protowire.BytesType), v)
}

func (c *coder) putFixed64(num protowire.Number, v uint64) {
	if c.measuring {
		c.size += protowire.SizeTag(num) + protowire.SizeFixed64()
		return
	}
	c.out = protowire.AppendFixed64(protowire.AppendTag(c.out, num, protowire.Fixed64Type), v)
}

// putMessage writes one message within another. Room for a length of one byte is left before it, and made wider where that was too little.
func (c *coder) putMessage(num protowire.Number, m Message) {
	if c.measuring {
		from := c.size
		m.code(c)
		c.size += protowire.SizeTag(num) + protowire.SizeVarint(uint64(c.size-from))
		return
	}
	c.out = append(protowire.AppendTag(c.out, num, protowire.BytesType), 0)
	from := len(c.out)
	m.code(c)
	n := len(c.out) - from
	if more := protowire.SizeVarint(uint64(n)) - 1; more > 0 {
		c.out = append(c.out, make([]byte, more)...)
		copy(c.out[from+more:], c.out[from:from+n])
	}
	binary.PutUvarint(c.out[from-1:], uint64(n))
}

// What follows are the kinds of fields: each function writes, measures or reads field num.

func varint[T ~int32 | ~int64 | ~uint32 | ~uint64](c *coder, num protowire.Number, v *T) {
	for c.here(num, protowire.VarintType) {
		*v = T(c.takeVarint())
	}
	if !c.reading && *v != 0 {
		c.putVarint(num, uint64(*v))
	}
}

func folded(c *coder, num protowire.Number, v *int32) {
	for c.here(num, protowire.VarintType) {
		*v = int32(protowire.DecodeZigZag(c.takeVarint() & math.MaxUint32))
	}
	if !c.reading && *v != 0 {
		c.putVarint(num, protowire.EncodeZigZag(int64(*v)))
	}
}

func truth(c *coder, num protowire.Number, v *bool) {
	for c.here(num, protowire.VarintType) {
		*v = protowire.DecodeBool(c.takeVarint())
	}
	if !c.reading && *v {
		c.putVarint(num, 1)
	}
}

func fixed32(c *coder, num protowire.Number, v *uint32) {
	for c.here(num, protowire.Fixed32Type) {
		x, n := protowire.ConsumeFixed32(c.in)
		c.took(n)
		*v = x
	}
	switch {
	case c.reading || *v == 0:
	case c.measuring:
		c.size += protowire.SizeTag(num) + protowire.SizeFixed32()
	default:
		c.out = protowire.AppendFixed32(protowire.AppendTag(c.out, num, protowire.Fixed32Type), *v)
	}
}

// float and double leave out 0, and write -0.
func float(c *coder, num protowire.Number, v *float32) {
	bits := math.Float32bits(*v)
	fixed32(c, num, &bits)
	*v = math.Float32frombits(bits)
}

func double(c *coder, num protowire.Number, v *float64) {
	for c.here(num, protowire.Fixed64Type) {
		*v = c.takeDouble()
	}
	if bits := math.Float64bits(*v); !c.reading && bits != 0 {
		c.putFixed64(num, bits)
	}
}

// maybe is a double that is there or not, whatever it is.
func maybe(c *coder, num protowire.Number, v **float64) {
	for c.here(num, protowire.Fixed64Type) {
		x := c.takeDouble()
		*v = &x
	}
	if !c.reading && *v != nil {
		c.putFixed64(num, math.Float64bits(**v))
	}
}

func (c *coder) takeDouble() float64 {
	v, n := protowire.ConsumeFixed64(c.in)
	c.took(n)
	return math.Float64frombits(v)
}

func text(c *coder, num protowire.Number, v *string) {
	for c.here(num, protowire.BytesType) {
		*v = c.takeText()
	}
	if !c.reading && *v != "" {
		c.putText(num, *v)
	}
}

func texts(c *coder, num protowire.Number, v *[]string) {
	for c.here(num, protowire.BytesType) {
		*v = append(*v, c.takeText())
	}
	if !c.reading {
		for _, s := range *v {
			c.putText(num, s)
		}
	}
}

func octets(c *coder, num protowire.Number, v *[]byte) {
	for c.here(num, protowire.BytesType) {
		*v = slices.Clone(c.takeBytes())
	}
	switch {
	case c.reading || len(*v) == 0:
	case c.measuring:
		c.size += protowire.SizeTag(num) + protowire.SizeBytes(len(*v))
	default:
		c.out = protowire.AppendBytes(protowire.AppendTag(c.out, num, protowire.BytesType), *v)
	}
}

func one[T any, P messageOf[T]](c *coder, num protowire.Number, m *P) {
	for c.here(num, protowire.BytesType) {
		if *m == nil {
			*m = new(T)
		}
		c.inside(*m)
	}
	if !c.reading && *m != nil {
		c.putMessage(num, *m)
	}
}

func many[T any, P messageOf[T]](c *coder, num protowire.Number, all *[]P) {
	for c.here(num, protowire.BytesType) {
		m := P(new(T))
		*all = append(*all, m)
		c.inside(m)
	}
	if !c.reading {
		for _, m := range *all {
			put(c, num, m)
		}
	}
}

// put writes a message that has to be there; nil is an empty one.
func put[T any, P messageOf[T]](c *coder, num protowire.Number, m P) {
	if m == nil {
		m = new(T)
	}
	c.putMessage(num, m)
}

// table is a map; each entry is a message of its own.
func table(c *coder, num protowire.Number, v *map[string]string) {
	for c.here(num, protowire.BytesType) {
		var e entry
		c.inside(&e)
		if *v == nil {
			*v = map[string]string{}
		}
		(*v)[e.key] = e.value
	}
	if !c.reading && len(*v) > 0 {
		for _, key := range slices.Sorted(maps.Keys(*v)) {
			c.putMessage(num, &entry{key, (*v)[key]})
		}
	}
}

type entry struct{ key, value string }

func (e *entry) reset() { *e = entry{} }

// code writes both, empty or not, as protobuf does; what else an entry has is kept nowhere.
func (e *entry) code(c *coder) {
	if !c.reading {
		c.putText(1, e.key)
		c.putText(2, e.value)
		return
	}
	text(c, 1, &e.key)
	text(c, 2, &e.value)
	var none []byte
	c.rest(&none)
}
