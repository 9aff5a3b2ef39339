package collector

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/check/collector"
	"github.com/limpet-monitoring/limpet/core/internal/plugin"
)

// TestTheKernelHoldsACollectorToItsLimit has what a collector started, in a session and an environment of its own, take more than there is for all of it:
// the kernel ends the whole collector, which is told as what it is. It needs a kernel with the controller: make test-limits boots one.
func TestTheKernelHoldsACollectorToItsLimit(t *testing.T) {
	slots, err := plugin.OpenSlots(plugin.Limits{Memory: 64 << 20})
	if err != nil || slots.Held().Memory == 0 {
		if os.Getenv("LIMPET_MUST_LIMIT") != "" {
			t.Fatalf("this kernel does not limit memory: %v", err)
		}
		t.Skipf("NOT TESTED HERE: no controller for memory in cgroups of version 2 (make test-limits boots a kernel that has it): %v", err)
	}
	defer slots.Close()
	below, err := slots.Beside("limpet-collectors-test")
	if err != nil {
		t.Fatal(err)
	}
	type event struct{ kind, text string }
	events := make(chan event, 16)
	c := New(Options{
		Dir: t.TempDir(), Log: t.TempDir(), Changed: func() {}, Cgroup: func() string { return below }, Logger: slog.New(slog.DiscardHandler),
		Event: func(kind, text, _ string) { events <- event{kind, text} },
	})
	hog := filepath.Join(t.TempDir(), "hog")
	if err := os.WriteFile(hog, []byte("#!/bin/sh\nx=$(/bin/head -c 60000000 /dev/zero | /bin/tr '\\0' x)\n/bin/sleep 1000\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	c.Apply([]collector.Spec{{Name: "own", Kind: collector.Command, Program: "/bin/sh", Memory: 32 << 20,
		Args: []string{"-c", "(setsid env -i " + hog + " &) ; exec sleep 1000"}}}, collector.Facts{})
	select {
	case e := <-events:
		if e.kind != "collector-memory" || !strings.Contains(e.text, "limit is, which is 32 MiB") || !strings.Contains(e.text, "the kernel ended it") {
			t.Errorf("%+v", e)
		}
	case <-time.After(3 * time.Minute):
		t.Error("nothing happened")
	}
	c.End(context.Background())
	if _, err := os.Stat(below); !os.IsNotExist(err) {
		t.Errorf("the cgroup is left: %v", err)
	}
}
