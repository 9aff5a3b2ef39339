package journal

import (
	"testing"

	"github.com/limpet-monitoring/limpet/hub/internal/bus"
)

// FuzzRead: an entry that is read can be written and read again, and is the same.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"at":"2030-05-01T12:00:00.000Z","kind":"came","agent":"ab","text":"x"}`))
	f.Add([]byte(`{"at":"","attributes":{"a":"b"}}`))
	f.Add([]byte(`{"at":"9999-12-31T23:59:59+23:59"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := Read(bus.Message{Seq: 7, Data: data})
		if err != nil || e.At.IsZero() || len(e.Text) > maxText {
			return
		}
		text, err := encode(e)
		if err != nil {
			t.Fatalf("%+v is not written: %v", e, err)
		}
		again, err := Read(bus.Message{Seq: 7, Data: text})
		if err != nil || !again.At.Equal(e.At.Time) || again.Kind != e.Kind || again.ID != e.ID {
			t.Fatalf("%+v became %+v, %v", e, again, err)
		}
	})
}
