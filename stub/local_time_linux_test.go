package main

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
)

// A command waits three seconds for its request to be taken, `look --wait` ten minutes for look and download.
func TestHowLongACommandWaits(t *testing.T) {
	const before, after = "this box runs the newest release of channel stable\n", "updates of this box are held\n"
	for _, tt := range []struct {
		line  string
		after time.Duration
		want  string
	}{
		{"hold", 2 * time.Second, after},
		{"hold", 4 * time.Second, before},
		{"look", 4 * time.Second, before},
		{"look --wait", 4 * time.Second, after},
		{"look --wait", 11 * time.Minute, before},
	} {
		b := emptyBox(t)
		lock, err := platforms.Take(b.StubLock())
		b.must(err)
		b.must(view{state: running, looks: 4, channel: "stable", looked: 5}.save(b.RunStub()))
		synctest.Test(t, func(t *testing.T) {
			taken := make(chan []string, 1)
			time.AfterFunc(time.Second, func() { taken <- b.requested() })
			time.AfterFunc(tt.after, func() {
				_ = view{state: running, looks: 5, looked: 6, word: "held", text: strings.TrimSpace(after)}.save(b.RunStub())
			})
			var out bytes.Buffer
			words := strings.Fields(tt.line)
			if err := local(b.Layout, call{name: words[0], args: words[1:]}, &out); err != nil || out.String() != tt.want {
				t.Errorf("%s, answered after %v: %q, %v", tt.line, tt.after, out.String(), err)
			}
			if asked := <-taken; len(asked) != 1 || asked[0] != words[0]+"\n" {
				t.Errorf("%s asks for %q", tt.line, asked)
			}
		})
		lock.Release()
	}
}

// A request that cannot be left is no success, and neither is an answer that nobody takes.
func TestLocalCommandsThatFail(t *testing.T) {
	b := emptyBox(t)
	hold := call{name: "hold"}
	for name, err := range map[string]error{
		"hold":    local(b.Layout, hold, closed{}),
		"why":     why(b.Layout, closed{}),
		"history": history(b.Layout, closed{}),
	} {
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s, not running: %v", name, err)
		}
	}
	lock, err := platforms.Take(b.StubLock())
	b.must(err)
	defer lock.Release()
	b.must(appendHistory(b.History(), "one\n"))
	if err := history(b.Layout, closed{}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("history: %v", err)
	}
	synctest.Test(t, func(t *testing.T) {
		if err := local(b.Layout, hold, closed{}); !errors.Is(err, os.ErrClosed) {
			t.Errorf("hold: %v", err)
		}
	})
	b.must(os.RemoveAll(b.Request()))
	var out bytes.Buffer
	if err := local(b.Layout, hold, &out); !errors.Is(err, os.ErrNotExist) || out.Len() != 0 {
		t.Errorf("without a folder for requests: %v, %q", err, out.String())
	}
}
