package collector

import (
	"errors"
	"reflect"
	"testing"

	"github.com/limpet-monitoring/limpet/core/check"
)

func TestLineSaysWhatStarts(t *testing.T) {
	for want, s := range map[string]Spec{
		"collector diamond": {Kind: "diamond"},
		"collector[config=sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881] collectd": {Name: "a", Kind: "collectd", Config: "x", Memory: 1 << 30},
		"collector[program=/bin/a 'test=a b' test=c health=/bin/b] command --config {{.Config}}": {Kind: Command, Program: "/bin/a", Args: []string{"--config", "{{.Config}}"},
			Test: []string{"a b", "c"}, Health: []string{"/bin/b"}},
	} {
		if got, err := s.Line(); err != nil || got != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	for _, evil := range []string{"a\ncollector command", "\x00", "\u2028", "\xff"} {
		for _, s := range []Spec{{Kind: Command, Args: []string{evil}}, {Kind: Command, Test: []string{evil}}, {Kind: Command, Health: []string{evil}}, {Kind: Command, Program: evil}, {Kind: Command, File: evil}} {
			if line, err := s.Line(); !errors.Is(err, check.ErrNoLine) {
				t.Errorf("%q became %q, %v", evil, line, err)
			}
		}
	}
}

// Every field of a collector is either in its line, or here with the reason why what starts does not depend on it.
func TestEveryFieldIsJudged(t *testing.T) {
	left := map[string]string{"Name": "what it is called", "HealthEvery": "when", "Memory": "how much at most", "Local": "of the box file alone, which needs no signature"}
	base := Spec{Kind: Command, Program: "p"}
	plain, _ := base.Line()
	fields := reflect.TypeFor[Spec]()
	for i := range fields.NumField() {
		name := fields.Field(i).Name
		if left[name] != "" {
			continue
		}
		other := base
		switch f := reflect.ValueOf(&other).Elem().Field(i); f.Kind() {
		case reflect.String:
			f.SetString("other")
		case reflect.Slice:
			f.Set(reflect.ValueOf([]string{"other"}))
		default:
			t.Errorf("field %s: say here how it gets into the line", name)
		}
		if line, err := other.Line(); err != nil || line == plain {
			t.Errorf("field %s is not in the line %q, %v", name, line, err)
		}
	}
}
