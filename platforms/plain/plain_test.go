package plain

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
)

func TestErrorsReadAndUnwrapAsFmtsDo(t *testing.T) {
	cause := &fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}
	kind := errors.New("no record")
	for _, tt := range []struct{ got, want error }{
		{Wrap("read x", cause), fmt.Errorf("read x: %w", cause)},
		{Because(kind, "checksum"), fmt.Errorf("%w: checksum", kind)},
	} {
		if tt.got.Error() != tt.want.Error() {
			t.Errorf("%q, want %q", tt.got, tt.want)
		}
		for _, is := range []error{cause, fs.ErrNotExist, kind, fs.ErrExist} {
			if errors.Is(tt.got, is) != errors.Is(tt.want, is) {
				t.Errorf("%q is %q: %v", tt.got, is, errors.Is(tt.got, is))
			}
		}
	}
}

func FuzzHash(f *testing.F) {
	for _, seed := range []string{"", strings.Repeat("0aF9", 16), strings.Repeat("g", 64), strings.Repeat("a", 63), strings.Repeat("é", 32)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want, err := hex.DecodeString(text)
		good := err == nil && len(want) == 32
		got, ok := Hash(text)
		if ok != good {
			t.Fatalf("%q: %v", text, ok)
		}
		if ok && (string(got[:]) != string(want) || Hex(got[:]) != strings.ToLower(text)) {
			t.Fatalf("%q: %x", text, got)
		}
		if Hex([]byte(text)) != hex.EncodeToString([]byte(text)) {
			t.Fatalf("hex of %q", text)
		}
	})
}
