package agent

import (
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/wire"
)

const (
	maxRejectedLog = 16 << 10 // bytes of its end that are sent: what a core said last says why it was rejected
	maxRejected    = 32       // logs that are looked at; the stub keeps fewer
	toldSuffix     = ".told"  // beside a log: the checksum of what was sent of it
)

// tellRejected sends the hub, once each, the logs that the stub kept of cores it rejected.
func (a *agent) tellRejected(ctx context.Context) error {
	dir := filepath.Dir(a.o.Layout.Rejected(""))
	for {
		select {
		case <-a.rejects:
		case <-ctx.Done():
			return nil
		}
		logs, _ := filepath.Glob(filepath.Join(dir, "*.log")) // its only error is a bad pattern
		for _, path := range logs[:min(len(logs), maxRejected)] {
			if err := a.tellOne(path); err != nil {
				a.log.Warn("log of a rejected core not sent", "file", path, "err", err)
			}
		}
	}
}

// tellOne keeps the event in the buffer before it notes that it did: the hub may hear of it twice, and does of each.
func (a *agent) tellOne(path string) error {
	tail, at, err := readTail(path)
	if err != nil {
		return err
	}
	hash := strings.TrimSuffix(filepath.Base(path), ".log")
	sum := fmt.Sprintf("%08x\n", crc32.ChecksumIEEE([]byte(tail)))
	if told, err := os.ReadFile(path + toldSuffix); err == nil && string(told) == sum {
		return nil
	}
	event := &wire.Event{Kind: "core-rejected", Text: tail, AtNs: at.UnixNano(), Attributes: map[string]string{"hash": hash}}
	if err := a.buffer.Append(&wire.Item{Kind: &wire.Item_Event{Event: event}}); err != nil {
		return err
	}
	return os.WriteFile(path+toldSuffix, []byte(sum), 0o600)
}

// readTail is the end of a log, from the beginning of a line on, and when it was written.
func readTail(path string) (tail string, at time.Time, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", at, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", at, err
	}
	from := max(0, info.Size()-maxRejectedLog)
	data, err := io.ReadAll(io.NewSectionReader(f, from, maxRejectedLog))
	if err != nil {
		return "", at, err
	}
	tail = strings.ToValidUTF8(string(data), "?")
	if _, rest, cut := strings.Cut(tail, "\n"); cut && from > 0 {
		tail = rest
	}
	return tail, info.ModTime(), nil
}
