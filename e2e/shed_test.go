//go:build unix

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// scheduled is what `limpet status --json` says of the schedule.
type scheduled struct {
	Core struct {
		Problems []string
		Schedule struct{ Runs, Shed, Skipped uint64 }
		Checks   []struct {
			Name, State   string
			Shed, Skipped uint64
		}
	}
}

// TestProcessorTimeIsKept: plugins that want thirty times what the box file gives run less often, and everybody is told; what is a problem or of high importance
// runs every second all the while. When the box file gives all again, all run as they say.
func TestProcessorTimeIsKept(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	dir := filepath.Join(s.Dir, "plugins")
	s.must(os.MkdirAll(dir, 0o755))
	write := func(name, body string) {
		text := "#!/bin/sh\necho \"$LIMPET_CHECK\" >>" + s.Dir + "/ran\n" + body
		s.must(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755))
	}
	write("check_burns", "i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done\necho burnt\n")
	write("check_tells", "echo fine\n")
	write("check_fails", "echo broken; exit 2\n")
	a := s.agent("box", "plugin_dirs = "+dir, "limit.cpu = 2%")
	s.must(s.hub.Apply(s.ctx, `checks:
  - {name: burns-1, plugin: check_burns, every: 1s}
  - {name: burns-2, plugin: check_burns, every: 1s}
  - {name: burns-3, plugin: check_burns, every: 1s}
  - {name: low, plugin: check_tells, every: 1s, importance: low}
  - {name: high, plugin: check_tells, every: 1s, importance: high}
  - {name: fails, plugin: check_fails, every: 1s}
`))
	ran := func() map[string]int {
		text, _ := os.ReadFile(filepath.Join(s.Dir, "ran"))
		n := map[string]int{}
		for line := range strings.Lines(string(text)) {
			n[strings.TrimSpace(line)]++
		}
		return n
	}
	shed := func() (now scheduled, of map[string]uint64) {
		s.await("a status", func() bool { now = scheduled{}; return s.status(a, &now) && len(now.Core.Checks) > 0 })
		of = map[string]uint64{}
		for _, c := range now.Core.Checks {
			of[c.Name] = c.Shed
		}
		return now, of
	}
	type detail struct {
		Facts  struct{ More map[string]string }
		Checks []struct {
			Check   string
			EveryMS int64 `json:"every_ms"`
			Stale   bool
		}
	}
	s.await("a session", func() bool { return presence(s, a) == "online" })
	path := "/api/v1/agents/" + a.Fingerprint()
	s.await("normal checks are passed over", func() bool {
		_, of := shed()
		d, _ := get[detail](s, path)
		return of["low"] > 0 && of["burns-1"] > 2 && strings.Contains(d.Facts.More["shedding"], "others every")
	})
	before, began := ran(), time.Now()
	s.await("a run that says its longer interval", func() bool {
		d, _ := get[detail](s, path)
		for _, c := range d.Checks {
			if strings.HasPrefix(c.Check, "burns") && c.EveryMS >= 30_000 && !c.Stale {
				return true
			}
		}
		return false
	})
	took := time.Since(began)
	after := ran()
	for _, name := range []string{"high", "fails"} {
		if n := after[name] - before[name]; n < int(took.Seconds())/2-2 { // on a machine that has much else to do
			t.Errorf("%s ran %d times in %s, every second", name, n, took)
		}
	}
	if n := after["burns-1"] + after["burns-2"] + after["burns-3"] - before["burns-1"] - before["burns-2"] - before["burns-3"]; n > 2+3*int(took.Seconds())/15 {
		t.Errorf("what is passed over ran %d times in %s", n, took)
	}
	now, of := shed()
	sum := uint64(0)
	for _, n := range of {
		sum += n
	}
	if now.Core.Schedule.Shed != sum || sum == 0 || of["high"] != 0 || of["fails"] != 0 || of["disk"] != 0 {
		t.Errorf("%d passed over in all, by check %v", now.Core.Schedule.Shed, of)
	}
	if text := strings.Join(now.Core.Problems, "\n"); !strings.Contains(text, "of one processor and may use 2 %") {
		t.Errorf("problems: %s", text)
	}
	s.await("an event", func() bool {
		out, err := s.Run(s.ctx, "limpet-hub", "events", "--json", "--limit", "1000", "--data", filepath.Join(s.Dir, "hub"))
		return err == nil && strings.Contains(out, `"cause":"shedding"`)
	})

	conf := filepath.Join(a.Root, "etc", "limpet.conf")
	text, err := os.ReadFile(conf)
	s.must(err)
	s.must(os.WriteFile(conf, []byte(strings.Replace(string(text), "limit.cpu = 2%", "limit.cpu = none", 1)), 0o644))
	s.must(a.Reload())
	s.await("everything runs again", func() bool {
		d, ok := get[detail](s, path)
		return ok && d.Facts.More["shedding"] == ""
	})
	_, of = shed()
	before = ran()
	s.await("all of it, every second", func() bool {
		n := ran()
		return n["low"]-before["low"] >= 5 && n["burns-1"]-before["burns-1"] >= 5
	})
	if _, later := shed(); fmt.Sprint(later) != fmt.Sprint(of) {
		t.Errorf("passed over without a limit: %v, before %v", later, of)
	}
}
