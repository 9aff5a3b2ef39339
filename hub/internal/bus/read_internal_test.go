package bus

import (
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
		"all are there":                  {taken{"c", 5}, 5, 0, 0},
		"two are on their way":           {taken{"c", 5}, 7, 1, 3},
		"another consumer begins anew":   {taken{"before", 5}, 2, 1, 3},
		"one came after it was asked of": {taken{"c", 6}, 5, 0, 0},
	} {
		info := &jetstream.ConsumerInfo{Name: "c", NumPending: c.pending, Delivered: jetstream.SequenceInfo{Consumer: c.handed}}
		if got := c.got.behind(info); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
