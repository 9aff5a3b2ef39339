package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/limpet-monitoring/limpet/e2e/rig"
)

// What makes a core of a download reads that and its base, and writes beside it: nothing else, as the program is shipped.
func TestPatchKeepsToItsFolder(t *testing.T) {
	t.Parallel()
	s := &site{Rig: &rig.Rig{Bin: bin, Dir: t.TempDir()}, t: t}
	content := bytes.Repeat([]byte("a core"), 10_000)
	z, err := zstd.NewWriter(nil)
	s.must(err)
	part := filepath.Join(s.Dir, "part")
	s.must(os.Mkdir(part, 0o755))
	packed, out := filepath.Join(part, "x.packed"), filepath.Join(part, "x")
	s.must(os.WriteFile(packed, z.EncodeAll(content, nil), 0o644))
	unpack := func() (string, int) {
		cmd := exec.Command(filepath.Join(bin, "limpet-core"), "unpack", "--codec", "zstd", "--from", packed, "--out", out)
		stdin, err := cmd.StdinPipe() // it ends when stdin does
		s.must(err)
		defer stdin.Close()
		text, _ := cmd.CombinedOutput()
		return string(text), cmd.ProcessState.ExitCode()
	}
	if said, code := unpack(); code != 0 || said != "" {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, content) {
		t.Fatalf("other bytes: %v", err)
	}

	precious := filepath.Join(s.Dir, "precious")
	s.must(os.WriteFile(precious, []byte("x"), 0o644))
	s.must(os.Remove(out))
	s.must(os.Symlink(precious, out))
	if said, code := unpack(); code == 0 || !strings.Contains(said, "permission denied") {
		t.Errorf("it writes elsewhere: exit code %d\n%s", code, said)
	}
	if got, err := os.ReadFile(precious); err != nil || string(got) != "x" {
		t.Errorf("it was written to: %q %v", got, err)
	}
}
