package wire

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// every message of wire.proto.
var every = []Message{
	&Frame{}, &Hello{}, &Challenge{}, &Succession{}, &Proof{}, &Enrol{}, &Facts{}, &CollectorState{}, &Generation{}, &Generations{}, &Watermark{}, &Watermarks{},
	&Welcome{}, &Refuse{}, &Perfdata{}, &Result{}, &Standing{}, &Gap{}, &LostRun{}, &Event{}, &Item{}, &Samples{}, &Sample{}, &Items{}, &Batch{}, &Ack{}, &Reject{},
	&Check{}, &Desired{}, &Collector{}, &RevisionReport{}, &RunNow{}, &CancelRun{}, &RunOutput{}, &RunEnd{}, &Look{}, &Follow{}, &Hold{}, &Resume{}, &Successor{},
	&Active{}, &SiteGet{}, &SitePiece{}, &Ping{}, &Pong{}, &Heartbeat{}, &Bye{},
}

func nameOf(m Message) string { return reflect.TypeOf(m).Elem().Name() }

func newOf(name string) Message {
	for _, m := range every {
		if nameOf(m) == name {
			return reflect.New(reflect.TypeOf(m).Elem()).Interface().(Message)
		}
	}
	return nil
}

// protobuf is what the library makes of wire.proto, by the descriptor that `make proto` leaves: it judges what is here.
func protobuf(t testing.TB) protoreflect.MessageDescriptors {
	data, err := os.ReadFile("testdata/wire.binpb")
	if err != nil {
		t.Fatal(err)
	}
	set := new(descriptorpb.FileDescriptorSet)
	if err := proto.Unmarshal(data, set); err != nil {
		t.Fatal(err)
	}
	files, err := protodesc.NewFiles(set)
	if err != nil {
		t.Fatal(err)
	}
	f, err := files.FindFileByPath("core/wire/wire.proto")
	if err != nil {
		t.Fatal(err)
	}
	return f.Messages()
}

// TestEveryMessageIsProtobufs fills every message by chance, and holds what is here against the library both ways: bytes, length and values.
func TestEveryMessageIsProtobufs(t *testing.T) {
	all := protobuf(t)
	if all.Len() != len(every) {
		t.Fatalf("%d messages, %d in wire.proto", len(every), all.Len())
	}
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for i := range all.Len() {
		for range 60 {
			theirs := dynamicpb.NewMessage(all.Get(i))
			fill(random, theirs)
			ours := newOf(string(all.Get(i).Name()))
			if ours == nil {
				t.Fatalf("there is no %s", all.Get(i).Name())
			}
			hold(t, ours, theirs)
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
	}
}

func hold(t *testing.T, ours Message, theirs *dynamicpb.Message) {
	t.Helper()
	want, err := proto.MarshalOptions{Deterministic: true}.Marshal(theirs)
	if err != nil {
		t.Fatal(err)
	}
	if err := Unmarshal(want, ours); err != nil {
		t.Fatalf("%s %x: %v", nameOf(ours), want, err)
	}
	sameFields(t, reflect.ValueOf(ours), theirs)
	got, err := Marshal(ours)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is written as\n%x (%v), by protobuf as\n%x", nameOf(ours), got, err, want)
	}
	behind, err := Append([]byte("before"), ours)
	if err != nil || !bytes.Equal(behind, append([]byte("before"), want...)) || Size(ours) != len(want) {
		t.Errorf("%s: appended as %x, size %d of %d", nameOf(ours), behind, Size(ours), len(want))
	}
}

