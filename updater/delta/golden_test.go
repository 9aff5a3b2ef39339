package delta_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/limpet-monitoring/limpet/updater/delta"
	"github.com/limpet-monitoring/limpet/updater/delta/encode"
	"github.com/limpet-monitoring/limpet/updater/delta/internal/refs"
)

// Golden patches freeze the go1 format: each was made once, from the builds of testdata/golden, and must be read for
// ever. A change that breaks one needs a new codec name, not new golden files. Those of a new codec are made with
//
//	go test ./updater/delta -run TestGolden -golden DIR
//
// where DIR/GOOS-GOARCH/one and two are what build.sh makes.
var goldenFrom = flag.String("golden", "", "make the golden files from the builds in this directory")

var platforms = []string{"linux-amd64", "linux-arm64", "windows-amd64", "darwin-arm64"}

// golden returns the base of a platform and its patch.
func golden(t testing.TB, platform string) (base, patch []byte) {
	packed, err := os.ReadFile(filepath.Join("testdata/golden", platform+".base.zst"))
	if err != nil {
		t.Fatal(err)
	}
	dec, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	if base, err = dec.DecodeAll(packed, nil); err != nil {
		t.Fatal(err)
	}
	if patch, err = os.ReadFile(filepath.Join("testdata/golden", platform+".go1")); err != nil {
		t.Fatal(err)
	}
	return base, patch
}

// digest hashes all that the format takes from a file.
func digest(b []byte) string {
	s := refs.Analyse(b)
	h := sha256.New()
	fmt.Fprintf(h, "%v %v %v %v\n", s.Image.Arch, s.Image.Base, s.Image.Segments, s.Module.Base)
	var buf []refs.Ref
	for at := 0; at < len(b); at += 4096 {
		end := min(at+4096, len(b))
		buf = s.In(uint32(at), uint32(end), buf[:0])
		for _, r := range buf {
			binary.Write(h, binary.LittleEndian, r)
		}
		for i := at; i < end; i++ {
			h.Write([]byte{s.Class(uint32(i))})
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

func TestGolden(t *testing.T) {
	if *goldenFrom != "" {
		makeGolden(t)
	}
	for _, p := range platforms {
		base, patch := golden(t, p)
		if _, err := apply(delta.Go1, base, patch); err != nil {
			t.Errorf("%s: apply the frozen patch: %v", p, err)
		}
	}
}

func makeGolden(t *testing.T) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	if err != nil {
		t.Fatal(err)
	}
	var list strings.Builder
	for _, p := range platforms {
		one, err := os.ReadFile(filepath.Join(*goldenFrom, p, "one"))
		if err != nil {
			t.Fatal(err)
		}
		two, err := os.ReadFile(filepath.Join(*goldenFrom, p, "two"))
		if err != nil {
			t.Fatal(err)
		}
		patch, err := encode.Make(delta.Go1, one, two)
		if err != nil {
			t.Fatal(err)
		}
		for name, b := range map[string][]byte{p + ".base.zst": enc.EncodeAll(one, nil), p + ".go1": patch} {
			if err := os.WriteFile(filepath.Join("testdata/golden", name), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		fmt.Fprintf(&list, "%s %s\n", p, digest(one))
	}
	if err := os.WriteFile("testdata/golden/references.txt", []byte(list.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
