package diskio

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/fixture"
)

const before = `   7       0 loop0 5 0 10 1 0 0 0 0 0 1 1 0 0 0 0 0 0
   8       0 sda 100 5 2000 300 50 1 4000 700 0 500 1000 0 0 0 0 0 0
   8       1 sda1 90 5 1900 300 50 1 4000 700 0 500 1000
 259       0 nvme0n1 0 0 0 0 0 0 0 0 0 0 0
`

// ten seconds later: 100 reads of 204,800 bytes in all, 50 writes of 1,024,000, 750 ms waited, 5,000 ms busy
const after = `   7       0 loop0 5 0 10 1 0 0 0 0 0 1 1 0 0 0 0 0 0
   8       0 sda 200 5 2400 600 100 1 6000 1150 0 5500 1000 0 0 0 0 0 0
   8       1 sda1 190 5 2300 600 100 1 6000 1150 0 5500 1000
 259       0 nvme0n1 0 0 0 0 0 0 0 0 0 0 0
`

func TestRates(t *testing.T) {
	root := fixture.Tree(t, map[string]string{"proc/diskstats": before, "sys/block/sda/stat": "", "sys/block/nvme0n1/stat": "", "sys/block/loop0/stat": ""})
	for _, c := range []struct {
		args  string
		state check.State
		text  string
	}{
		{"", check.OK, "DISKIO OK - sda 20.0 KiB/s read, 100.0 KiB/s written, 50% busy; nvme0n1 0 B/s read"},
		{"-w 40", check.Warning, "sda 20.0 KiB/s read, 100.0 KiB/s written, 50% busy, 5 ms per request (WARNING); nvme0n1"},
		{"--await ,4", check.Critical, "5 ms per request (CRITICAL)"},
		{"-d /dev/sda1", check.OK, "DISKIO OK - sda1 20.0 KiB/s"},
		{"-d sdz", check.Critical, "sdz does not exist"},
		{"-x sd* -x nv*", check.OK, "no device to check"},
	} {
		synctest.Test(t, func(t *testing.T) {
			one := New(root+"/proc", root+"/sys")
			fixture.Write(t, root+"/proc/diskstats", before)
			one.Run(t.Context(), strings.Fields(c.args))
			time.Sleep(10 * time.Second)
			fixture.Write(t, root+"/proc/diskstats", after)
			got := one.Run(t.Context(), strings.Fields(c.args))
			if got.State != c.state || !strings.Contains(got.Text, c.text) {
				t.Errorf("%s: %+v", c.args, got)
			}
			if c.args == "" && (len(got.Perfdata) != 12 || got.Perfdata[0].Label != "sda_read" || got.Perfdata[0].Value != 20480 || got.Perfdata[5].Value != 5) {
				t.Errorf("%+v", got.Perfdata)
			}
		})
	}
}

func TestFirstRunAndBrokenText(t *testing.T) {
	root := fixture.Tree(t, map[string]string{"proc/diskstats": before, "sys/block/sda/stat": ""})
	if got := New(root+"/proc", root+"/sys").Run(t.Context(), nil); got.State != check.OK || got.Text != "DISKIO OK - 1 devices, measured from now on" {
		t.Errorf("%+v", got)
	}
	fixture.Write(t, root+"/proc/diskstats", "8 0 sda x\n")
	if got := New(root+"/proc", root+"/sys").Run(t.Context(), nil); got.State != check.Unknown || !strings.Contains(got.Text, "makes no sense") {
		t.Errorf("%+v", got)
	}
}

func FuzzParseStats(f *testing.F) {
	f.Add(before)
	f.Fuzz(func(t *testing.T, text string) { parseStats([]byte(text)) })
}
