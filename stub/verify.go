package main

import (
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/limpet-monitoring/limpet/platforms/confine"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/plain"
	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// Bounds of what `limpet verify` reads and says.
const (
	maxChannels = 16   // of one platform in one store: a box follows one
	maxTargets  = 1024 // a channel lists a few dozen releases
)

// question is the command line of `limpet verify`.
type question struct {
	dir, platform string
	now           time.Time
	from, channel string // from is "" where only what is stored is looked at
}

// verify is the internal command that reads signed metadata: `verify --dir DIR --time SECONDS
// --platform GOOS-GOARCH`, and with `--from DIR --channel NAME` what limpet-fetch brought. It writes
// nothing but its verdict. See docs/stub-contract.md.
func verify(args []string, out io.Writer) error {
	q, err := parseQuestion(args)
	if err != nil {
		return err
	}
	stored, channels, err := readMetadata(q.dir, q.platform)
	if err != nil {
		refused(out, err)
		return &fault{code: exitUntrusted}
	}
	var b strings.Builder
	set, held := (*tuf.Set)(nil), []string(nil)
	if q.from == "" {
		var want []string
		for _, c := range channels {
			want = append(want, tuf.CoreDir(c, q.platform))
		}
		set, err = tuf.Offline(stored, want...)
	} else {
		channels = []string{q.channel}
		set, err = q.refresh(&b, stored)
		held = readHold(q.from)
	}
	if err != nil {
		_, _ = io.WriteString(out, b.String())
		refused(out, err)
		return &fault{code: exitUntrusted}
	}
	describe(&b, set, channels, held, q.platform, q.now)
	_, err = io.WriteString(out, b.String())
	return err
}

// confineVerifier takes all rights away from a process that is to read signed metadata, but for reading
// that. It is for main alone: it cannot be undone.
func confineVerifier(args []string, out io.Writer) {
	if len(args) == 0 || args[0] != "verify" {
		return
	}
	q, err := parseQuestion(args[1:])
	if err != nil {
		return // verify says so
	}
	if err := confine.Enter(confine.Rules{Read: []string{q.dir, q.from}}); err != nil {
		_, _ = io.WriteString(out, "unconfined "+line(err.Error())+"\n")
	}
}

func parseQuestion(args []string) (question, error) {
	wrong := misuse("verify is internal: --dir DIR --time SECONDS --platform GOOS-GOARCH [--from DIR --channel NAME]")
	if len(args) != 6 && len(args) != 10 || args[0] != "--dir" || args[2] != "--time" || args[4] != "--platform" {
		return question{}, wrong
	}
	seconds, err := strconv.ParseInt(args[3], 10, 64)
	if err != nil {
		return question{}, misuse("--time is not a number of seconds: " + args[3])
	}
	q := question{dir: args[1], now: time.Unix(seconds, 0), platform: args[5]}
	if len(args) == 10 {
		if args[6] != "--from" || args[8] != "--channel" {
			return question{}, wrong
		}
		q.from, q.channel = args[7], args[9]
	}
	return q, nil
}

// readMetadata reads the stored metadata in dir, and says which channels it holds for a platform.
func readMetadata(dir, platform string) (tuf.Stored, []string, error) {
	disk := fsys.Disk{}
	names, err := disk.ReadDir(dir)
	if err != nil {
		return nil, nil, err
	}
	stored, channels := tuf.Stored{}, []string(nil)
	for _, name := range names {
		limit := limitOf(name)
		if channel, ok := strings.CutSuffix(name, "-"+platform+".json"); ok && len(channels) < maxChannels {
			channels = append(channels, channel)
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
	return stored, channels, nil
}

// refresh runs the client workflow on what limpet-fetch brought, against what is stored, and says which
// of its files are to be kept, in their order: also those that were verified before one was refused.
func (q question) refresh(b *strings.Builder, stored tuf.Stored) (*tuf.Set, error) {
	read := map[[32]byte]string{}
	source := func(name string, max int64) ([]byte, error) {
		data, err := fsys.Read(fsys.Disk{}, filepath.Join(q.from, filepath.Base(name)), max)
		if err == nil {
			read[sha256.Sum256(data)] = filepath.Base(name)
		}
		return data, err
	}
	set, after, err := tuf.Refresh(stored, source, q.now, tuf.CoreDir(q.channel, q.platform))
	for _, c := range tuf.Changes(stored, after) {
		if c.Data == nil {
			say(b, "drop", c.Name)
			continue
		}
		sum := sha256.Sum256(c.Data)
		say(b, "keep", c.Name, read[sum], plain.Hex(sum[:]), strconv.Itoa(len(c.Data)))
	}
	return set, err
}

// maxHold is the most that is read of a mirror's hold file, in bytes.
const maxHold = 64 << 10

// readHold reads the versions and hashes that a mirror holds back. Nobody signs them: they can only
// keep a box from updating, as the mirror could anyhow by serving nothing new.
func readHold(dir string) []string {
	data, err := fsys.Read(fsys.Disk{}, filepath.Join(dir, "hold"), maxHold)
	if err != nil {
		return nil
	}
	return strings.Fields(string(data))
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

func describe(b *strings.Builder, set *tuf.Set, channels, held []string, platform string, now time.Time) {
	floor, left := uint64(0), maxTargets
	for _, channel := range channels {
		cores, skipped := set.Cores(channel, platform)
		for _, c := range cores {
			floor = max(floor, c.Floor)
			if c.Contract <= contract && left > 0 {
				left--
				hash, hold := plain.Hex(c.SHA256[:]), "0"
				if slices.Contains(held, hash) || slices.Contains(held, c.Version) {
					hold = "1"
				}
				say(b, "target", hash, strconv.FormatInt(c.Length, 10), strconv.FormatUint(c.Counter, 10), word(c.Version), word(channel),
					strconv.Itoa(int(c.Soak/time.Second)), strconv.Itoa(tuf.Open(c.Waves, now)), hold, strconv.Itoa(tuf.Most(c.Waves)))
			}
		}
		if len(skipped) > 0 {
			say(b, "warning skipped", strconv.Itoa(len(skipped)), "releases of", word(channel), "are not understood:", line(skipped[0].Error()))
		}
	}
	say(b, "floor", strconv.FormatUint(floor, 10))
	if issued := set.Issued(); !issued.IsZero() {
		say(b, "issued", strconv.FormatInt(issued.Unix(), 10))
	}
	for _, w := range set.Warnings(now) {
		say(b, "warning", kindOf(w), line(w.String()))
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
	_, _ = io.WriteString(out, "refused "+kind+" "+line(err.Error())+"\n")
}

// say writes one line of words.
func say(b *strings.Builder, words ...string) { b.WriteString(strings.Join(words, " ") + "\n") }

// word makes text one field of a line.
func word(s string) string { return strings.ReplaceAll(line(s), " ", "_") }

// line makes text fit the end of a line: no control characters, not longer than a person reads.
func line(s string) string {
	const most = 300
	if len(s) <= most && plainText(s) {
		return s
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// plainText reports whether s is ASCII without control characters.
func plainText(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}
