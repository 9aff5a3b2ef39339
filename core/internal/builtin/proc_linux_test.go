package builtin

import (
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/core/check"
)

func TestNoProcIsUnknown(t *testing.T) {
	r := New(Env{ProcRoot: t.TempDir(), SysRoot: t.TempDir()})
	for _, name := range []string{"cpu", "load", "memory", "swap", "disk", "net", "procs", "uptime", "agent"} {
		got := r.Run(t.Context(), name, nil)
		if got.State != check.Unknown || !strings.Contains(got.Text, " UNKNOWN - ") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
