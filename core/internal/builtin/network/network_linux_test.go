package network

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/fixture"
)

const heading = "Inter-|   Receive                                                |  Transmit\n" +
	" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n"

// dev writes a /proc/net/dev line.
func dev(name string, rx, tx, errors, drops uint64) string {
	return fmt.Sprintf("%6s:%d 9 %d %d 0 0 0 0 %d 9 0 0 0 0 0 0\n", name, rx, errors, drops, tx)
}

func box(t *testing.T) string {
	return fixture.Tree(t, map[string]string{
		"net/dev":                    heading + dev("lo", 5, 5, 0, 0) + dev("eth0", 100000, 200000, 0, 0) + dev("veth1", 1, 1, 0, 0) + dev("eth1", 0, 0, 0, 0),
		"uptime":                     "100.00 5.00\n",
		"class/net/eth0/operstate":   "up\n",
		"class/net/eth1/operstate":   "down\n",
		"class/net/lo/operstate":     "unknown\n",
		"class/net/eth0:1/operstate": "up\n",
	})
}

func TestRatesSinceThePreviousRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := box(t)
		c := New(root, root)
		got := c.Run(t.Context(), nil)
		if got.State != check.OK || got.Text != "NET OK - eth0 up rx 1000 B/s tx 2.0 KiB/s; eth1 down rx 0 B/s tx 0 B/s; averages since boot, this is the first run" {
			t.Fatalf("%+v", got)
		}
		time.Sleep(10 * time.Second)
		fixture.Write(t, root+"/net/dev", heading+dev("eth0", 120480, 200000, 500, 10)+dev("eth2", 5, 5, 0, 0)+dev("eth1", 0, 0, 0, 0))
		got = c.Run(t.Context(), nil)
		if got.State != check.Warning || !strings.HasPrefix(got.Text, "NET WARNING - eth0 up rx 2.0 KiB/s tx 0 B/s, 50 errors/s, 1 drops/s (WARNING); eth2 state unknown rx unknown tx unknown;") {
			t.Errorf("%+v", got)
		}
		want := []check.Perfdata{
			{Label: "eth0_rx", Value: 2048, Unit: "B/s", Max: math.NaN()}, {Label: "eth0_tx", Unit: "B/s", Max: math.NaN()},
			{Label: "eth0_errors", Value: 50, Unit: "/s", Warn: "10", Crit: "100", Max: math.NaN()},
			{Label: "eth0_drops", Value: 1, Unit: "/s", Max: math.NaN()}, {Label: "eth0_link", Value: 1, Max: 1},
		}
		for i, w := range want {
			if fmt.Sprint(got.Perfdata[i]) != fmt.Sprint(w) {
				t.Errorf("got %+v, want %+v", got.Perfdata[i], w)
			}
		}
		time.Sleep(10 * time.Second)
		fixture.Write(t, root+"/net/dev", heading+dev("eth0", 10, 10, 0, 0)) // made anew: counters began at zero
		if got = c.Run(t.Context(), nil); got.Text != "NET OK - eth0 up rx 0 B/s tx 0 B/s" {
			t.Errorf("%+v", got)
		}
	})
}

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		args  string
		state check.State
		text  string
	}{
		{"-i eth0", check.OK, "NET OK - eth0 up rx"},
		{"-i eth*", check.Critical, "NET CRITICAL - eth1 down rx 0 B/s tx 0 B/s, 0 errors/s, 0 drops/s (CRITICAL); eth0 up"},
		{"-i eth0 -i eth7", check.Critical, "NET CRITICAL - eth7 does not exist (CRITICAL); eth0 up"},
		{"-i lo", check.OK, "NET OK - lo state unknown rx"},
		{"-x eth1", check.OK, "NET OK - eth0 up rx"},
		{"-x *", check.OK, "NET OK - no interface to check"},
		{"--drops 1,5", check.OK, "NET OK - eth0"},
	} {
		root := box(t)
		if got := New(root, root).Run(t.Context(), strings.Fields(c.args)); got.State != c.state || !strings.HasPrefix(got.Text, c.text) {
			t.Errorf("%s: %+v", c.args, got)
		}
	}
}

func TestManyInterfacesAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString(heading)
	for i := range 100 {
		b.WriteString(dev(fmt.Sprintf("eth%d", i), 1, 1, 0, 0))
	}
	root := fixture.Tree(t, map[string]string{"net/dev": b.String(), "uptime": "5.00 1\n"})
	got := New(root, root).Run(t.Context(), nil)
	if len(got.Perfdata) != 4*maxInterfaces || len(got.Problems) != 1 || !strings.Contains(got.Text, "; 58 more;") {
		t.Errorf("%d values, %q, %q", len(got.Perfdata), got.Problems, got.Text)
	}
}

func TestBrokenFileIsUnknown(t *testing.T) {
	for _, text := range []string{"", "x", heading + "eth0: 1 2 3\n", heading + "eth0: a b c d e f g h i j k l m n o p\n"} {
		root := fixture.Tree(t, map[string]string{"net/dev": text})
		if got := New(root, root).Run(t.Context(), nil); got.State != check.Unknown || !strings.HasPrefix(got.Text, "NET UNKNOWN - read net/dev") {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func FuzzParseDev(f *testing.F) {
	f.Add(heading + dev("eth0", 1, 2, 3, 4) + "wlan0:1 2")
	f.Add(heading + "a:b: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseDev([]byte(text), func(string) bool { return true })
		if err == nil && list == nil {
			t.Error("no list and no error")
		}
		for _, c := range list {
			if c.name == "" {
				t.Errorf("%+v", c)
			}
		}
	})
}