// sameFields looks at each field by its getter.
func sameFields(t *testing.T, ours reflect.Value, theirs protoreflect.Message) {
	t.Helper()
	fields := theirs.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		got := ours.MethodByName("Get" + camel(string(f.Name()))).Call(nil)[0]
		want := theirs.Get(f)
		switch {
		case f.IsMap():
			if got.Len() != want.Map().Len() {
				t.Errorf("%s: %d entries, not %d", f.FullName(), got.Len(), want.Map().Len())
			}
			for _, key := range got.MapKeys() {
				if v := want.Map().Get(protoreflect.ValueOfString(key.String()).MapKey()); got.MapIndex(key).String() != v.String() {
					t.Errorf("%s: %q is %q", f.FullName(), key, got.MapIndex(key))
				}
			}
		case f.IsList():
			if got.Len() != want.List().Len() {
				t.Fatalf("%s: %d, not %d", f.FullName(), got.Len(), want.List().Len())
			}
			for k := range got.Len() {
				same(t, f, got.Index(k), want.List().Get(k))
			}
		case f.Message() != nil && got.IsNil() == theirs.Has(f):
			t.Errorf("%s: there %v, by protobuf %v", f.FullName(), !got.IsNil(), theirs.Has(f))
		case f.Message() != nil && got.IsNil():
		default:
			same(t, f, got, want)
		}
	}
}

func same(t *testing.T, f protoreflect.FieldDescriptor, got reflect.Value, want protoreflect.Value) {
	t.Helper()
	switch {
	case f.Message() != nil:
		sameFields(t, got, want.Message())
	case f.Enum() != nil:
		name := fmt.Sprint(want.Enum())
		if v := f.Enum().Values().ByNumber(want.Enum()); v != nil {
			name = string(v.Name())
		}
		if got.Int() != int64(want.Enum()) || fmt.Sprint(got) != name {
			t.Errorf("%s is %v, not %d (%s)", f.FullName(), got, want.Enum(), name)
		}
	case fmt.Sprint(got) != fmt.Sprint(want.Interface()):
		t.Errorf("%s is %v, not %v", f.FullName(), got, want)
	}
}

func camel(name string) (s string) {
	for part := range strings.SplitSeq(name, "_") {
		s += strings.ToUpper(part[:1]) + part[1:]
	}
	return s
}

// fill fills a third of a message's fields.
func fill(random *rand.Rand, m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		switch {
		case random.IntN(3) > 0:
		case f.IsMap():
			for range random.IntN(4) {
				m.Mutable(f).Map().Set(protoreflect.ValueOfString(word(random)).MapKey(), protoreflect.ValueOfString(word(random)))
			}
		case f.IsList() && f.Message() != nil:
			for range random.IntN(4) {
				fill(random, m.Mutable(f).List().AppendMutable().Message())
			}
		case f.IsList():
			for range random.IntN(4) {
				m.Mutable(f).List().Append(value(random, f))
			}
		case f.Message() != nil:
			fill(random, m.Mutable(f).Message())
		default:
			m.Set(f, value(random, f))
		}
	}
}

func value(random *rand.Rand, f protoreflect.FieldDescriptor) protoreflect.Value {
	n := random.Uint64() >> random.IntN(65)
	if random.IntN(2) == 0 {
		n = -n
	}
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(n%2 == 0)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(n))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(uint32(n))
	case protoreflect.Sint32Kind:
		return protoreflect.ValueOfInt32(int32(n))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(int64(n))
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(n)
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32([]float32{0, float32(math.Copysign(0, -1)), float32(n) / 3, float32(math.Inf(1))}[n%4])
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64([]float64{0, math.Copysign(0, -1), float64(n) / 3, math.NaN(), math.Inf(-1)}[n%5])
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(word(random)))
	}
	return protoreflect.ValueOfString(word(random))
}

func word(random *rand.Rand) string {
	return []string{"", "a", "zwölf Boxkämpfer", "\x00\u2028", strings.Repeat("x", 127), strings.Repeat("long ", random.IntN(4000)>>random.IntN(12))}[random.IntN(6)]
}

// TestGolden: what protobuf's code wrote of every message when agents and hubs still had it, is read and written so for ever.
func TestGolden(t *testing.T) {
	f, err := os.Open("testdata/golden.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	seen := map[string]bool{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, text, _ := strings.Cut(lines.Text(), " ")
		want, err := hex.DecodeString(text)
		m := newOf(name)
		if err != nil || m == nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		seen[name] = true
		if err := Unmarshal(want, m); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, err := Marshal(m); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is written as\n%x (%v), once as\n%x", name, got, err, want)
		}
		checkEmpty(t, m)
	}
	for _, m := range every {
		if !seen[nameOf(m)] {
			t.Errorf("no %s among them", nameOf(m))
		}
	}
}

