package service

import (
	"runtime"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/core/check"
)

func TestJudge(t *testing.T) {
	list := []found{{"Spooler", "Print Spooler", "running", true}, {"W32Time", "Windows Time", "stopped", false}, {"Bits", "Transfer", "stopped", true}, {"Slow", "Slow one", "start_pending", true}}
	for _, c := range []struct {
		args  string
		state check.State
		text  string
	}{
		{"", check.Critical, "SERVICE CRITICAL - Bits is stopped, Slow is start_pending"}, {"-x bits", check.Warning, "Slow is start_pending"}, {"-x bits -x s*", check.OK, "0 services are running"},
		{"-n spooler", check.OK, "1 services are running"}, {"-n w32time", check.Critical, "W32Time is stopped"}, {"-n w32time -s stopped", check.OK, "1 services are stopped"},
		{"-n nothing", check.Critical, "nothing does not exist"},
	} {
		o, err := parse(strings.Fields(c.args))
		if err != nil {
			t.Fatal(err)
		}
		if got := o.judge(list); got.State != c.state || !strings.Contains(got.Text, c.text) {
			t.Errorf("%q: %+v", c.args, got)
		}
	}
}

func TestElsewhere(t *testing.T) {
	got := Run(t.Context(), nil)
	if runtime.GOOS != "windows" && (got.State != check.Unknown || !strings.Contains(got.Text, "only Windows")) {
		t.Errorf("%+v", got)
	}
}
