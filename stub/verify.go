package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// Bounds of what `limpet verify` reads and says.
const (
	maxChannels = 16   // of one platform in one store: a box follows one
	maxTargets  = 1024 // a channel lists a few dozen releases
)

// verify is the internal command that reads signed metadata: `verify --dir DIR --time SECONDS
// --platform GOOS-GOARCH`. It writes nothing but its verdict. See docs/stub-contract.md.
func verify(args []string, out io.Writer) error {
	dir, now, platform, err := verifyArgs(args)
	if err != nil {
		return err
	}
	set, channels, err := readMetadata(dir, platform)
	if err != nil {
		refused(out, err)
		return &fault{code: exitUntrusted}
	}
	var b strings.Builder
	describe(&b, set, channels, platform, now)
	_, err = io.WriteString(out, b.String())
	return err
}

func verifyArgs(args []string) (dir string, now time.Time, platform string, err error) {
	if len(args) != 6 || args[0] != "--dir" || args[2] != "--time" || args[4] != "--platform" {
		return "", now, "", misuse("verify is internal: --dir DIR --time SECONDS --platform GOOS-GOARCH")
	}
	seconds, err := strconv.ParseInt(args[3], 10, 64)
	if err != nil {
		return "", now, "", misuse("--time is not a number of seconds: " + args[3])
	}
	return args[1], time.Unix(seconds, 0), args[5], nil
}

// readMetadata verifies the stored metadata in dir, and says which channels it holds for a platform.
func readMetadata(dir, platform string) (*tuf.Set, []string, error) {
	disk := fsys.Disk{}
	names, err := disk.ReadDir(dir)
	if err != nil {
		return nil, nil, err
	}
	stored, channels, want := tuf.Stored{}, []string(nil), []string(nil)
	for _, name := range names {
		limit := limitOf(name)
		if channel, ok := strings.CutSuffix(name, "-"+platform+".json"); ok && len(channels) < maxChannels {
			channels, want = append(channels, channel), append(want, tuf.CoreDir(channel, platform))
			limit = tuf.MaxTargets
		}
		if limit == 0 {
			continue
		}
		data, err := fsys.Read(disk, filepath.Join(dir, name), limit)
		if err != nil {
			return nil, nil, err
		}
		stored[name] = data
	}
	set, err := tuf.Offline(stored, want...)
	return set, channels, err
}

// limitOf is the most that is read of a top-level metadata file, 0 for any other.
func limitOf(name string) int64 {
	switch name {
	case "root.json":
		return tuf.MaxRoot
	case "timestamp.json":
		return tuf.MaxTimestamp
	case "snapshot.json":
		return tuf.MaxSnapshot
	case "targets.json":
		return tuf.MaxTargets
	}
	return 0
}

func describe(b *strings.Builder, set *tuf.Set, channels []string, platform string, now time.Time) {
	floor, left := uint64(0), maxTargets
	for _, channel := range channels {
		cores, skipped := set.Cores(channel, platform)
		for _, c := range cores {
			floor = max(floor, c.Floor)
			if c.Contract <= contract && left > 0 {
				left--
				fmt.Fprintf(b, "target %s %d %d %s %s\n", hex.EncodeToString(c.SHA256[:]), c.Length, c.Counter, word(c.Version), word(channel))
			}
		}
		if len(skipped) > 0 {
			fmt.Fprintf(b, "warning skipped %d releases of %s are not understood: %s\n", len(skipped), word(channel), line(skipped[0].Error()))
		}
	}
	fmt.Fprintf(b, "floor %d\n", floor)
	if issued := set.Issued(); !issued.IsZero() {
		fmt.Fprintf(b, "issued %d\n", issued.Unix())
	}
	for _, w := range set.Warnings(now) {
		fmt.Fprintf(b, "warning %s %s\n", kindOf(w), line(w.String()))
	}
	if set.Development() {
		b.WriteString("development\n")
	}
	b.WriteString("verdict 1\n")
}

// kindOf is the word for a warning. Timestamp and snapshot are signed anew all the time: one that
// has expired means that nothing new comes through, or that this clock is ahead.
func kindOf(w tuf.Warning) string {
	often := w.Role == "timestamp" || w.Role == "snapshot"
	switch {
	case w.Expired && often:
		return "clock-or-freeze"
	case w.Expired:
		return "expired"
	case often:
		return "stale"
	}
	return "expires-soon"
}

func refused(out io.Writer, err error) {
	kind := "unreadable"
	if e := (*tuf.Error)(nil); errors.As(err, &e) {
		kind = strings.ReplaceAll(e.Kind.String(), " ", "-")
	} else if errors.Is(err, fs.ErrNotExist) {
		kind = "missing"
	}
	fmt.Fprintf(out, "refused %s %s\n", kind, line(err.Error()))
}

// word makes text one field of a line.
func word(s string) string { return strings.ReplaceAll(line(s), " ", "_") }

// line makes text fit the end of a line: no control characters, not longer than a person reads.
func line(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	const most = 300
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
