package tuf

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"
)

func TestStrictJSON(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{ // want: canonical form, or "" for refused
		{"object, sorted", `{"b":1,"a":[true,false,null]}`, `{"a":[true,false,null],"b":1}`},
		{"sorted by code point", `{"é":1,"z":2,"\ud83d\ude00":3,"\uffff":4}`, "{\"z\":2,\"é\":1,\"\uffff\":4,\"😀\":3}"},
		{"blanks", " \t\r\n{ \"a\" : [ 1 , 2 ] } \n", `{"a":[1,2]}`},
		{"empty ones", `{"a":{},"b":[],"":""}`, `{"":"","a":{},"b":[]}`},
		{"escapes", `"\"\\\/\b\f\n\r\t\u0041\u00e9"`, "\"\\\"\\\\/\b\f\n\r\tAé\""},
		{"surrogate pair", `"\ud83d\ude00"`, `"😀"`},
		{"largest number", `[9223372036854775807,-9223372036854775808,0]`, `[9223372036854775807,-9223372036854775808,0]`},
		{"nested at the limit", strings.Repeat("[", maxDepth) + "1" + strings.Repeat("]", maxDepth), strings.Repeat("[", maxDepth) + "1" + strings.Repeat("]", maxDepth)},

		{"nested deeper", strings.Repeat("[", maxDepth+1) + "1" + strings.Repeat("]", maxDepth+1), ""},
		{"very deep", strings.Repeat("[", 1<<16), ""},
		{"too many values", "[" + strings.Repeat("1,", maxValues) + "1]", ""},
		{"member twice", `{"a":1,"b":2,"a":1}`, ""},
		{"member twice, escaped", `{"a":1,"\u0061":1}`, ""},
		{"trailing data", `{} {}`, ""},
		{"trailing letter", `{}x`, ""},
		{"trailing zero byte", "{}\x00", ""},
		{"byte order mark", "\ufeff{}", ""},
		{"fraction", `[1.0]`, ""},
		{"exponent", `[1e3]`, ""},
		{"capital exponent", `[1E3]`, ""},
		{"leading zero", `[01]`, ""},
		{"minus zero", `[-0]`, ""},
		{"plus", `[+1]`, ""},
		{"minus alone", `[-]`, ""},
		{"too large", `[9223372036854775808]`, ""},
		{"not a number", `[NaN]`, ""},
		{"lone high surrogate", `"\ud83d"`, ""},
		{"lone low surrogate", `"\ude00"`, ""},
		{"high surrogate twice", `"\ud83d\ud83d"`, ""},
		{"surrogate and text", `"\ud83dabcdef"`, ""},
		{"bad escape", `"\x41"`, ""},
		{"short escape", `"\u00"`, ""},
		{"escape of no hex", `"\u00zz"`, ""},
		{"escape at the end", `"\`, ""},
		{"raw line break", "\"a\nb\"", ""},
		{"raw control after an escape", "\"\\n\x01\"", ""},
		{"not UTF-8", "\"\xff\"", ""},
		{"string without end", `"abc`, ""},
		{"single quotes", `{'a':1}`, ""},
		{"bare name", `{a:1}`, ""},
		{"number as name", `{1:1}`, ""},
		{"comma at the end", `[1,]`, ""},
		{"comma at the end of an object", `{"a":1,}`, ""},
		{"no comma", `[1 2]`, ""},
		{"no comma in an object", `{"a":1 "b":2}`, ""},
		{"no colon", `{"a" 1}`, ""},
		{"comment", `{/**/}`, ""},
		{"capital true", `[True]`, ""},
		{"half a word", `[tru]`, ""},
		{"empty", ``, ""},
		{"blank", `  `, ""},
		{"open array", `[1`, ""},
		{"open object", `{"a":1`, ""},
		{"name without value", `{"a":`, ""},
	} {
		v, err := parse([]byte(c.in))
		if c.want == "" {
			if err == nil {
				t.Errorf("%s: %.40s was accepted as %s", c.name, c.in, appendCanonical(nil, v))
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if got := string(appendCanonical(nil, v)); got != c.want {
			t.Errorf("%s: canonical form is %s, want %s", c.name, got, c.want)
		}
	}
}

// FuzzParse holds the parser against two others: what we accept encoding/json
// accepts too, and the canonical form is the one that go-tuf signs.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"signed":{"_type":"root","version":1},"signatures":[{"keyid":"ab","sig":"00"}]}`,
		`{"b":1,"a":[true,false,null,"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"]}`,
		`[-9223372036854775808,9223372036854775807,0,-1]`,
		`{"a":1,"a":2}`, `[1.5]`, `"\ud800"`, `{}{}`, "[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := parse(data)
		if err != nil {
			return
		}
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.UseNumber()
		var other any
		if err := dec.Decode(&other); err != nil {
			t.Fatalf("%q is refused by encoding/json: %v", data, err)
		}
		want, err := cjson.EncodeCanonical(other)
		if err != nil {
			t.Fatalf("%q has no canonical form for go-tuf: %v", data, err)
		}
		if got := appendCanonical(nil, v); !bytes.Equal(got, want) {
			t.Fatalf("%q is canonically %q, go-tuf says %q", data, got, want)
		}
	})
}

// FuzzRead feeds the readers of every role: whatever comes, a verdict and no panic.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"signatures":[],"signed":{"_type":"timestamp","expires":"2030-01-01T00:00:00Z","issued":"2029-01-01T00:00:00Z","meta":{"snapshot.json":{"hashes":{"sha256":"00"},"length":1,"version":1}},"spec_version":"1.0.31","version":1}}`))
	f.Add([]byte(`{"signatures":[],"signed":{"_type":"targets","delegations":{"keys":{},"roles":[{"keyids":[],"name":"a","paths":["*"],"terminating":true,"threshold":1}]},"expires":"2030-01-01T00:00:00Z","spec_version":"1.0","targets":{"a":{"hashes":{},"length":1}},"version":1}}`))
	f.Add([]byte(`{"signatures":[],"signed":{"_type":"root","consistent_snapshot":true,"expires":"2030-01-01T00:00:00Z","keys":{"k":{"keytype":"ed25519","keyval":{"public":"00"},"scheme":"ed25519"}},"roles":{"root":{"keyids":["k"],"threshold":1}},"spec_version":"1.0","version":1}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		root, err := readRoot(data)
		if (root == nil) != (err != nil) {
			t.Fatal("root: neither value nor error, or both")
		}
		for _, role := range []string{roleTimestamp, roleSnapshot} {
			if list, err := readList(data, role); (list == nil) != (err != nil) {
				t.Fatalf("%s: neither value nor error, or both", role)
			}
		}
		if doc, err := readTargets(data, roleTargets); (doc == nil) != (err != nil) {
			t.Fatal("targets: neither value nor error, or both")
		}
	})
}

func TestFileNamesStayInTheirFolder(t *testing.T) {
	for role, want := range map[string]string{
		"stable-linux-amd64": "stable-linux-amd64.json",
		"../root":            "..%2Froot.json",
		"azAZ09-_.~":         "azAZ09-_.~.json",
		"`{@[/:":             "%60%7B%40%5B%2F%3A.json",
		"/etc/passwd":        "%2Fetc%2Fpasswd.json",
		`a\b:c`:              "a%5Cb%3Ac.json",
		"a b?#%":             "a%20b%3F%23%25.json",
		"é\x00":              "%C3%A9%00.json",
	} {
		if got := fileName(role); got != want {
			t.Errorf("role %q is kept as %s, want %s", role, got, want)
		}
	}
}
