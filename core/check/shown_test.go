package check

import "testing"

func TestNothingOfAPluginsMovesATerminal(t *testing.T) {
	in := "OK \x1b[2J\x1b]0;title\a\r \u009b1m \u202egnp.exe\u2066 grü\u200bße\ufeff\U000e0041\t1 | € \u200d\nmore\x7f\v"
	if got, want := Shown(in), "OK [2J]0;title 1m gnp.exe grüße\t1 | € \u200d\nmore"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
