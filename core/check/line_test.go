package check

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestLineSaysWhatStarts(t *testing.T) {
	hash := strings.Repeat("ab", 32)
	for _, c := range []struct {
		check Check
		want  string
	}{
		{Check{Plugin: "check_http", Args: []string{"-H", "localhost"}}, "plugin check_http -H localhost"},
		{Check{Plugin: "check_http", Hash: hash, Args: []string{"-H", "localhost"}}, "catalog check_http -H localhost"},
		{Check{Builtin: "disk"}, "builtin disk"},
		{Check{Plugin: "check_x", User: "nagios", Group: "a b", Args: []string{"]"}}, "plugin[user=nagios 'group=a b'] check_x ]"},
		{Check{Plugin: "check_x", Dir: "/srv", Args: []string{"$P$"}, Macros: map[string]string{"Q": "1 ]", "P": "80"}}, "plugin[dir=/srv macro.P=80 'macro.Q=1 ]'] check_x $P$"},
		{Check{Plugin: "check x", Args: []string{"", "it's"}}, `plugin 'check x' '' 'it'\''s'`},
	} {
		if got, err := c.check.Line(); err != nil || got != c.want {
			t.Errorf("%+v: %q, %v", c.check, got, err)
		}
	}
}

// An argument must not be able to end its line and begin another, which somebody would have signed for without a word.
func TestNoLineHoldsAnother(t *testing.T) {
	for _, arg := range []string{"a\nplugin evil", "a\r", "\x00", "\u0085", "\u2028", "\u2029", "a\x1b[1A", "\xff"} {
		if line, err := (Check{Plugin: "p", Args: []string{arg}}).Line(); !errors.Is(err, ErrNoLine) {
			t.Errorf("%q became %q, %v", arg, line, err)
		}
	}
}

// Every field of a check is either in its line, or here with the reason why what starts does not depend on it.
func TestEveryFieldIsJudged(t *testing.T) {
	left := map[string]string{
		"Name":         "what it is called",
		"Every":        "when",
		"Cron":         "when",
		"AtStart":      "when",
		"Timeout":      "how long at most",
		"TimeoutState": "what its result is then",
		"Attempts":     "what its results mean",
		"Flap":         "what its results mean",
		"Retry":        "when",
		"Importance":   "when",
		"Default":      "where it comes from",
		"Command":      "of the box's own checks alone, which have no line",
	}
	base := Check{Plugin: "check_x"}
	plain, _ := base.Line()
	fields := reflect.TypeOf(base)
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
		case reflect.Map:
			f.Set(reflect.ValueOf(map[string]string{"OTHER": ""}))
		default:
			t.Errorf("field %s: say here how it gets into the line", name)
		}
		if line, err := other.Line(); err != nil || line == plain {
			t.Errorf("field %s is not in the line %q, %v", name, line, err)
		}
	}
}

func TestACommandOfTheBoxIsNobodysToSign(t *testing.T) {
	if line, err := (Check{Command: []string{"/bin/true"}}).Line(); err == nil {
		t.Errorf("%q", line)
	}
}

func TestLinesComeBack(t *testing.T) {
	lines := map[string]bool{"plugin b": true, "builtin a -x": true, "catalog c 'd e'": true}
	data := FormatLines(lines)
	if want := "limpet allowed 1\nbuiltin a -x\ncatalog c 'd e'\nplugin b\n"; string(data) != want {
		t.Errorf("written %q", data)
	}
	if got, err := ReadLines(data); err != nil || !maps.Equal(got, lines) {
		t.Errorf("read %v, %v", slices.Collect(maps.Keys(got)), err)
	}
	if got, err := ReadLines(FormatLines(nil)); err != nil || len(got) != 0 {
		t.Errorf("empty: %v, %v", got, err)
	}
	for _, bad := range []string{"", "limpet allowed 1", "limpet allowed 2\nplugin a\n", "plugin a\n", "limpet allowed 1\nplugin a", "limpet allowed 1\n\xff\n"} {
		if got, err := ReadLines([]byte(bad)); err == nil {
			t.Errorf("%q read as %v", bad, got)
		}
	}
}

func TestAHashIsAHash(t *testing.T) {
	for hash, ok := range map[string]bool{"": true, strings.Repeat("0f", 32): true, "0f": false, strings.Repeat("0F", 32): false, strings.Repeat("zz", 32): false} {
		c := Check{Name: "c", Plugin: "p", Hash: hash, Every: time.Minute}
		if err := c.Validate(); (err == nil) != ok {
			t.Errorf("%q: %v", hash, err)
		}
	}
	if err := (Check{Name: "c", Builtin: "b", Hash: strings.Repeat("00", 32), Every: time.Minute}).Validate(); err == nil {
		t.Error("a builtin with a plugin's hash")
	}
}
