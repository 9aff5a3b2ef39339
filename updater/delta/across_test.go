package delta_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/limpet-monitoring/limpet/updater/delta"
	"github.com/limpet-monitoring/limpet/updater/delta/encode"
)

// Platforms that make and apply each other's patches: scripts/delta-platforms.sh runs this test for one after the other with the
// same folder.
var across = flag.String("across", "", "apply the patches that lie in this directory, and leave our own there")

func TestAcrossPlatforms(t *testing.T) {
	dir := *across
	if dir == "" {
		dir = t.TempDir() // our own alone
	}
	pairs := map[string][2][]byte{}
	for name, c := range cases() {
		pairs[name] = [2][]byte{c.old, c.new}
	}
	for _, p := range platforms {
		if *across != "" || p == "linux-arm64" {
			base, patch := golden(t, p)
			result, err := apply(delta.Go1, base, patch)
			if err != nil {
				t.Fatal(err)
			}
			pairs[p] = [2][]byte{base, result}
		}
	}
	for name, pair := range pairs {
		for _, codec := range delta.Codecs() {
			patch, err := encode.Make(codec, pair[0], pair[1])
			if err != nil {
				t.Fatalf("%s, %s: %v", name, codec, err)
			}
			file := fmt.Sprintf("%s %s by %s-%s", name, codec, runtime.GOOS, runtime.GOARCH)
			if err := os.WriteFile(filepath.Join(dir, file), patch, 0o644); err != nil {
				t.Fatal(err)
			}
			made, err := filepath.Glob(filepath.Join(dir, name+" "+codec+" by *"))
			if err != nil || len(made) == 0 {
				t.Fatalf("%s, %s: %d patches, %v", name, codec, len(made), err)
			}
			for _, path := range made {
				other, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if codec == delta.Go1 && !bytes.Equal(other, patch) {
					t.Errorf("%s: %s-%s makes another patch", filepath.Base(path), runtime.GOOS, runtime.GOARCH)
				}
				if got, err := apply(codec, pair[0], other); err != nil || !bytes.Equal(got, pair[1]) {
					t.Errorf("%s: %v", filepath.Base(path), err)
				}
			}
		}
	}
}
