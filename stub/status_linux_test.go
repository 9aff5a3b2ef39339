package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/boxfile"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

// The status needs neither stub nor core: it says what is there, and asks the core that is sound.
func TestStatusCommand(t *testing.T) {
	b := emptyBox(t)
	ask := func(args ...string) (string, int) {
		var out bytes.Buffer
		err := status(b.Layout, args, &out)
		code := 0
		if err != nil {
			code, _ = codeOf(err)
		}
		return out.String(), code
	}
	answered := func(args ...string) (out string, code int) { // with what the core says, for which it has three seconds
		b.until("the core answers", func() bool { out, code = ask(args...); return strings.Contains(out, "connected") })
		return out, code
	}
	if _, code := ask("--all"); code != exitUsage {
		t.Errorf("a word that it does not know: %d", code)
	}
	if out, code := ask(); code != exitNotRunning || !strings.Contains(out, "not running") || strings.Contains(out, "core") {
		t.Errorf("%d %q", code, out)
	}
	good := b.place(7, coreBytes(t, ""))
	b.saved(boot.Record{Good: good, Factory: good})
	b.must(view{version: "1", state: running, core: coreView{pid: 9, version: "old", counter: 6, role: "good"}}.save(b.RunStub()))
	if out, code := answered(); code != exitNotRunning || !strings.HasPrefix(out, "limpet 1: not running") || !strings.Contains(out, "core old (release 6, good)\n") || !strings.Contains(out, "session: connected\n") {
		t.Errorf("%d %q", code, out) // what it was when it ran, and what the core says of what is on the disk
	}
	b.must(os.Remove(b.RunStub()))
	if out, _ := ask(); !strings.Contains(out, "(release 7, good)\n") {
		t.Errorf("of the record alone: %q", out)
	}
	lock, err := platforms.Take(b.StubLock())
	b.must(err)
	defer lock.Release()
	b.must(view{version: "1", state: running, core: coreView{pid: 9, version: "7", counter: 7, role: "good"}}.save(b.RunStub()))
	if out, code := answered(); code != 0 || !strings.Contains(out, "limpet 1: running") || !strings.Contains(out, "process 9") || strings.Contains(out, "does not answer") {
		t.Errorf("%d %q", code, out)
	}
	out, code := answered("--json")
	var got struct {
		Stub struct{ Running bool }
		Core struct{ Session string }
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 || !got.Stub.Running || got.Core.Session != "connected" {
		t.Errorf("%d %q, %v", code, out, err)
	}
	b.mode("status-fails")
	if out, _ := ask(); !strings.Contains(out, "the core does not answer\n") || strings.Contains(out, "half an answer") {
		t.Errorf("a core that fails: %q", out)
	}
	nowhere, err := platforms.At(filepath.Join(t.TempDir(), "nothing"))
	b.must(err)
	if code, text := codeOf(status(nowhere, nil, new(bytes.Buffer))); code != exitNotRunning || !strings.Contains(text, "there is no Limpet in ") {
		t.Errorf("%d %q", code, text)
	}
}

func TestFingerprintAndWishes(t *testing.T) {
	b := emptyBox(t)
	if got := fingerprint(b.Layout); got != "" {
		t.Errorf("of nothing: %q", got)
	}
	finger := strings.Repeat("ab", 32)
	for text, want := range map[string]string{finger + "\n": finger, "short\n": "", finger + finger: ""} {
		b.must(os.WriteFile(b.Finger(), []byte(text), 0o644))
		if got := fingerprint(b.Layout); got != want {
			t.Errorf("of %q: %q", text, got)
		}
	}
	w, byHub := wishes(boxfile.Box{Channel: "edge", Pin: "5"}, boot.Record{Owner: boot.Wish{PinSet: true, Pin: "2", ChannelSet: true, Channel: "beta"}, Hub: boot.Wish{PinSet: true, Pin: "3"}})
	if w.Channel != "edge" || w.Pin != "5" || byHub {
		t.Errorf("the box file is not above all: %+v %v", w, byHub)
	}
}
