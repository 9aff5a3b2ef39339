package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/core/internal/buffer"
	"github.com/limpet-monitoring/limpet/core/wire"
)

// A rejected core's log reaches the hub once, its end is what counts, and a new rejection of the same core is told again.
func TestRejectedCoresLogIsToldOnce(t *testing.T) {
	dir := t.TempDir()
	b, err := buffer.Open(buffer.Options{Dir: filepath.Join(dir, "buffer")})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	a := &agent{buffer: b}
	path := filepath.Join(dir, "ab12.log")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := a.tellOne(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(strings.Repeat("old line\n", 5000) + "panic: out of luck\xff\n")
	write("panic: again\n")
	events := eventsOf(t, b)
	if len(events) != 2 {
		t.Fatalf("%d events, want 2", len(events))
	}
	e := events[0]
	if e.GetKind() != "core-rejected" || e.GetAttributes()["hash"] != "ab12" || !strings.HasPrefix(e.GetText(), "old line\n") ||
		!strings.HasSuffix(e.GetText(), "panic: out of luck?\n") || len(e.GetText()) > maxRejectedLog {
		t.Errorf("told %d bytes: %.60q", len(e.GetText()), e.GetText())
	}
	if events[1].GetText() != "panic: again\n" {
		t.Errorf("told %q", events[1].GetText())
	}
}

func eventsOf(t *testing.T, b *buffer.Buffer) (all []*wire.Event) {
	t.Helper()
	if _, err := b.Resume(b.Live(), 0, 0); err != nil {
		t.Fatal(err)
	}
	batch, err := b.Next(b.Live(), 512<<10)
	if err != nil || batch == nil {
		t.Fatal(batch, err)
	}
	records, err := wire.Unpack(batch)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		i, err := r.Item()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, wire.Clone(i.GetEvent()))
	}
	return all
}