// checkEmpty holds that nothing of it was unknown, and that reading takes away what a message had.
func checkEmpty(t *testing.T, m Message) {
	t.Helper()
	if n := reflect.ValueOf(m).Elem().FieldByName("unknown").Len(); n > 0 {
		t.Errorf("%s: %d bytes that nobody knows", nameOf(m), n)
	}
	if err := Unmarshal(nil, m); err != nil || Size(m) != 0 {
		t.Errorf("an empty %s has %d bytes (%v)", nameOf(m), Size(m), err)
	}
}

func TestTextsAreUTF8(t *testing.T) {
	const bad = "\xff"
	for what, m := range map[string]Message{
		"a text":                  &Bye{Cause: bad},
		"one of several":          &Facts{Tags: []string{"good", bad}},
		"a key":                   &Event{Attributes: map[string]string{bad: ""}},
		"a value":                 &Event{Attributes: map[string]string{"": bad}},
		"a text within a message": &Frame{Body: &Frame_Bye{Bye: &Bye{Text: bad}}},
	} {
		b, err := Marshal(m)
		if err != errText {
			t.Errorf("%s is written: %v", what, err)
		}
		if err := Unmarshal(b, newOf(nameOf(m))); err != errText {
			t.Errorf("%s is read: %v", what, err)
		}
	}
	if _, err := Marshal(&Hello{Nonce: []byte(bad)}); err != nil {
		t.Errorf("bytes are refused: %v", err)
	}
}

func TestWhatIsUnknownSurvives(t *testing.T) {
	strange := protowire.AppendString(protowire.AppendTag(nil, 2000, protowire.BytesType), "of the next version")
	check := append([]byte("\x0a\x01c"), strange...)
	old := append(protowire.AppendBytes([]byte{1 << 3, 7, 2<<3 | 2}, check), strange...)
	d := new(Desired)
	if err := Unmarshal(old, d); err != nil || d.GetRevision() != 7 || d.GetChecks()[0].GetName() != "c" {
		t.Fatalf("read %v: %v", d, err)
	}
	d.Revision = 8
	old[1] = 8
	if got, err := Marshal(Clone(d)); err != nil || !bytes.Equal(got, old) {
		t.Errorf("written as %x (%v), not %x", got, err, old)
	}
}

func TestEqualAndClone(t *testing.T) {
	x := &Facts{Hostname: "h", Tags: []string{"a"}, More: map[string]string{"k": "v", "l": "w"}, Collectors: []*CollectorState{{Name: "c"}}}
	y := Clone(x)
	if !Equal(x, y) {
		t.Error("a copy is not equal")
	}
	y.Collectors[0].Pid, y.More["k"] = 1, "u"
	if Equal(x, y) || x.Collectors[0].Pid != 0 || x.More["k"] != "v" {
		t.Error("a copy shares what it has")
	}
}

// FuzzCodec holds what is here against the library over any bytes: whether they are a message, and what is written of it.
func FuzzCodec(f *testing.F) {
	all := protobuf(f)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range all.Len() {
		m := dynamicpb.NewMessage(all.Get(i))
		fill(random, m)
		data, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(i), data)
	}
	f.Fuzz(func(t *testing.T, i byte, data []byte) {
		d := all.Get(int(i) % all.Len())
		theirs, ours := dynamicpb.NewMessage(d), newOf(string(d.Name()))
		errTheirs, err := proto.Unmarshal(data, theirs), Unmarshal(data, ours)
		if (err == nil) != (errTheirs == nil) {
			t.Fatalf("%s %x: %v, by protobuf %v", d.Name(), data, err, errTheirs)
		}
		if err != nil {
			return
		}
		hold(t, newOf(string(d.Name())), theirs)
		want, err := proto.MarshalOptions{Deterministic: true}.Marshal(theirs)
		got, errOurs := Marshal(ours)
		if err != nil || errOurs != nil || !bytes.Equal(got, want) {
			t.Fatalf("%s %x: %x (%v), by protobuf %x (%v)", d.Name(), data, got, errOurs, want, err)
		}
	})
}
