package swap

import (
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/fixture"
)

// The states and texts are those of check_swap 2.3.3 over the same files.
func TestRun(t *testing.T) {
	files := map[string]string{
		"meminfo": "MemTotal: 24682416 kB\nSwapTotal: 2097148 kB\nSwapFree: 300001 kB\n",
		"swaps":   "Filename\tType\tSize\tUsed\tPriority\n/dev/sda2      partition\t1048572\t1048000\t-2\n/swap\\040file file 1048576\t749147\t-3\n",
	}
	none := map[string]string{"meminfo": "MemTotal: 24682416 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n"}
	for _, c := range []struct {
		files      map[string]string
		args       string
		state      check.State
		text       string
		warn, crit string
	}{
		{files, "-w 20% -c 10%", check.Warning, "SWAP WARNING - 15% free (292MB out of 2047MB)", "429495910", "214747955"},
		{files, "-w 10% -c 5%", check.OK, "SWAP OK - 15% free (292MB out of 2047MB)", "214747955", "107373977"},
		{files, "-w 400000000 -c 300000000", check.Warning, "SWAP WARNING - 15% free", "400000000", "300000000"},
		{files, "-w 20% -c 400000000", check.Critical, "SWAP CRITICAL - 15% free", "429495910", "400000000"},
		{files, "-w 2% -c 1%", check.OK, "SWAP OK", "42949591", "21474795"},
		{files, "-a -w 2% -c 1%", check.Critical, "SWAP CRITICAL", "42949591", "21474795"}, // sda2 is full
		{files, "", check.Warning, "SWAP WARNING", "429495910", "107373977"},
		{none, "-w 20% -c 10%", check.OK, "SWAP OK - 0% free (0MB out of 0MB) Swap is either disabled", "0", "0"},
		{none, "-n critical", check.Critical, "SWAP CRITICAL - 0% free", "0", "0"},
		{map[string]string{"meminfo": files["meminfo"]}, "", check.Warning, "SWAP WARNING", "429495910", "107373977"},
		{map[string]string{"meminfo": files["meminfo"], "swaps": "x\n/dev/sda partition lots 5\n"}, "", check.Unknown, "SWAP UNKNOWN - read swaps", "", ""},
	} {
		got := New(fixture.Tree(t, c.files)).Run(t.Context(), strings.Fields(c.args))
		if got.State != c.state || !strings.HasPrefix(got.Text, c.text) {
			t.Errorf("%q: %+v", c.args, got)
		}
		if c.warn != "" && (len(got.Perfdata) != 1 || got.Perfdata[0].Warn != c.warn || got.Perfdata[0].Crit != c.crit) {
			t.Errorf("%q: %+v", c.args, got.Perfdata)
		}
	}
	long := New(fixture.Tree(t, files)).Run(t.Context(), nil).Long
	if long != "/dev/sda2: 0% free (572.0 KiB of 1024.0 MiB)\n/swap file: 29% free (292.4 MiB of 1.0 GiB)" {
		t.Errorf("%q", long)
	}
}

func FuzzParseSwaps(f *testing.F) {
	f.Add("Filename\n/dev/sda2 partition\t1048572\t1048000\t-2\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseSwaps([]byte(text))
		for _, a := range list {
			if err == nil && a.free > a.total {
				t.Errorf("%+v", a)
			}
		}
		if len(list) > maxAreas {
			t.Errorf("%d areas", len(list))
		}
	})
}
