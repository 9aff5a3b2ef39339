package tuf

import (
	"strings"
	"testing"
)

// What is refused is refused at the place that is wrong: a parser that stumbles over
// the rest of it later may as well accept the next one.
func TestRefusedWhereItIsWrong(t *testing.T) {
	for in, want := range map[string]string{
		`[x]`:                     "unexpected character at byte 1",
		`[[x]]`:                   "unexpected character at byte 2",
		`{x`:                      "expected a member name at byte 1",
		`{`:                       "expected a member name at byte 1",
		`{"a":1,`:                 "expected a member name at byte 7",
		`{"a`:                     "string without end at byte 3",
		"{\"a\x01":                "control character in a string at byte 3",
		`{"a" 1}`:                 "expected : at byte 5",
		`{"a":x}`:                 "unexpected character at byte 5",
		`{"a":1 "b":2}`:           "expected , or } at byte 7",
		`[1 2]`:                   "expected , or ] at byte 3",
		`[1.0]`:                   "number with a fraction or an exponent at byte 2",
		`[1e0]`:                   "number with a fraction or an exponent at byte 2",
		`[1E0]`:                   "number with a fraction or an exponent at byte 2",
		`[01]`:                    "not an integer of 64 bits in its shortest form at byte 3",
		"\"a\nb\"":                "control character in a string at byte 2",
		"\"\\n\n\"":               "control character in a string at byte 4",
		"\"\\n\x1f\"":             "control character in a string at byte 4",
		`"\n`:                     "string without end at byte 3",
		`"\`:                      "string without end at byte 2",
		`"\x"`:                    "unknown escape at byte 3",
		`"\u004`:                  "string without end at byte 3",
		`"\u0041`:                 "string without end at byte 7",
		`"\u00g1"`:                "bad \\u escape at byte 5",
		`"\u00G1"`:                "bad \\u escape at byte 5",
		`"\ud800"`:                "lone surrogate at byte 7",
		`"\udbffx"`:               "lone surrogate at byte 7",
		`"\udc00"`:                "lone surrogate at byte 7",
		`"\udfff"`:                "lone surrogate at byte 7",
		`"\udc00\udc00"`:          "lone surrogate at byte 7",
		`"\ud800\n"`:              "lone surrogate at byte 8",
		`"\ud800\ud7ff"`:          "lone surrogate at byte 13",
		`"\ud800\udbff"`:          "lone surrogate at byte 13",
		`"\ud800\ue000"`:          "lone surrogate at byte 13",
		`"\ud800\u00zz"`:          "lone surrogate at byte 11",
		`{"a":1,"b":2,"a":3}`:     `member "a" twice at byte 19`,
		`{} {}`:                   "trailing data at byte 3",
		"\xff":                    "not UTF-8",
		strings.Repeat("[", 1<<6): "nested too deep at byte 17",
	} {
		if _, err := parse([]byte(in)); err == nil || err.Error() != want {
			t.Errorf("%.40q: %v, want %s", in, err, want)
		}
	}
}

func TestAcceptedAtTheEdges(t *testing.T) {
	items := func(n int) string { return "[" + strings.Repeat("1,", n-1) + "1]" }
	objects := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	for in, want := range map[string]string{
		`"\ud7ff\ue000"`:       "\"\ud7ff\ue000\"",
		`"\ud800\udc00"`:       "\"\U00010000\"",
		`"\udbff\udfff"`:       "\"\U0010ffff\"",
		`"\ud83d\uDE00\u00E9"`: "\"😀é\"",
		`"\u0aAf\uA0F0"`:       "\"\u0aaf\ua0f0\"",
		`"a b"`:                `"a b"`,
		`"\t b"`:               "\"\t b\"",
		objects(maxDepth):      objects(maxDepth),
		items(maxValues - 1):   items(maxValues - 1), // and the list itself
	} {
		v, err := parse([]byte(in))
		if got := string(appendCanonical(nil, v)); err != nil || got != want {
			t.Errorf("%.40q: %.40q, %v", in, got, err)
		}
	}
	for in, want := range map[string]string{
		objects(maxDepth + 1): "nested too deep",
		items(maxValues):      "too many values",
	} {
		if _, err := parse([]byte(in)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.40q: %v, want %s", in, err, want)
		}
	}
	if maxDepth != 16 || maxValues != 131072 {
		t.Error("the limits are not those of docs/release-format.md")
	}
}

func TestAReaderNeverGivesHalfADocument(t *testing.T) {
	for _, in := range []string{"", "x", "{}", `{"signed":{},"signatures":[]}`} {
		if _, err := readDocument([]byte(in), roleRoot, roleRoot); err == nil {
			t.Errorf("%q is a document", in)
		}
	}
}
