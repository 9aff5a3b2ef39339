package console

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/limpet-monitoring/limpet/core/check"
)

func TestWhatNobodySeesIsWrittenOut(t *testing.T) {
	in := "<a title=\"x\u202ey\">grüße\x1b[31m \u009b1m\u200b\ufeff\U000e0041 \u200d\t\r\n</a><textarea id=\"t\">a\u202eb</textarea>\u2066"
	want := "<a title=\"x\\u202ey\">grüße\\u001b[31m \\u009b1m\\u200b\\ufeff\\ue0041 \u200d\t\r\n</a><textarea id=\"t\">a\u202eb</textarea>\\u2066"
	if got := string(plain([]byte(in))); got != want {
		t.Errorf("%q\nwant\n%q", got, want)
	}
	if same := "nothing \t of it\n"; string(plain([]byte(same))) != same {
		t.Error("a page without any is another one")
	}
}

// The script knows the same characters, each of them and no other.
func TestTheScriptSeesTheSame(t *testing.T) {
	script, err := files.ReadFile("assets/shell.js")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`const unseen = /(\[.+\])/gu;`).FindSubmatch(script)
	if found == nil {
		t.Fatal("no expression in shell.js")
	}
	unseen, err := regexp.Compile(strings.ReplaceAll(string(found[1]), `\u{`, `\x{`))
	if err != nil {
		t.Fatal(err)
	}
	var all, want []rune
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if utf8.ValidRune(r) {
			all = append(all, r)
		}
		if check.Unseen(r) {
			want = append(want, r)
		}
	}
	if got := []rune(strings.Join(unseen.FindAllString(string(all), -1), "")); !slices.Equal(got, want) {
		t.Errorf("the script has %U, the hub %U", got, want)
	}
}
