package bus

import (
	"strconv"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

// A message that the server has handed out and nobody has yet is still to come: a reader that took it for gone would miss it without a word.
func TestWhatIsOnItsWayIsStillToCome(t *testing.T) {
	for name, c := range map[string]struct {
		got     taken
		handed  uint64
		pending uint64
		want    uint64
	}{
		"nothing was handed out":         {taken{}, 0, 3, 3},
		"the first is on its way":        {taken{}, 1, 0, 1},
		"all are there":                  {taken{1, "c", 5}, 5, 0, 0},
		"two are on their way":           {taken{1, "c", 5}, 7, 1, 3},
		"another consumer begins anew":   {taken{1, "before", 5}, 2, 1, 3},
		"one came after it was asked of": {taken{1, "c", 6}, 5, 0, 0},
	} {
		info := &jetstream.ConsumerInfo{Name: "c", NumPending: c.pending, Delivered: jetstream.SequenceInfo{Consumer: c.handed}}
		if got := c.got.behind(info); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// The library drops a message where it holds as many as it may, which shows when the next one comes; the last one of all is asked for anew.
func TestAMessageThatTheLibraryDropsIsAskedForAnew(t *testing.T) {
	b, err := Open(t.Context(), Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	r, err := b.reader(t.Context(), Results, "results.a.*", Start{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	for i := range 4 {
		if _, err := b.Append(t.Context(), "results.a.1", strconv.AppendInt(nil, int64(i), 10)); err != nil {
			t.Fatal(err)
		}
	}
	for want := uint64(1); want <= 4; want++ {
		if want == 3 {
			for range 2 { // as if they had never come
				if _, err := r.messages.Next(); err != nil {
					t.Fatal(err)
				}
			}
		}
		var m Message
		for m.Seq == 0 {
			if m, _, err = r.next(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if m.Seq != want {
			t.Errorf("%d in the place of %d", m.Seq, want)
		}
	}
}
