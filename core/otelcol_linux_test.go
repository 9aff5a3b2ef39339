//go:build otelcol

package main

import (
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/limpet-monitoring/limpet/core/internal/agent"
	"github.com/limpet-monitoring/limpet/core/wire"
)

// The OpenTelemetry collector, which scripts/otelcol.sh builds: its test command, a swap, a kill.
func TestOtelcol(t *testing.T) {
	program := os.Getenv("LIMPET_TEST_OTELCOL")
	if program == "" {
		t.Fatal("LIMPET_TEST_OTELCOL is not set: run make test-otelcol")
	}
	port := freePort(t)
	config := `receivers:
  otlp:
    protocols:
      grpc:
        endpoint: 127.0.0.1:` + port + `
exporters:
  debug: {}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    metrics: {receivers: [otlp], exporters: [debug]}
`
	d := func(revision uint64, config string) *wire.Desired {
		return &wire.Desired{Revision: revision, NoDefaults: true, Collectors: []*wire.Collector{{Name: "otel", Kind: "otelcol", Program: program, Config: config}}}
	}
	b := newBox(t, "1")
	b.hub.push(d(1, config))
	cur := b.start()
	cur.heard("ready")
	first := b.until("otelcol runs", running)
	listens := func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			c.Close()
		}
		return err == nil
	}
	b.eventually("it listens", listens)

	b.hub.push(d(2, strings.Replace(config, "exporters: [debug]", "exporters: [nonsense]", 1)))
	c := b.until("a broken one is refused", func(c agent.CollectorStatus) bool { return c.Refused != "" })
	if !strings.Contains(c.Refused, "nonsense") || c.PID != first.PID {
		t.Errorf("%+v", c)
	}
	t.Log(fmt.Sprint("refused: ", c.Refused))
	b.hub.push(d(3, config))
	b.until("the former one is wanted again", func(c agent.CollectorStatus) bool { return c.Refused == "" })
	old := cur
	cur = b.swap(old)
	old.heard("drained")
	old.exited()
	if c := b.until("the next core has it", running); c.PID != first.PID || !listens() {
		t.Errorf("was process %d, is %+v", first.PID, c)
	}
	syscall.Kill(first.PID, syscall.SIGKILL)
	b.until("it runs again", func(c agent.CollectorStatus) bool { return running(c) && c.PID != first.PID })
	b.eventually("it listens again", listens)
	b.stop(cur)
}
