package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is uploaded is what was listed when it began: nobody publishes meanwhile, whose timestamp would go up last and name what was not uploaded.
func TestNothingIsPublishedDuringAnUpload(t *testing.T) {
	r := tool{t, t.TempDir()}
	r.run(exitOK, "init", "--dir", "$repo", "--keys", "$keys", "--development")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	hook := filepath.Join(r.dir, "up.hook")
	script := `#!/bin/sh
ln -sf ` + self + ` ../limpet-release
../limpet-release refresh --dir . --keys ../keys 2>>../said
while read -r name; do mkdir -p "../served/$(dirname "$name")" && cp "$name" "../served/$name" || exit 1; done
`
	if err := os.WriteFile(hook, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	r.run(exitOK, "mirror", "--dir", "$repo", "--to", "$up.hook")
	r.run(exitOK, "verify", "--dir", "$served")
	if said, err := os.ReadFile(filepath.Join(r.dir, "said")); err != nil || !strings.Contains(string(said), "another limpet-release") {
		t.Errorf("the publisher was told %s (%v)", said, err)
	}
	r.run(exitOK, "refresh", "--dir", "$repo", "--keys", "$keys", "--to", "$up.hook")
}
