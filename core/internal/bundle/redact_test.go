package bundle

import (
	"strings"
	"testing"
)

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"proxy = http://me:se@same@proxy:3128":       "proxy = http://[redacted]@proxy:3128",
		"see http://proxy:3128/x and https://hub/":   "see http://proxy:3128/x and https://hub/",
		"token lt1_abcdefghijklmnop.":                "token [redacted token].",
		`{"password": "a \"b\" c", "x": 1}`:          `{"password": [redacted], "x": 1}`,
		"db_password=hunter2 user=me":                "db_password=[redacted] user=me",
		"--password hunter2 -v":                      "--password [redacted] -v",
		"Authorization: Bearer abc.def":              "Authorization: Bearer [redacted]",
		"-----BEGIN PRIVATE KEY-----\nMC4CAQ\ncut":   "[redacted key]",
		"proxy_password_file = /etc/limpet/password": "proxy_password_file = /etc/limpet/password",
		"snmp community: public":                     "snmp community: [redacted]",
		"the token expired":                          "the token expired",
	} {
		if got := string(Redact([]byte(in))); got != want {
			t.Errorf("%q became %q, not %q", in, got, want)
		}
	}
	if n := len(Redact([]byte(strings.Repeat("password=", 1<<16)))); n == 0 {
		t.Error("nothing is left")
	}
}
