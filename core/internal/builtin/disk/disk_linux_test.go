package disk

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/fixture"
)

func TestRunOverAFixture(t *testing.T) {
	odd := t.TempDir() + "/with blank"
	if err := os.Mkdir(odd, 0o755); err != nil {
		t.Fatal(err)
	}
	file := t.TempDir() + "/resolv.conf"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	root := fixture.Tree(t, map[string]string{"self/mountinfo": strings.Join([]string{
		"1 1 254:0 / / rw - ext4 /dev/vda rw",
		"2 1 254:1 / " + strings.ReplaceAll(odd, " ", `\040`) + " rw - ext4 /dev/vdb rw",
		"3 1 254:2 /docker/x/resolv.conf " + file + " rw - ext4 /dev/vdc rw", // a file bound into a container
		"4 1 254:3 / /nonexistent/mount rw - ext4 /dev/vdd rw",
		"garbage",
	}, "\n") + "\n"})
	got := New(root).Run(t.Context(), nil)
	var labels []string
	for _, p := range got.Perfdata {
		labels = append(labels, p.Label)
	}
	if fmt.Sprint(labels) != fmt.Sprint([]string{"/", odd}) || len(got.Problems) != 2 ||
		got.Problems[0] != "/nonexistent/mount is not accessible: no such file or directory" ||
		got.Problems[1] != "1 lines of the list of mounts make no sense" {
		t.Errorf("%q: %+v", labels, got)
	}
	got = New(root).Run(t.Context(), []string{"-w", "1%", "-p", "/nonexistent/mount"})
	if got.State != check.Critical || !strings.Contains(got.Text, "/nonexistent/mount is not accessible") {
		t.Errorf("%+v", got)
	}
	link := t.TempDir() + "/link"
	if err := os.Symlink(odd, link); err != nil {
		t.Fatal(err)
	}
	got = New(root).Run(t.Context(), []string{"-w", "1%", "-p", link, "-p", "/dev/vda"})
	if len(got.Perfdata) != 2 || got.Perfdata[0].Label != odd || got.Perfdata[1].Label != "/" {
		t.Errorf("%+v", got)
	}
}
