package install

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing"
	"github.com/limpet-monitoring/limpet/signing/repo"
)

func TestScriptNamesTheLatestPrograms(t *testing.T) {
	key, err := signing.Generate(true)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	r, err := repo.Create(fsys.Disk{}, dir, func(string) (signing.Key, error) { return key, nil }, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range [][3]string{{"linux-amd64", "0.9.0", "limpet"}, {"linux-amd64", "0.9.0", "limpet-fetch"}, {"linux-amd64", "0.10.0", "limpet"},
		{"linux-amd64", "0.10.0", "limpet-fetch"}, {"linux-amd64", "0.11.0", "limpet"}, {"linux-arm64", "0.9.0", "limpet-fetch"}} {
		if _, err := r.AddProgram(p[0], p[1], p[2], []byte(strings.Join(p[:], " "))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Commit(time.Now()); err != nil {
		t.Fatal(err)
	}
	script, err := Script("https://hub.example:8700", r.Set())
	if err != nil {
		t.Fatal(err)
	}
	text := string(script)
	if strings.Count(text, "targets/stub/linux-amd64/0.10.0/") != 2 || strings.Contains(text, "/0.9.0/") || strings.Contains(text, "/0.11.0/") || strings.Contains(text, "linux-arm64)") {
		t.Errorf("script:\n%s", text)
	}
	if strings.Contains(text, "@") && strings.Contains(text, "@HUB@") || !strings.Contains(text, "limpet_hub='https://hub.example:8700'") {
		t.Error("the hub's address is not in the script")
	}
	for _, hub := range []string{"http://hub", "https://hub';reboot;'", "https://hub\n", "https://$(reboot)"} {
		if _, err := Script(hub, nil); err == nil {
			t.Errorf("a script for %q", hub)
		}
	}
}

// A script for no platform parses in a POSIX shell, too.
func TestScriptIsAScript(t *testing.T) {
	script, err := Script("https://hub.example", nil)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-n")
	cmd.Stdin = strings.NewReader(string(script))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
