package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/core/wire"
)

// why runs `limpet why CHECK` as limpet hands it over. A core that is held up may not answer within its two seconds: that is told, and nothing else.
func (b *box) why(check string) string {
	b.t.Helper()
	out, err := exec.Command(coreFile, "why", "--root", b.layout.Root, check).CombinedOutput()
	if err != nil {
		b.t.Logf("why %s: %v\n%s", check, err, out)
		return ""
	}
	return string(out)
}

// says holds what is known of a check against lines that must be there, as regular expressions, in any order.
func (b *box) says(check string, lines ...string) {
	b.t.Helper()
	b.eventually("why "+check, func() bool {
		text := b.why(check)
		for _, l := range lines {
			if !regexp.MustCompile("(?m)^" + l + "$").MatchString(text) {
				b.t.Logf("no %q in\n%s", l, text)
				return false
			}
		}
		return true
	})
}

func TestWhyACheckIsAsItIs(t *testing.T) {
	b := newBox(t, "1")
	plugin := func(name, text string) {
		if err := os.WriteFile(filepath.Join(b.layout.Root, "plugins", name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	plugin("check_bad", "#!/bin/sh\nprintf 'broken \\033[31mred\\n'\nexit 2\n")
	plugin("check_nolang", "#!/opt/no/such/lang\n")
	goesOn := filepath.Join(t.TempDir(), "goes-on") // as long as the test does
	if err := os.WriteFile(goesOn, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	plugin("check_long", "#!/bin/sh\nwhile [ -e "+goesOn+" ]; do sleep 0.2; done\n")
	box, err := os.ReadFile(b.layout.BoxFile())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.layout.BoxFile(), append(box, "never = uptime, bad-plugin\nlimit.runs.check_long = 1\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	each := func(name, plugin string) *wire.Check {
		return &wire.Check{Name: name, Plugin: plugin, EveryMs: 3_600_000, TimeoutMs: 600_000}
	}
	soft, often := each("soft", "check_bad"), each("often", "check_bad")
	soft.Attempts, soft.RetryMs = 3, 1_800_000
	often.EveryMs = 1000
	b.hub.push(&wire.Desired{Revision: 6, Disable: []string{"load"}, Checks: []*wire.Check{
		soft, often, each("nolang", "check_nolang"), each("nowhere", "check_nowhere"), each("slow-1", "check_long"), each("slow-2", "check_long"),
	}})
	c := b.start()
	c.heard("ready")
	b.says("soft", `check     soft \(check_bad\), revision 6`, `state     CRITICAL \(soft\), attempt 1 of 3, since .+ \([\dms]+\)`, `output    broken \[31mred`,
		`last run  [\dms]+ ago, took .+`, `next run  in (2\dm|30m0s).*; every 1h0m0s, every 30m0s while a problem is soft`)
	b.says("often", `state     CRITICAL \(hard\), attempt 1 of 1, since .+`)
	b.says("nolang", `state     UNKNOWN .*`, `output    cannot run .*: its interpreter /opt/no/such/lang is not on this box.*`)
	b.says("nowhere", `state     UNKNOWN .*`, `output    plugin check_nowhere not found in .*`)
	first, second := "slow-1", "slow-2"
	b.eventually("one of two that may not run at once runs", func() bool {
		if strings.Contains(b.why(second), "it runs, for") {
			first, second = second, first
		}
		return strings.Contains(b.why(first), "it runs, for")
	})
	b.says(second, `state     it has not run yet`, `now       it is due, and waits: .*limit\.runs\.NAME.*`)
	b.says("disk", `check     disk \(builtin:disk\), the defaults`, `state     .*`)
	b.says("uptime", `check     uptime does not run on this box`, `reason    default check uptime: left out, the box file says never = uptime`)
	b.says("load", `check     load does not run on this box`, `reason    it is one of the defaults, and revision 6 turns it off .*`)
	b.says("other", `check     other does not run on this box`, `reason    revision 6, .* has no check of that name: .*`)

	// What is there by now is told from what the last run found.
	plugin("check_nowhere", "#!/bin/sh\n")
	if err := os.Chmod(filepath.Join(b.layout.Root, "plugins", "check_nowhere"), 0o644); err != nil {
		t.Fatal(err)
	}
	b.says("nowhere", `output    plugin check_nowhere not found in .*`, `plugin    plugin .*/check_nowhere is not executable: chmod .*`)

	// A revision that the box rejects: of a check that it is about, of one that it has too, of one that it has not.
	b.hub.mu.Lock()
	b.hub.wrong = 7
	b.hub.mu.Unlock()
	b.hub.push(&wire.Desired{Revision: 7, Checks: []*wire.Check{soft, each("bad-plugin", "check_bad")}})
	refusal := `rejected  revision 7: check bad-plugin: the box file says never = bad-plugin: .*`
	b.says("bad-plugin", `check     bad-plugin does not run on this box`, refusal, `rejected  revision 7 was rejected as a whole, and revision 6 has no check of that name`)
	b.says("soft", `check     soft .*, revision 6`, refusal, `rejected  revision 7 was rejected as a whole, so it runs as it did`)
	b.says("often", refusal, `rejected  revision 7 was rejected as a whole, and has no check of this name`)
	c.kill()

	out, err := exec.Command(coreFile, "why", "--root", b.layout.Root, "soft").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "hint: ") {
		t.Errorf("of a core that is dead: %v\n%s", err, out)
	}
}
