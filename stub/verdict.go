package main

import (
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/plain"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

// verdict is what the verifier found in the stored metadata.
type verdict struct {
	cores       []signed
	floor       uint64
	issued      int64 // Unix seconds, 0 = unknown
	warnings    []warning
	development bool
	refused     string // why nothing was verified, "" when it was
	unconfined  string // what this system could not take away from our children, "" for nothing
	changes     []change
}

// signed is one core that the publisher lists for this platform.
type signed struct {
	boot.Core
	version, channel string
	soak             uint16 // seconds
	open             int    // percent of the fleet
	most             int    // percent it is ever open to, as its waves stand
	held             bool   // by the mirror
}

// change is one step of taking over what limpet-fetch brought: keep a file of part/meta under a name in
// trust/core, or drop a name.
type change struct {
	name, from string
	hash       [32]byte
	length     int64
	drop       bool
}

// warning is something that a person should look after and that stops nothing.
type warning struct{ word, text string }

const (
	maxVerdict  = 256 << 10 // bytes: 1,024 targets and the warnings
	verifyTime  = 20 * time.Second
	maxWarnings = 32
	maxChanges  = 64
	defaultSoak = 300 // seconds
)

// parseVerdict reads what `limpet verify` printed. Lines it does not know are passed over; without
// the last one nothing counts. What stays keeps nothing of the text alive, which may be long.
func parseVerdict(text string) verdict {
	var v verdict
	whole := false
	for _, l := range strings.Split(text, "\n") {
		kind, rest, _ := strings.Cut(l, " ")
		switch kind {
		case "target":
			if c, ok := parseTarget(strings.Fields(rest)); ok {
				v.cores = append(v.cores, c)
			}
		case "keep", "drop":
			if c, ok := parseChange(kind, strings.Fields(rest)); ok && len(v.changes) < maxChanges {
				v.changes = append(v.changes, c)
			}
		case "floor":
			v.floor, _ = strconv.ParseUint(rest, 10, 64)
		case "issued":
			issued, _ := strconv.ParseUint(rest, 10, 63)
			v.issued = int64(issued)
		case "warning":
			if word, text, _ := strings.Cut(rest, " "); len(v.warnings) < maxWarnings {
				v.warnings = append(v.warnings, warning{strings.Clone(word), strings.Clone(text)})
			}
		case "development":
			v.development = true
		case "unconfined":
			v.unconfined = rest
		case "refused":
			return verdict{refused: rest, changes: v.changes, unconfined: v.unconfined}
		case "verdict":
			whole = rest == "1"
		}
	}
	if !whole {
		return verdict{refused: "unreadable the verifier did not finish"}
	}
	return v
}

func parseTarget(f []string) (signed, bool) {
	if len(f) < 5 {
		return signed{}, false
	}
	hash, ok := plain.Hash(f[0])
	length, err1 := strconv.ParseUint(f[1], 10, 63)
	counter, err2 := strconv.ParseUint(f[2], 10, 63)
	if !ok || errors.Join(err1, err2) != nil || length == 0 || counter == 0 {
		return signed{}, false
	}
	c := signed{Core: boot.Core{Counter: counter, Length: int64(length), Hash: hash}, version: strings.Clone(f[3]), channel: strings.Clone(f[4]), soak: defaultSoak, open: 100, most: 100}
	if len(f) >= 8 {
		soak, err1 := strconv.ParseUint(f[5], 10, 16)
		open, err2 := strconv.ParseUint(f[6], 10, 7)
		if errors.Join(err1, err2) != nil {
			return signed{}, false
		}
		c.soak, c.open, c.held = uint16(soak), int(open), f[7] == "1"
	}
	if len(f) >= 9 {
		most, err := strconv.ParseUint(f[8], 10, 7)
		if err != nil {
			return signed{}, false
		}
		c.most = int(most)
	}
	return c, true
}

// parseChange takes names only that stay in their folders.
func parseChange(kind string, f []string) (change, bool) {
	if len(f) == 0 || !plainName(f[0]) || !strings.HasSuffix(f[0], ".json") {
		return change{}, false
	}
	if kind == "drop" {
		return change{name: f[0], drop: true}, true
	}
	if len(f) < 4 || !plainName(f[1]) {
		return change{}, false
	}
	hash, ok := plain.Hash(f[2])
	length, err := strconv.ParseUint(f[3], 10, 32)
	if !ok || err != nil {
		return change{}, false
	}
	return change{name: f[0], from: f[1], hash: hash, length: int64(length)}, true
}

// plainName reports whether one field of a line names something that lies in its folder.
func plainName(s string) bool {
	return !strings.HasPrefix(s, ".") && !strings.ContainsAny(s, "/\\:")
}

// verify has a short-lived child, this very program, read the stored metadata, and waits for its verdict; more are
// arguments for a look at what limpet-fetch brought.
func (e errand) verify(more ...string) verdict {
	out, in, err := os.Pipe()
	if err != nil {
		return verdict{refused: "unreadable " + err.Error()}
	}
	child, err := e.family.Start(platforms.Spec{
		Path: self(),
		Args: append([]string{"limpet", "verify", "--dir", e.layout.TrustCore(),
			"--time", strconv.FormatInt(e.now.Unix(), 10), "--platform", platform}, more...),
		Dir:      string(os.PathSeparator),
		Files:    [3]*os.File{1: in},
		Confined: true,
		User:     e.user,
	})
	in.Close()
	if err != nil {
		out.Close()
		return verdict{refused: "unreadable " + err.Error()}
	}
	return readVerdict(child, out)
}

func readVerdict(child *platforms.Child, out *os.File) verdict {
	defer out.Close()
	overdue := time.AfterFunc(verifyTime, child.Kill)
	text, err := io.ReadAll(io.LimitReader(out, maxVerdict+1))
	if err != nil || len(text) > maxVerdict {
		child.Kill()
		text = nil
	}
	_, _ = child.Wait() // the last line says whether it got to its end
	overdue.Stop()
	return parseVerdict(string(text))
}

// self is this very program, even when its file was replaced meanwhile.
func self() string {
	const running = "/proc/self/exe"
	if _, err := os.Stat(running); err == nil {
		return running
	}
	path, _ := os.Executable() // "" cannot be started, and that is said
	return path
}
