package buffer

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/core/wire"
)

func TestShowReadsALiveBufferAndChangesNothing(t *testing.T) {
	dir := t.TempDir()
	b, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for i := range 5 {
		item := &wire.Item{Kind: &wire.Item_Result{Result: &wire.Result{Check: "web", Text: "fine <&>", State: wire.State(i % 4)}}}
		if err := b.Append(item); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Ack(b.Live(), 2); err != nil {
		t.Fatal(err)
	}
	before := contents(t, dir)
	var text, asJSON bytes.Buffer
	if err := Show(dir, &text, ShowOptions{Records: true}); err != nil {
		t.Fatal(err)
	}
	if err := Show(dir, &asJSON, ShowOptions{Records: true, JSON: true}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"held by a core: 5 records in 1 files", "3 wait for the hub", "CRITICAL fine <&>", "1 generations, 5 records"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
	if n := strings.Count(asJSON.String(), `"kind":"result"`); n != 5 || !strings.Contains(asJSON.String(), `"acked":2,"waiting":3,"cursor":"ok"`) {
		t.Errorf("%d results in\n%s", n, asJSON.String())
	}
	if after := contents(t, dir); after != before {
		t.Error("it changed the buffer")
	}
	if err := b.Append(&wire.Item{Kind: &wire.Item_Event{Event: &wire.Event{Kind: "x"}}}); err != nil {
		t.Error("the buffer does not go on:", err)
	}
}

func TestShowSaysWhatIsDamaged(t *testing.T) {
	dir := t.TempDir()
	b, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := b.Append(&wire.Item{Kind: &wire.Item_Event{Event: &wire.Event{Kind: "x", Text: "some text"}}}); err != nil {
			t.Fatal(err)
		}
	}
	b.Close()
	files, _ := filepath.Glob(filepath.Join(dir, "*", "*.seg"))
	if len(files) != 1 {
		t.Fatal(files)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	data[segmentHeader+recordHeader+3] ^= 1
	if err := os.WriteFile(files[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(files[0]), cursorName), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "not ours"), 0o700); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := Show(dir, &out, ShowOptions{}); err != nil {
		t.Fatal(err)
	}
	if s := out.String(); !strings.Contains(s, "closed: 2 records in 1 files") || !strings.Contains(s, "some of it does not read") || !strings.Contains(s, "cursor damaged") {
		t.Error(s)
	}
}

func contents(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		all.WriteString(path + "\n" + string(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}
