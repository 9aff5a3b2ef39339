package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/core/wire"
)

// A supervisor with a worker, as fluentd and diamond are: the worker is the supervisor's to end. A command's group is asked as a whole.
func TestWhoIsAskedToEnd(t *testing.T) {
	for kind, want := range map[string]string{"fluentd": "leader", "diamond": "leader", "command": "leader worker"} {
		b := newBox(t, "1")
		program, heard := filepath.Join(b.layout.Root, "supervisor"), filepath.Join(b.layout.Root, "heard")
		// The leader gives its worker time to hear of it, too: half a second where it should not, as long as it takes where it should.
		tries := 5
		if strings.HasSuffix(want, "worker") {
			tries = 500
		}
		script := fmt.Sprintf(`#!/bin/sh
case "$*" in *dry-run*) exit 0;; esac
trap 'echo leader >>%[1]s.leader; n=0; while [ $n -lt %[2]d ] && [ ! -e %[1]s.worker ]; do sleep 0.1; n=$((n+1)); done; kill -9 $! 2>/dev/null; exit 0' TERM
(trap 'echo worker >>%[1]s.worker; exit' TERM; echo >%[1]s.ready; while :; do sleep 0.1; done) &
while :; do sleep 0.1; done
`, heard, tries)
		if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		b.hub.push(&wire.Desired{Revision: 1, NoDefaults: true, Collectors: []*wire.Collector{{Name: "own", Kind: kind, Program: program, Config: "x"}}})
		cur := b.start()
		cur.heard("ready")
		b.until("it runs", running)
		b.eventually("its worker, too", func() bool { return exists(heard + ".ready") })
		b.stop(cur)
		var got []string
		for _, who := range []string{"leader", "worker"} {
			if exists(heard + "." + who) {
				got = append(got, who)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q heard of the end, want %q", kind, got, want)
		}
	}
}

// What a template says of the box is what the box is, and what the collector prints is kept, and no more than that.
func TestFactsInTemplatesAndTheLog(t *testing.T) {
	b := newBox(t, "1")
	box, err := os.OpenFile(b.layout.BoxFile(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(box, "tags = web, blue")
	box.Close()
	config := `{{.Hostname}}|{{.OS}}|{{.Name}}|{{if has .Tags "web"}}web{{end}}|{{range .Tags}}<{{.}}>{{end}}|{{.Fingerprint}}`
	b.hub.push(&wire.Desired{Revision: 1, NoDefaults: true, Collectors: []*wire.Collector{{Name: "own", Kind: "command", Program: "/bin/sh", Config: config, File: "own.conf",
		Args: []string{"-c", `head -c 6000000 /dev/zero | tr '\0' 'x' | fold -w 100; echo; sleep 1; cat "$0"; exec sleep 1000`, "{{.Config}}"}}}})
	cur := b.start()
	cur.heard("ready")
	c := b.until("it runs", running)
	former := c.Log + ".1"
	host, _ := os.Hostname()
	finger, err := os.ReadFile(b.layout.Finger())
	if err != nil {
		t.Fatal(err)
	}
	want := host + "|linux|own|web|<blue><web>|" + strings.TrimSpace(string(finger))
	b.eventually("its log is begun anew, and its configuration says "+want, func() bool {
		info, err := os.Stat(c.Log)
		if !exists(former) || err != nil || info.Size() >= 4<<20 {
			return false
		}
		text, err := os.ReadFile(c.Log) // it may have been begun anew in the middle of what is printed; of the former log the end is kept
		if err == nil && len(text) == 0 {
			text, err = os.ReadFile(former)
		}
		last := string(text[strings.LastIndexByte(string(text), '\n')+1:])
		return err == nil && (last == want || last == strings.Replace(want, "<blue><web>", "<web><blue>", 1))
	})
	b.stop(cur)
}
