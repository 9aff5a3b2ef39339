package delta

import (
	"bytes"
	"errors"
	"testing"
)

func TestBest(t *testing.T) {
	old := random(1, 20_000)
	new := splice(old[:9000], []byte("a change"), old[9100:])
	name, patch, err := Best(Codecs(), old, new)
	if err != nil {
		t.Fatal(err)
	}
	for _, codec := range Codecs() {
		p, err := Make(codec, old, new)
		if err != nil {
			t.Fatal(err)
		}
		if len(p) < len(patch) {
			t.Errorf("the patch by %s takes %d bytes, one by %s %d", name, len(patch), codec, len(p))
		}
	}
	if got, err := apply(name, old, patch); err != nil || !bytes.Equal(got, new) {
		t.Errorf("apply: %d bytes, %v", len(got), err)
	}
	if _, _, err := Best([]string{Zstd, "gzip"}, old, new); !errors.Is(err, ErrCodec) {
		t.Errorf("an unknown codec: %v, want %v", err, ErrCodec)
	}
	if _, _, err := Best(nil, old, new); err == nil {
		t.Error("no codec at all makes a patch")
	}
}
