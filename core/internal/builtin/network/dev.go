package network

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/limpet-monitoring/limpet/core/internal/builtin/procfs"
)

// columns are how many numbers a line of /proc/net/dev has: 8 received, 8 sent.
const columns = 16

// parseDev reads those interfaces of /proc/net/dev that are wanted: two lines of headings, then "NAME: 16 NUMBERS", the
// first number sometimes right behind the colon.
func parseDev(text []byte, wants func(string) bool) ([]counters, error) {
	_, text = procfs.Line(text)
	head, text := procfs.Line(text)
	if bytes.Count(head, []byte("|")) != 2 {
		return nil, errors.New("read net/dev: its heading is not the known one")
	}
	list := []counters{} // never nil: nil means "no sample"
	for lines := 0; len(text) > 0; lines++ {
		if lines == maxRead {
			return nil, fmt.Errorf("read net/dev: it has more than %d interfaces", maxRead)
		}
		var line []byte
		line, text = procfs.Line(text)
		colon := bytes.LastIndexByte(line, ':')
		if colon < 0 {
			continue
		}
		raw, _ := procfs.Field(line[:colon])
		name := strings.ToValidUTF8(string(raw), "?")
		if name == "" || !wants(name) {
			continue
		}
		var n [columns]uint64
		rest := line[colon+1:]
		for i := range n {
			var field []byte
			var ok bool
			field, rest = procfs.Field(rest)
			if n[i], ok = procfs.Uint(field); !ok {
				return nil, fmt.Errorf("read net/dev: the line of %s has no %d numbers", name, columns)
			}
		}
		// receive: bytes packets errs drop fifo frame compressed multicast; transmit: bytes packets errs drop ...
		list = append(list, counters{name: name, rx: n[0], tx: n[8], errors: n[2] + n[10], drops: n[3] + n[11]})
	}
	return list, nil
}
