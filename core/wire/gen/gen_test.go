package main

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

const proto3 = "core/wire/wire.proto"

// described is what protoc read in wire.proto when `make proto` last ran.
func described(t *testing.T) *descriptorpb.FileDescriptorSet {
	data, err := os.ReadFile("../testdata/wire.binpb")
	if err != nil {
		t.Fatal(err)
	}
	set := new(descriptorpb.FileDescriptorSet)
	if err := proto.Unmarshal(data, set); err != nil {
		t.Fatal(err)
	}
	return set
}

func generate(t *testing.T, files ...*descriptorpb.FileDescriptorProto) (*protogen.Plugin, error) {
	name, how := proto3, "paths=source_relative"
	p, err := protogen.Options{}.New(&pluginpb.CodeGeneratorRequest{FileToGenerate: []string{name}, Parameter: &how, ProtoFile: files})
	if err != nil {
		t.Fatal(err)
	}
	return p, file(p, p.Files[len(p.Files)-1])
}

// TestGeneratedCodeIsThatOfTheProto: nobody forgot `make proto`, or wrote into what it makes.
func TestGeneratedCodeIsThatOfTheProto(t *testing.T) {
	p, err := generate(t, described(t).File...)
	if err != nil {
		t.Fatal(err)
	}
	want := p.Response().GetFile()[0].GetContent()
	got, err := os.ReadFile("../wire.gen.go")
	if err != nil || string(got) != want {
		t.Errorf("wire.gen.go is another than wire.proto makes (%v): run `make proto`", err)
	}
	text, err := os.ReadFile("../wire.proto")
	if err != nil {
		t.Fatal(err)
	}
	if a, b := numbered(string(text)), numbers(described(t)); !slices.Equal(a, b) {
		t.Errorf("testdata/wire.binpb is of another wire.proto: run `make proto`\n%v\n%v", a, b)
	}
}

// numbered are the fields and values of a .proto with their numbers, in order.
func numbered(text string) (all []string) {
	text = regexp.MustCompile(`//.*`).ReplaceAllString(text, "")
	for _, m := range regexp.MustCompile(`(\w+) = (-?\d+);`).FindAllStringSubmatch(text, -1) {
		all = append(all, m[1]+"="+m[2])
	}
	slices.Sort(all)
	return all
}

func numbers(set *descriptorpb.FileDescriptorSet) []string {
	var text strings.Builder
	f := set.File[0]
	for _, m := range f.MessageType {
		for _, x := range m.Field {
			text.WriteString(x.GetName() + " = " + strconv.Itoa(int(x.GetNumber())) + ";")
		}
	}
	for _, e := range f.EnumType {
		for _, v := range e.Value {
			text.WriteString(v.GetName() + " = " + strconv.Itoa(int(v.GetNumber())) + ";")
		}
	}
	return numbered(text.String())
}

// TestWhatIsNotKnownIsRefused: a field that codec.go cannot write as protobuf does makes no code.
func TestWhatIsNotKnownIsRefused(t *testing.T) {
	optional, repeated := descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL, descriptorpb.FieldDescriptorProto_LABEL_REPEATED
	for what, f := range map[string]*descriptorpb.FieldDescriptorProto{
		"a list of numbers":  {Type: descriptorpb.FieldDescriptorProto_TYPE_UINT64.Enum(), Label: &repeated},
		"a list of bytes":    {Type: descriptorpb.FieldDescriptorProto_TYPE_BYTES.Enum(), Label: &repeated},
		"an int32":           {Type: descriptorpb.FieldDescriptorProto_TYPE_INT32.Enum(), Label: &optional},
		"a sint64":           {Type: descriptorpb.FieldDescriptorProto_TYPE_SINT64.Enum(), Label: &optional},
		"a fixed64":          {Type: descriptorpb.FieldDescriptorProto_TYPE_FIXED64.Enum(), Label: &optional},
		"an optional string": {Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), Label: &optional, Proto3Optional: new(true), OneofIndex: new(int32(0))},
	} {
		f.Name, f.Number = new("x"), new(int32(1))
		m := &descriptorpb.DescriptorProto{Name: new("M"), Field: []*descriptorpb.FieldDescriptorProto{f}}
		if f.OneofIndex != nil {
			m.OneofDecl = []*descriptorpb.OneofDescriptorProto{{Name: new("_x")}}
		}
		if _, err := generate(t, &descriptorpb.FileDescriptorProto{
			Name: new(proto3), Package: new("p"), Syntax: new("proto3"), MessageType: []*descriptorpb.DescriptorProto{m},
			Options: &descriptorpb.FileOptions{GoPackage: new("example.com/p")},
		}); err == nil {
			t.Errorf("%s makes code", what)
		}
	}
}
