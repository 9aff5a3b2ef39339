package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/limpet-monitoring/limpet/updater/boot"
)

func core(n byte) boot.Core { return boot.Core{Counter: uint64(n), Length: 1, Hash: [32]byte{n}} }

func TestStepsOfTheRecordAreSaidInOrder(t *testing.T) {
	quiet := boot.Record{Good: core(1), Previous: core(9)}
	trial := boot.Record{Good: core(1), Previous: core(9), Trial: core(2), Tries: 3}
	with := func(r boot.Record, change func(*boot.Record)) boot.Record { change(&r); return r }
	for _, c := range []struct {
		name    string
		was, is boot.Record
		want    []string
	}{
		{"nothing", trial, trial, nil},
		{"staged", quiet, trial, []string{"STAGE"}},
		{"started", trial, with(trial, func(r *boot.Record) { r.Starts = 1 }), []string{"START"}},
		{"staged and started at once", quiet, with(trial, func(r *boot.Record) { r.Starts = 1 }), []string{"STAGE", "START"}},
		{"failed", trial, with(trial, func(r *boot.Record) { r.Tries = 2 }), []string{"FAIL"}},
		{"rejected", trial, with(quiet, func(r *boot.Record) { r.Barred[0] = boot.Bar{Hash: core(2).Hash, Counter: 2, Reason: boot.Hung} }), []string{"REJECT"}},
		{"set aside", trial, with(quiet, func(r *boot.Record) { r.Aside[0] = boot.Aside{Hash: core(2).Hash, Counter: 2, Until: 5} }), []string{"SET ASIDE"}},
		{"committed", trial, boot.Record{Good: core(2), Previous: core(1)}, []string{"COMMIT"}},
		{"dropped", trial, quiet, []string{"DROP"}},
		{"demoted", boot.Record{Good: core(2), Previous: core(1)}, with(boot.Record{Good: core(1)}, func(r *boot.Record) {
			r.Barred[0] = boot.Bar{Hash: core(2).Hash, Counter: 2, Reason: boot.Demoted}
		}), []string{"REJECT", "DEMOTE"}},
	} {
		var got []string
		for _, text := range steps(c.was, c.is) {
			word, _, _ := strings.Cut(text, ":")
			got = append(got, word)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestGap(t *testing.T) {
	began := time.Date(2030, 5, 1, 12, 0, 0, 0, time.UTC)
	at := func(ms ...int) (list []resultView) {
		for i, m := range ms {
			list = append(list, resultView{Check: "a", Start: began.Add(time.Duration(m) * time.Millisecond), Trigger: "scheduled", Epoch: "1", Seq: uint64(i)})
		}
		return list
	}
	for _, c := range []struct {
		name            string
		starts          []resultView
		late            time.Duration
		missed, doubled int
	}{
		{"as it should be", at(0, 1000, 2000, 3000), 0, 0, 0},
		{"a little late", at(0, 1000, 2080, 3000), 80 * time.Millisecond, 0, 0},
		{"one left out", at(0, 1000, 3000, 4000), time.Second, 1, 0},
		{"three left out, out of order", slices.Concat(at(0, 1000)[1:], at(0), at(0, 0, 5100)[2:]), 3100 * time.Millisecond, 3, 0},
		{"made up for just before the next", at(0, 1000, 4900, 5000, 6000), 2900 * time.Millisecond, 3, 0},
		{"one twice", at(0, 1000, 1010, 2000), 0, 0, 1},
	} {
		r := runs{}
		r.add(c.starts)
		r.add(c.starts) // the same results asked for again
		g := r.between(began, began.Add(time.Hour), time.Second)
		if g.at(1) != c.late || g.missed != c.missed || g.doubled != c.doubled {
			t.Errorf("%s: %v", c.name, g)
		}
	}
	r := runs{}
	r.add([]resultView{{Check: "a", Trigger: "manual", Seq: 1}})
	if len(r) > 0 {
		t.Error("a manual run counts as scheduled")
	}
}

func TestAddedChecksAreTakenAwayAgain(t *testing.T) {
	for _, text := range []string{"", "defaults: true\n", "checks:\n  - {name: a, builtin: disk}\n", "disable: [swap]\nchecks:\n- name: a\n  builtin: disk\n"} {
		added := withTicks(text)
		if strings.Count(added, "demo-tick-") != ticks || strings.Count(added, "checks:") != 1 || strings.HasPrefix(added, "\n") {
			t.Errorf("%q became %q", text, added)
		}
		var doc struct{ Checks []map[string]any }
		if err := yaml.Unmarshal([]byte(added), &doc); err != nil || len(doc.Checks) < ticks {
			t.Errorf("%q has %d checks, %v", added, len(doc.Checks), err)
		}
		if got := withoutTicks(added); got != text {
			t.Errorf("%q came back as %q", text, got)
		}
		if again := withTicks(added); again != added {
			t.Errorf("twice: %q", again)
		}
	}
	if got := withTicks("checks: []\n"); got != "" {
		t.Errorf("added to a list in one line: %q", got)
	}
}

func TestTailFollowsRotationAndHalfLines(t *testing.T) {
	name := filepath.Join(t.TempDir(), "core.log")
	add := func(text string, flag int) {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|flag, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	add("old\n", 0)
	tail, err := openTail(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text string
		flag int
		want []string
	}{
		{"one\ntw", os.O_APPEND, []string{"one"}},
		{"o\n", os.O_APPEND, []string{"two"}},
		{"", os.O_APPEND, nil},
		{"new\n", os.O_TRUNC, []string{"new"}},
	} {
		add(c.text, c.flag)
		if got := tail.lines(); !slices.Equal(got, c.want) {
			t.Errorf("after %q: %q", c.text, got)
		}
	}
}

func TestFailsOfOneReleaseAreCounted(t *testing.T) {
	history := "2030-05-01T12:00:00Z stage release=4 version=1 hash=aa\n2030-05-01T12:00:01Z fail release=4 hash=aa reason=exit\n" +
		"2030-05-01T12:00:02Z fail release=3 hash=bb reason=exit\n2030-05-01T12:00:03Z fail release=4 hash=aa reason=exit\n2030-05-01T12:00:04Z reject release=4 hash=aa\n"
	for hash, want := range map[string]int{"aa": 2, "bb": 1, "cc": 0} {
		if got := countFails(history, hash); got != want {
			t.Errorf("%s: %d, want %d", hash, got, want)
		}
	}
}
