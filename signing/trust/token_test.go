package trust

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

func newToken(t *testing.T) Token {
	t.Helper()
	token, err := NewToken(sha256.Sum256([]byte("document")))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestTokenSurvivesTheWayOverPaper(t *testing.T) {
	token := newToken(t)
	back, err := ParseToken("  " + token.String() + "\r\n")
	if err != nil {
		t.Fatal(err)
	}
	if back != token {
		t.Fatalf("came back as %+v, was %+v", back, token)
	}
	if back.SecretHash() != sha256.Sum256(token.Secret()) || back.DocumentHash() != sha256.Sum256([]byte("document")) {
		t.Error("hashes differ")
	}
	if len(token.Secret()) != 24 || len(token.ID()) != 16 {
		t.Errorf("secret has %d bytes, id %d digits", len(token.Secret()), len(token.ID()))
	}
	if other := newToken(t); other.ID() == token.ID() || other.SecretHash() == token.SecretHash() {
		t.Error("two tokens share an id or a secret")
	}
}

// The format is printed on paper and baked into images: it may never change.
func TestTokenFormatIsFixed(t *testing.T) {
	token := Token{document: [32]byte{31: 9}}
	for i := range token.id {
		token.id[i] = byte(i)
	}
	for i := range token.secret {
		token.secret[i] = byte(0xf0 ^ i)
	}
	const golden = "lt1_AAECAwQFBgfw8fLz9PX29_j5-vv8_f7_4OHi4-Tl5ucAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACWxwb3o"
	if got := token.String(); got != golden {
		t.Errorf("token is %s, golden %s", got, golden)
	}
	if back, err := ParseToken(golden); err != nil || back != token {
		t.Errorf("golden token reads as %+v, %v", back, err)
	}
}

func TestTokenErrorsSayWhatIsWrong(t *testing.T) {
	good := newToken(t).String()
	flip := func(i int) string {
		c := byte('A')
		if good[i] == c {
			c = 'B'
		}
		return good[:i] + string(c) + good[i+1:]
	}
	for _, c := range []struct {
		name, in string
		want     error
	}{
		{"empty", " \n", ErrNotToken},
		{"a password", "hunter2", ErrNotToken},
		{"another tool's", "ghp_abcdef", ErrNotToken},
		{"version zero", "lt0_AAAA", ErrNotToken},
		{"only the prefix", "lt1_", ErrTruncated},
		{"part of the prefix", "lt1", ErrTruncated},
		{"last character missing", good[:len(good)-1], ErrTruncated},
		{"half of it", good[:len(good)/2], ErrTruncated},
		{"one character typed wrongly in the id", flip(6), ErrMistyped},
		{"in the secret", flip(20), ErrMistyped},
		{"in the document hash", flip(60), ErrMistyped},
		{"in the checksum", flip(len(good) - 3), ErrMistyped},
		{"a blank inside", good[:30] + " " + good[31:], ErrMistyped},
		{"a line break inside", good[:30] + "\n" + good[31:], ErrMistyped},
		{"twice", good + good, ErrMistyped},
		{"from the future", "lt2_" + good[4:], ErrNewer},
		{"from the far future", "lt17_x", ErrNewer},
	} {
		t.Run(c.name, func(t *testing.T) {
			token, err := ParseToken(c.in)
			if !errors.Is(err, c.want) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			if token != (Token{}) {
				t.Error("a token came back with the error")
			}
			if len(c.in) > 40 && strings.Contains(err.Error(), good[8:16]) {
				t.Error("the error gives part of the token away")
			}
		})
	}
}

func TestEveryMistypedCharacterIsNoticed(t *testing.T) {
	good := newToken(t).String()
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for i := len(prefix); i < len(good); i++ {
		for _, c := range alphabet {
			bad := good[:i] + string(c) + good[i+1:]
			if _, err := ParseToken(bad); bad != good && err == nil {
				t.Fatalf("character %d as %c was not noticed", i, c)
			}
		}
	}
}

func TestTokenStaysOutOfLogs(t *testing.T) {
	token := newToken(t)
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("enrol", "token", token)
	if strings.Contains(out.String(), token.String()[20:30]) || !strings.Contains(out.String(), token.ID()) {
		t.Errorf("logged as %s", out.String())
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add("lt1_AAECAwQFBgfw8fLz9PX29_j5-vv8_f7_4OHi4-Tl5ucAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACWxwb3o")
	f.Add("lt1_")
	f.Add("lt99_x")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		token, err := ParseToken(s)
		if err == nil && token.String() != strings.TrimSpace(s) {
			t.Errorf("%q is accepted but written as %q", s, token.String())
		}
	})
}
