// Command gen is the plugin of protoc that makes wire.gen.go of wire.proto (`make proto`): a plain struct for each message with its getters, as
// protobuf's own would be, and one function that names the fields in order, which package wire writes, reads and measures them with (codec.go). It does
// what wire.proto needs and refuses what it does not: packed numbers, extensions, services, other maps than of texts.
package main

import (
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/pluginpb"
)

func main() {
	protogen.Options{}.Run(func(p *protogen.Plugin) error {
		p.SupportedFeatures = uint64(pluginpb.CodeGeneratorResponse_FEATURE_PROTO3_OPTIONAL)
		for _, f := range p.Files {
			if f.Generate {
				if err := file(p, f); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func file(p *protogen.Plugin, f *protogen.File) error {
	g := p.NewGeneratedFile(f.GeneratedFilenamePrefix+".gen.go", f.GoImportPath)
	g.P("// Code generated from ", f.Desc.Path(), " by `make proto`. DO NOT EDIT.")
	g.P()
	g.P("package ", f.GoPackageName)
	for _, e := range f.Enums {
		enum(g, e)
	}
	for _, m := range f.Messages {
		if err := message(g, m); err != nil {
			return fmt.Errorf("%s: %w", m.Desc.FullName(), err)
		}
	}
	return nil
}

var strconvItoa = protogen.GoIdent{GoName: "Itoa", GoImportPath: "strconv"}

func enum(g *protogen.GeneratedFile, e *protogen.Enum) {
	g.P()
	g.P(e.Comments.Leading, "type ", e.GoIdent, " int32")
	g.P()
	g.P("const (")
	for _, v := range e.Values {
		g.P(v.GoIdent, " ", e.GoIdent, " = ", v.Desc.Number(), trailing(v.Comments))
	}
	g.P(")")
	g.P()
	g.P("func (v ", e.GoIdent, ") String() string {")
	g.P("switch v {")
	for _, v := range e.Values {
		g.P("case ", v.GoIdent, ": return ", strconv.Quote(string(v.Desc.Name())))
	}
	g.P("}")
	g.P("return ", strconvItoa, "(int(v))")
	g.P("}")
}

func message(g *protogen.GeneratedFile, m *protogen.Message) error {
	g.P()
	g.P(m.Comments.Leading, "type ", m.GoIdent, " struct {")
	for _, f := range m.Fields {
		switch {
		case !inOneof(f):
			t, err := goType(g, f)
			if err != nil {
				return err
			}
			g.P(f.Comments.Leading, f.GoName, " ", t, trailing(f.Comments))
		case f == f.Oneof.Fields[0]:
			g.P(f.Oneof.GoName, " ", interfaceOf(f.Oneof), " // one of those that begin with ", m.GoIdent, "_")
		}
	}
	g.P("unknown []byte // fields of a newer version, as they came")
	g.P("}")
	for _, o := range m.Oneofs {
		if !o.Desc.IsSynthetic() {
			wrappers(g, o)
		}
	}
	for _, f := range m.Fields {
		if err := getter(g, m, f); err != nil {
			return err
		}
	}
	return code(g, m)
}

// inOneof says whether a field is one of several of which one is there; an optional field is to protobuf, not here.
func inOneof(f *protogen.Field) bool { return f.Oneof != nil && !f.Oneof.Desc.IsSynthetic() }

func interfaceOf(o *protogen.Oneof) string { return "is" + o.GoIdent.GoName }

// wrappers are the types that tell which of a oneof's fields is there.
func wrappers(g *protogen.GeneratedFile, o *protogen.Oneof) {
	g.P()
	g.P("type ", interfaceOf(o), " interface{ ", interfaceOf(o), "() }")
	for _, f := range o.Fields {
		g.P()
		g.P("type ", f.GoIdent, " struct{ ", f.GoName, " *", f.Message.GoIdent, " }", trailing(f.Comments))
		g.P()
		g.P("func (*", f.GoIdent, ") ", interfaceOf(o), "() {}")
	}
	g.P()
	g.P("func (m *", o.Parent.GoIdent, ") Get", o.GoName, "() ", interfaceOf(o), " {")
	g.P("if m == nil { return nil }")
	g.P("return m.", o.GoName)
	g.P("}")
}

func getter(g *protogen.GeneratedFile, m *protogen.Message, f *protogen.Field) error {
	t, err := goType(g, f)
	if err != nil {
		return err
	}
	g.P()
	switch {
	case inOneof(f):
		g.P("func (m *", m.GoIdent, ") Get", f.GoName, "() ", t, " {")
		g.P("if b, ok := m.Get", f.Oneof.GoName, "().(*", f.GoIdent, "); ok { return b.", f.GoName, " }")
		g.P("return nil")
	case f.Desc.HasOptionalKeyword():
		g.P("func (m *", m.GoIdent, ") Get", f.GoName, "() (v ", strings.TrimPrefix(t, "*"), ") {")
		g.P("if m != nil && m.", f.GoName, " != nil { v = *m.", f.GoName, " }")
		g.P("return v")
	default:
		g.P("func (m *", m.GoIdent, ") Get", f.GoName, "() (v ", t, ") {")
		g.P("if m != nil { v = m.", f.GoName, " }")
		g.P("return v")
	}
	g.P("}")
	return nil
}

// code is the function that names the fields in the order of their numbers; those of a oneof stand behind all others, as protobuf writes them.
func code(g *protogen.GeneratedFile, m *protogen.Message) error {
	g.P()
	g.P("func (m *", m.GoIdent, ") reset() { *m = ", m.GoIdent, "{} }")
	g.P()
	g.P("func (m *", m.GoIdent, ") code(c *coder) {")
	for number := protoreflect.FieldNumber(1); number <= last(m); number++ {
		for _, f := range m.Fields {
			if f.Desc.Number() != number || inOneof(f) {
				continue
			}
			how, err := coding(f)
			if err != nil {
				return err
			}
			g.P(how, "(c, ", number, ", &m.", f.GoName, ")")
		}
	}
	for _, o := range m.Oneofs {
		if !o.Desc.IsSynthetic() {
			oneof(g, o)
		}
	}
	g.P("c.rest(&m.unknown)")
	g.P("}")
	return nil
}

func last(m *protogen.Message) (n protoreflect.FieldNumber) {
	for _, f := range m.Fields {
		n = max(n, f.Desc.Number())
	}
	return n
}

func oneof(g *protogen.GeneratedFile, o *protogen.Oneof) {
	g.P("if !c.reading {")
	g.P("switch b := m.", o.GoName, ".(type) {")
	for _, f := range o.Fields {
		g.P("case *", f.GoIdent, ": put(c, ", f.Desc.Number(), ", b.", f.GoName, ")")
	}
	g.P("}")
	g.P("}")
	g.P("switch c.member() {")
	for _, f := range o.Fields {
		g.P("case ", f.Desc.Number(), ":")
		g.P("b, ok := m.", o.GoName, ".(*", f.GoIdent, ")")
		g.P("if !ok { b = &", f.GoIdent, "{new(", f.Message.GoIdent, ")}; m.", o.GoName, " = b }")
		g.P("c.inside(b.", f.GoName, ")")
	}
	g.P("}")
}

// goType is the type of a field's value.
func goType(g *protogen.GeneratedFile, f *protogen.Field) (string, error) {
	if f.Desc.IsMap() {
		return "map[string]string", nil
	}
	t, err := single(g, f)
	switch {
	case f.Desc.IsList():
		return "[]" + t, err
	case f.Desc.HasOptionalKeyword():
		return "*" + t, err
	}
	return t, err
}

func single(g *protogen.GeneratedFile, f *protogen.Field) (string, error) {
	switch f.Desc.Kind() {
	case protoreflect.BoolKind:
		return "bool", nil
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return "uint32", nil
	case protoreflect.Sint32Kind:
		return "int32", nil
	case protoreflect.Uint64Kind:
		return "uint64", nil
	case protoreflect.Int64Kind:
		return "int64", nil
	case protoreflect.FloatKind:
		return "float32", nil
	case protoreflect.DoubleKind:
		return "float64", nil
	case protoreflect.StringKind:
		return "string", nil
	case protoreflect.BytesKind:
		return "[]byte", nil
	case protoreflect.EnumKind:
		return g.QualifiedGoIdent(f.Enum.GoIdent), nil
	case protoreflect.MessageKind:
		return "*" + g.QualifiedGoIdent(f.Message.GoIdent), nil
	}
	return "", fmt.Errorf("%s: numbers of kind %s are not known here", f.Desc.Name(), f.Desc.Kind())
}

// coding is the function of codec.go for a field.
func coding(f *protogen.Field) (string, error) {
	kind := f.Desc.Kind()
	switch {
	case f.Desc.IsMap():
		if f.Desc.MapKey().Kind() != protoreflect.StringKind || f.Desc.MapValue().Kind() != protoreflect.StringKind {
			return "", fmt.Errorf("%s: a map that is not of texts", f.Desc.Name())
		}
		return "table", nil
	case f.Desc.IsList() && kind == protoreflect.StringKind:
		return "texts", nil
	case f.Desc.IsList() && kind == protoreflect.MessageKind:
		return "many", nil
	case f.Desc.IsList():
		return "", fmt.Errorf("%s: a list of %s", f.Desc.Name(), kind)
	case f.Desc.HasOptionalKeyword():
		if kind != protoreflect.DoubleKind {
			return "", fmt.Errorf("%s: an optional %s", f.Desc.Name(), kind)
		}
		return "maybe", nil
	}
	switch kind {
	case protoreflect.BoolKind:
		return "truth", nil
	case protoreflect.Fixed32Kind:
		return "fixed32", nil
	case protoreflect.Sint32Kind:
		return "folded", nil
	case protoreflect.FloatKind:
		return "float", nil
	case protoreflect.DoubleKind:
		return "double", nil
	case protoreflect.StringKind:
		return "text", nil
	case protoreflect.BytesKind:
		return "octets", nil
	case protoreflect.MessageKind:
		return "one", nil
	}
	return "varint", nil
}

// trailing is what stands behind a field.
func trailing(c protogen.CommentSet) string {
	return strings.TrimSuffix(" "+strings.TrimSpace(c.Trailing.String()), " ")
}
