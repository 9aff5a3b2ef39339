package collector

import (
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	good := Spec{Name: "metrics", Kind: "collectd", Config: "x"}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		change func(*Spec)
		want   string
	}{
		{func(s *Spec) { s.Name = "../x" }, "name"},
		{func(s *Spec) { s.Name = ".x" }, "name"},
		{func(s *Spec) { s.Kind = "colectd" }, "there are collectd, command, diamond, fluent-bit, fluentd, otelcol, telegraf"},
		{func(s *Spec) { s.Kind = Command }, "needs a program"},
		{func(s *Spec) { s.Program = "bin/x" }, "program"},
		{func(s *Spec) { s.Program = "/usr/../x" }, "program"},
		{func(s *Spec) { s.Config = "" }, "no config"},
		{func(s *Spec) { s.Config = strings.Repeat("x", MaxConfig+1) }, "the limit is"},
		{func(s *Spec) { s.Config = "a\n{{.Hots}}" }, "config: line 2: there is no .Hots"},
		{func(s *Spec) { s.Args = []string{"{{.Hots}}"} }, "args:"},
		{func(s *Spec) { s.Args = []string{"a\x00"} }, "NUL"},
		{func(s *Spec) { s.File = "../c" }, "file"},
		{func(s *Spec) { s.Memory = 1000 }, "memory"},
		{func(s *Spec) { s.Health = []string{"sh"} }, "health_every 0s"},
	} {
		s := good
		tt.change(&s)
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", s, err, tt.want)
		}
	}
}

func TestTheKindsOwnArgumentsAreTemplates(t *testing.T) {
	for _, name := range Kinds() {
		k := kinds[name]
		if err := validArgs(append(append([]string{}, k.Run...), k.Test...)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
