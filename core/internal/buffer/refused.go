package buffer

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// The count of appends that failed, in the file of a generation's cursor (docs/buffer-format.md).
const (
	refusedMagic = "REF1"
	refusedAt    = 2 * cursorSpacing // in a sector of its own, and in the block that the cursor has
	refusedCause = 128               // bytes of the cause; a longer one is cut
	refusedSlot  = 24 + refusedCause + 4
)

// lostAppends are those that failed and were not told to the hub yet.
type lostAppends struct {
	count uint64
	since time.Time
	cause string // of the last one
}

// with is both together; of the causes that of o, where it has one.
func (l lostAppends) with(o lostAppends) lostAppends {
	switch {
	case o.count == 0:
		return l
	case l.count == 0:
		return o
	}
	l.count += o.count
	if o.since.Before(l.since) {
		l.since = o.since
	}
	l.cause = or(o.cause, l.cause)
	return l
}

func (l lostAppends) bytes() []byte {
	cause := strings.ToValidUTF8(l.cause[:min(len(l.cause), refusedCause)], "")
	b := append(make([]byte, 0, refusedSlot), refusedMagic...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(cause)))
	b = binary.LittleEndian.AppendUint64(b, l.count)
	b = binary.LittleEndian.AppendUint64(b, uint64(l.since.UnixMilli()))
	b = append(append(b, cause...), make([]byte, refusedCause-len(cause))...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// parseRefused reads the count out of a cursor's file; the zero value where there is none, or it does not hold.
func parseRefused(b []byte) lostAppends {
	if len(b) < refusedAt+refusedSlot {
		return lostAppends{}
	}
	b = b[refusedAt : refusedAt+refusedSlot]
	n := binary.LittleEndian.Uint32(b[4:])
	if string(b[:4]) != refusedMagic || n > refusedCause || binary.LittleEndian.Uint32(b[refusedSlot-4:]) != crc32.Checksum(b[:refusedSlot-4], castagnoli) {
		return lostAppends{}
	}
	l := lostAppends{
		count: binary.LittleEndian.Uint64(b[8:]),
		since: time.UnixMilli(int64(binary.LittleEndian.Uint64(b[16:]))),
		cause: string(b[24 : 24+n]),
	}
	if l.count == 0 {
		return lostAppends{}
	}
	return l
}

// keepLost writes the count into the generation's cursor file, not synced: it outlives a core that is killed.
func (g *generation) keepLost(d fsys.FS, l lostAppends) error {
	f, err := d.Open(filepath.Join(g.dir, cursorName), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err = f.WriteAt(l.bytes(), refusedAt); err == nil {
		g.lost = l
	}
	return err
}

// refuse counts an append that failed.
func (k *keeper) refuse(err error) {
	k.stats.Refused++
	k.stats.LastError = err.Error()
	k.lose(lostAppends{1, k.o.Now(), err.Error()})
}

func (k *keeper) lose(l lostAppends) {
	k.lost, k.recount = k.lost.with(l), true
}

// inherit takes over what a core that has ended could not tell.
func (k *keeper) inherit(g *generation) {
	if g.lost.count > 0 && !k.strange(g) {
		k.lose(g.lost)
	}
}

// keepLost brings the count on disk up to date, in one generation's file: there first, then the others forget it, so that a kill between the two has the hub hear of
// some twice rather than never. Where no generation has a file, or the file system writes nothing in place, it stays in memory.
func (k *keeper) keepLost() {
	if !k.recount {
		return
	}
	k.recount = false
	keeps := k.keepsLost()
	if keeps == nil || keeps.lost != k.lost && keeps.keepLost(k.disk, k.lost) != nil {
		return
	}
	for _, g := range k.generations {
		if g != keeps && g.lost.count > 0 {
			_ = g.keepLost(k.disk, lostAppends{}) // else it is told once more
		}
	}
	k.scheduleSweep()
}

// keepsLost is the newest generation with a file in which a count can stand; nil = none.
func (k *keeper) keepsLost() (newest *generation) {
	for _, g := range k.generations {
		if g.made && !k.strange(g) && (k.o.Lock == nil || g.lock != nil) {
			newest = g
		}
	}
	return newest
}

// tellLost states appends that failed, now that one worked again.
func (k *keeper) tellLost() {
	if k.lost.count == 0 {
		return
	}
	told := k.lost
	k.lost, k.recount = lostAppends{}, true // the disk forgets it once the event is written: a kill between the two tells it twice
	k.stats.LastError = ""
	event := &wire.Event{
		Kind: "buffer-refused",
		Text: fmt.Sprintf("%d results could not be kept since %s: %s", told.count, told.since.UTC().Format(time.RFC3339), told.cause),
		AtNs: k.o.Now().UnixNano(),
	}
	k.state(&wire.Item{Kind: &wire.Item_Event{Event: event}}, func(err error) {
		if err != nil {
			k.lose(told)
			k.lost.count-- // the event was counted itself
		}
	})
}
