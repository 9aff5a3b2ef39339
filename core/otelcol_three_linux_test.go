//go:build otelcol

package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/agent"
	"github.com/limpet-monitoring/limpet/core/wire"
)

// otlpConfig takes metrics over HTTP and writes each point to its log.
const otlpConfig = `receivers:
  otlp:
    protocols:
      http:
        endpoint: 127.0.0.1:%s
exporters:
  debug: {verbosity: detailed}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    metrics: {receivers: [otlp], exporters: [debug]}
`

// counting writes a number a line, each tenth of a second, the next one each time.
const counting = `n=0; while :; do n=$((n+1)); echo $n >>"$1/numbers"; sleep 0.1; done`

// TestOtelcolCollectdAndACommandThroughSwaps: three real collectors run while the core is replaced again and again under load. None is started again, and no sample of theirs is
// missing: collectd's rows are seconds apart, every point that the OpenTelemetry collector was sent is in its log once, the command's numbers have no hole.
func TestOtelcolCollectdAndACommandThroughSwaps(t *testing.T) {
	program := os.Getenv("LIMPET_TEST_OTELCOL")
	if program == "" {
		t.Fatal("LIMPET_TEST_OTELCOL is not set: run make test-otelcol")
	}
	const swaps = 8
	port := freePort(t)
	b := newBox(t, "2")
	d := b.load(1, 20, 2)
	d.Collectors = []*wire.Collector{
		{Name: "metrics", Kind: "collectd", Program: collectd(t), Config: collectdConf(t, "")},
		{Name: "otel", Kind: "otelcol", Program: program, Config: fmt.Sprintf(otlpConfig, port)},
		{Name: "own", Kind: "command", Program: "/bin/sh", Args: []string{"-c", counting, "sh", "{{.Dir}}"}},
	}
	b.hub.push(d)
	cur := b.start()
	cur.heard("ready")
	first := b.three("all run")
	sender := sendPoints(t, port)
	b.eventually("collectd's samples", func() bool { return len(b.samples()) >= 2 })
	for range swaps {
		old := cur
		cur = b.swap(old)
		old.heard("drained")
		old.exited()
		n := len(b.samples())
		b.eventually("collectd goes on", func() bool { return len(b.samples()) > n })
	}
	last := b.three("the last core has all of them")
	for i := range first {
		if first[i].PID != last[i].PID || last[i].Restarts != 0 {
			t.Errorf("%s: was process %d, is %d, started again %d times", last[i].Name, first[i].PID, last[i].PID, last[i].Restarts)
		}
	}
	sent := sender()
	b.eventually("the last point is in the log", func() bool { return b.points()[fmt.Sprint(sent)] > 0 })
	b.stop(cur)
	points := b.points()
	for i := 1; i <= sent; i++ {
		if n := points[fmt.Sprint(i)]; n != 1 {
			t.Errorf("point %d of %d is %d times in the log", i, sent, n)
		}
	}
	numbers, err := os.ReadFile(filepath.Join(b.layout.Collector(), "own", "data", "numbers"))
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Fields(string(numbers))
	for i, row := range rows {
		if row != fmt.Sprint(i+1) {
			t.Fatalf("row %d of %d is %s: it was started again", i+1, len(rows), row)
		}
	}
	at, worst := b.samples(), 0.0
	for i := range at[1:] {
		worst = max(worst, at[i+1]-at[i])
	}
	if worst > 5 || len(at) < swaps {
		t.Errorf("%d rows of collectd's, at most %.1f s apart", len(at), worst)
	}
	t.Logf("%d swaps: %d rows of collectd's, at most %.2f s apart; %d points of OpenTelemetry's, each once; %d numbers in a row", swaps, len(at), worst, sent, len(rows))
}

// three waits until three collectors run, and gives them by name.
func (b *box) three(what string) (all []agent.CollectorStatus) {
	b.t.Helper()
	b.eventually(what, func() bool {
		all = b.collectors()
		return len(all) == 3 && !slices.ContainsFunc(all, func(c agent.CollectorStatus) bool { return !running(c) })
	})
	return all
}

// sendPoints sends a point each tenth of a second, its number as its value, until the function that it gives is called, which says how many were taken.
func sendPoints(t *testing.T, port string) (stop func() int) {
	t.Helper()
	ended, sent := make(chan struct{}), make(chan int, 1)
	go func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for n := 1; ; {
			select {
			case <-tick.C:
			case <-ended:
				sent <- n - 1
				return
			}
			body := fmt.Sprintf(`{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"point","gauge":{"dataPoints":[{"timeUnixNano":"%d","asInt":"%d"}]}}]}]}]}`, time.Now().UnixNano(), n)
			answer, err := http.Post("http://127.0.0.1:"+port+"/v1/metrics", "application/json", strings.NewReader(body))
			if err != nil {
				if n > 1 {
					t.Errorf("point %d was not taken: %v", n, err)
				}
				continue // it may still be starting
			}
			_ = answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				t.Errorf("point %d: %s", n, answer.Status)
			}
			n++
		}
	}()
	return func() int { close(ended); return <-sent }
}

// points are the values in the log of the OpenTelemetry collector, by how often.
func (b *box) points() map[string]int {
	data, err := os.ReadFile(filepath.Join(b.layout.Log, "collector-otel.log"))
	if err != nil {
		b.t.Fatal(err)
	}
	seen := map[string]int{}
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "Value: "); ok {
			seen[value]++
		}
	}
	return seen
}
