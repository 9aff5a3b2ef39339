package facts

import (
	"os"
	"runtime"
	"testing"
)

func TestGather(t *testing.T) {
	f := Gather()
	host, _ := os.Hostname()
	if f.Hostname != host || f.OS != runtime.GOOS || f.Arch != runtime.GOARCH || f.CPUs < 1 {
		t.Errorf("wrong facts: %+v", f)
	}
	if f.Memory < 16<<20 || f.Kernel == "" {
		t.Errorf("memory and kernel are missing: %+v", f)
	}
	if len(f.MachineID) != 0 && len(f.MachineID) != 64 {
		t.Errorf("machine id %q is no SHA-256", f.MachineID)
	}
}
