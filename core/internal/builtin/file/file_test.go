package file

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
)

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	for name, age := range map[string]time.Duration{"a.tmp": time.Minute, "b.tmp": time.Hour, "c.log": 3 * time.Hour, "sub/d.tmp": 5 * time.Hour} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, 100), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args  string
		state check.State
		text  string
	}{
		{"", check.OK, "FILE_AGE OK: 3 files in DIR"}, {"--recursive", check.OK, "4 files in DIR"}, {"--pattern *.tmp", check.OK, "2 files *.tmp in DIR"},
		{"--pattern *.tmp --recursive", check.OK, "3 files"}, {"--count 2,5", check.Warning, "3 files"}, {"--count ,2", check.Critical, "3 files"}, {"--pattern *.pid --count ,1:", check.Critical, "0 files"},
		{"-w 3000", check.Warning, "2 of them too old"}, {"-w 3000 -c 9000", check.Critical, "2 of them"}, {"-W 200", check.Warning, "3 of them"}, {"-C 0:50", check.Critical, "3 of them"},
	} {
		got := New().Run(t.Context(), append([]string{"-d", dir}, strings.Fields(c.args)...))
		if got.State != c.state || !strings.Contains(got.Text, strings.ReplaceAll(c.text, "DIR", dir)) {
			t.Errorf("%s: %+v", c.args, got)
		}
	}
	if got := New().Run(t.Context(), []string{"-d", filepath.Join(dir, "a.tmp")}); got.State != check.Critical || !strings.Contains(got.Text, "is no folder") {
		t.Errorf("%+v", got)
	}
	if got := New().Run(t.Context(), []string{"-d", filepath.Join(dir, "nonexistent"), "-i"}); got.State != check.OK {
		t.Errorf("%+v", got)
	}
}
