package wire

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
)

func TestKnock(t *testing.T) {
	key, line, another := newKey(t), bytes.Repeat([]byte{1}, BindingSize), bytes.Repeat([]byte{2}, BindingSize)
	knock, err := Knock(key, line)
	if err != nil {
		t.Fatal(err)
	}
	changed := func(at int) string {
		b, err := base64.RawStdEncoding.DecodeString(knock)
		if err != nil {
			t.Fatal(err)
		}
		b[at] ^= 1
		return base64.RawStdEncoding.EncodeToString(b)
	}
	tests := []struct {
		name, text string
		bound      []byte
		good       bool
	}{
		{"on its line", knock, line, true},
		{"on another line", knock, another, false},
		{"behind a balancer", knock, nil, true},
		{"another key", changed(0), line, false},
		{"another binding", changed(40), nil, false},
		{"another signature", changed(100), line, false},
		{"nothing", "", line, false},
		{"cut short", knock[:100], line, false},
		{"longer", knock + "AAAA", line, false},
		{"no base64", strings.Repeat("*", len(knock)), line, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ReadKnock(tt.text, tt.bound)
			if (err == nil) != tt.good || tt.good && !got.Equal(public(key)) {
				t.Errorf("%x, %v", got, err)
			}
		})
	}
	if _, err := Knock(key, nil); err == nil {
		t.Error("knocks on a line without a binding")
	}
}
