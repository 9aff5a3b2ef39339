package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing"
	"github.com/limpet-monitoring/limpet/signing/repo"
	"github.com/limpet-monitoring/limpet/signing/tuf"
)

const onLinux = "linux-amd64"

// publisher has a repository and its one key, and a day on which all happens.
type publisher struct {
	t    *testing.T
	key  signing.Key
	repo *repo.Repo
	dir  string
	now  time.Time
}

func newPublisher(t *testing.T, development bool) *publisher {
	t.Helper()
	p := &publisher{t: t, dir: t.TempDir(), now: time.Date(2030, 5, 1, 12, 0, 0, 0, time.UTC)}
	var err error
	p.key, err = signing.Generate(development)
	p.must(err)
	p.repo, err = repo.Create(fsys.Disk{}, p.dir, func(string) (signing.Key, error) { return p.key, nil }, development)
	p.must(err)
	return p
}

func (p *publisher) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// lists adds a release; its core are the bytes of its version.
func (p *publisher) lists(r repo.Release) {
	p.t.Helper()
	_, err := p.repo.AddRelease(r, map[string][]byte{onLinux: []byte(r.Version)})
	p.must(err)
	_, err = p.repo.Commit(p.now)
	p.must(err)
}

// stored is a folder with the metadata as a box has it.
func (p *publisher) stored(channel string) string {
	p.t.Helper()
	_, after, err := tuf.Refresh(tuf.Stored{"root.json": p.repo.Root()}, p.repo.Read, p.now, tuf.CoreDir(channel, onLinux))
	p.must(err)
	dir := p.t.TempDir()
	for name, data := range after {
		p.must(os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	return dir
}

// brought is a folder with the metadata as limpet-fetch brings it.
func (p *publisher) brought() string {
	p.t.Helper()
	dir := p.t.TempDir()
	p.must(os.CopyFS(dir, os.DirFS(p.dir)))
	return dir
}

// relists signs, as version 1 of a box's stored role, other targets in the place of those that it has.
func (p *publisher) relists(dir string, targets map[string]any) {
	p.t.Helper()
	name := filepath.Join(dir, "stable-"+onLinux+".json")
	data, err := os.ReadFile(name)
	p.must(err)
	var doc struct {
		Signatures []map[string]string `json:"signatures"`
		Signed     map[string]any      `json:"signed"`
	}
	p.must(json.Unmarshal(data, &doc))
	doc.Signed["targets"], doc.Signed["version"] = targets, 1
	text, err := json.Marshal(doc.Signed) // without blanks and by name: canonical, as long as no character needs an escape
	p.must(err)
	sig, err := p.key.Sign(text)
	p.must(err)
	doc.Signatures[0]["sig"] = hex.EncodeToString(sig)
	data, err = json.Marshal(doc)
	p.must(err)
	p.must(os.WriteFile(name, data, 0o600))
}

// target is how a release is listed.
func target(version string, counter int) map[string]any {
	return map[string]any{
		"length": len(version), "hashes": map[string]any{"sha256": hashOf(version)},
		"custom": map[string]any{"version": version, "counter": counter, "floor": 0, "soak": 10, "contract": 1},
	}
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// asks runs the verifier on a folder; more are arguments for a look.
func (p *publisher) asks(dir string, more ...string) (said string, code int) {
	p.t.Helper()
	var out bytes.Buffer
	if err := verify(append([]string{"--dir", dir, "--time", strconv.FormatInt(p.now.Unix(), 10), "--platform", onLinux}, more...), &out); err != nil {
		code, _ = codeOf(err)
	}
	return out.String(), code
}

// What a look says, line by line: which files to keep and to drop, in their order, and what they list.
func TestALookLineByLine(t *testing.T) {
	p := newPublisher(t, true)
	p.lists(repo.Release{Channel: "stable", Version: "1.0.0", Counter: 1, Soak: 10 * time.Second, Contract: 1})
	dir := p.stored("stable")
	p.must(os.WriteFile(filepath.Join(dir, "old-"+onLinux+".json"), []byte("of a channel that was followed once"), 0o600))
	p.lists(repo.Release{Channel: "beta", Version: "7.0.0", Counter: 7, Floor: 7, Soak: 10 * time.Second, Contract: 1})
	p.lists(repo.Release{Channel: "stable", Version: "8.0.0", Counter: 8, Floor: 8, Soak: time.Minute, Contract: 1,
		Waves: []tuf.Wave{{From: p.now, Percent: 10}, {From: p.now.Add(time.Hour), Percent: 50}}})
	p.lists(repo.Release{Channel: "stable", Version: "9.0.0", Counter: 9, Floor: 9, Soak: time.Minute, Contract: 2}) // not for this stub
	from := p.brought()
	for _, held := range []string{"8.0.0", hashOf("8.0.0"), ""} {
		p.must(os.WriteFile(filepath.Join(from, "hold"), []byte("0.9.9 "+held+"\n"), 0o600))
		said, code := p.asks(dir, "--from", from, "--channel", "stable")
		want := ""
		for name, file := range map[string]string{"snapshot": "4.snapshot.json", "stable-" + onLinux: "3.stable-" + onLinux + ".json", "targets": "2.targets.json", "timestamp": "timestamp.json"} {
			data, err := os.ReadFile(filepath.Join(from, file))
			p.must(err)
			line := fmt.Sprintf("keep %s.json %s %s %d\n", name, file, hashOf(string(data)), len(data))
			if !strings.Contains(said, line) {
				t.Errorf("no %q", line)
			}
			want += line
		}
		keeps, rest, _ := strings.Cut(said, "drop ")
		if len(keeps) != len(want) || !strings.HasPrefix(keeps, "keep timestamp.json ") {
			t.Errorf("it keeps\n%s", keeps)
		}
		hold := map[bool]string{true: "1", false: "0"}[held != ""]
		if want := "old-" + onLinux + ".json\n" +
			"target " + hashOf("8.0.0") + " 5 8 8.0.0 stable 60 10 " + hold + " 50\n" +
			"target " + hashOf("1.0.0") + " 5 1 1.0.0 stable 10 100 0 100\n" +
			"floor 9\nissued " + strconv.FormatInt(p.now.Unix(), 10) + "\ndevelopment\nverdict 1\n"; rest != want || code != 0 {
			t.Errorf("%d %s\nwant\n%s", code, rest, want)
		}
		if v := parseVerdict(said); len(v.changes) != 5 || !v.changes[4].drop || v.cores[0].held != (held != "") {
			t.Errorf("understood as %+v", v)
		}
	}
	// What was verified before something was refused is kept: rollback protection stands on it.
	p.must(os.WriteFile(filepath.Join(from, "4.snapshot.json"), []byte("{}"), 0o600))
	said, code := p.asks(dir, "--from", from, "--channel", "stable")
	if v := parseVerdict(said); code != 6 || len(v.changes) != 1 || v.changes[0].name != "timestamp.json" || !strings.HasPrefix(v.refused, "mix-and-match snapshot: ") {
		t.Errorf("%d %s", code, said)
	}
	p.must(os.Remove(filepath.Join(from, "4.snapshot.json")))
	if said, code := p.asks(dir, "--from", from, "--channel", "stable"); code != 6 || !strings.Contains(said, "\nrefused missing snapshot: ") {
		t.Errorf("%d %s", code, said)
	}
}

// What is stored is described for each channel that is there; what is no metadata of this platform is not even opened.
func TestWhatIsStoredLineByLine(t *testing.T) {
	p := newPublisher(t, false)
	p.lists(repo.Release{Channel: "stable", Version: "1.0.0", Counter: 1, Soak: 10 * time.Second, Contract: 1})
	dir := p.stored("stable")
	p.must(os.Mkdir(filepath.Join(dir, "notes"), 0o700))
	p.must(os.WriteFile(filepath.Join(dir, "stable-freebsd-arm64.json"), []byte("not ours"), 0o600))
	said, code := p.asks(dir)
	if want := "target " + hashOf("1.0.0") + " 5 1 1.0.0 stable 10 100 0 100\nfloor 0\nissued " + strconv.FormatInt(p.now.Unix(), 10) + "\nverdict 1\n"; said != want || code != 0 {
		t.Errorf("%d %s\nwant\n%s", code, said, want)
	}
	p.now = p.now.AddDate(0, 0, 8)
	if said, _ := p.asks(dir); !strings.Contains(said, "\nwarning clock-or-freeze timestamp expired 2030-05-08T12:00:00Z\nwarning stale snapshot expires 2030-05-15T12:00:00Z\nverdict 1\n") {
		t.Errorf("eight days later: %s", said)
	}
	if err := verify([]string{"--dir", dir, "--time", "1", "--platform", onLinux}, closed{}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a verdict that nobody takes: %v", err)
	}
	p.must(os.WriteFile(filepath.Join(dir, "root.json"), make([]byte, tuf.MaxRoot+1), 0o600))
	if said, code := p.asks(dir); code != 6 || !strings.HasPrefix(said, "refused unreadable read "+dir) {
		t.Errorf("a root far too long: %d %s", code, said)
	}
}

type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, os.ErrClosed }

// At most 1,024 targets and 16 channels are looked at, the newest and the first; releases that are not understood are said once.
func TestBoundsOfAVerdict(t *testing.T) {
	p := newPublisher(t, true)
	for counter := uint64(1); counter <= 2; counter++ { // so that version 1 of the role is one that its successor has not replaced yet
		p.lists(repo.Release{Channel: "stable", Version: fmt.Sprintf("1.0.%d", counter), Counter: counter, Soak: 10 * time.Second, Contract: 1})
	}
	dir := p.stored("stable")
	targets := map[string]any{}
	for i := 1; i <= 1026; i++ {
		version := strconv.Itoa(i)
		targets[tuf.CorePath("stable", onLinux, version)] = target(version, i)
	}
	p.relists(dir, targets)
	said, code := p.asks(dir)
	if n := strings.Count(said, "target "); n != 1024 || code != 0 || !strings.HasPrefix(said, "target "+hashOf("1026")+" 4 1026 1026 stable") || !strings.Contains(said, "\ntarget "+hashOf("3")+" 1 3 3 stable 10 100 0 100\nfloor 0\n") {
		t.Errorf("%d targets of 1,026", n)
	}
	if len(said) > maxVerdict {
		t.Errorf("the stub reads %d of %d bytes", maxVerdict, len(said))
	}
	odd := target("5", 5)
	odd["custom"].(map[string]any)["soak"] = -1
	p.relists(dir, map[string]any{tuf.CorePath("stable", onLinux, "5"): odd, tuf.CorePath("stable", onLinux, "6"): target("7", 6), tuf.CorePath("stable", onLinux, "7"): target("7", 7)})
	said, _ = p.asks(dir)
	if strings.Count(said, "target ") != 1 || !strings.Contains(said, "\nwarning skipped 2 releases of stable are not understood: core/stable/linux-amd64/5/limpet-core: malformed: custom: ") {
		t.Errorf("%s", said)
	}

	many := t.TempDir()
	for i := range 20 {
		p.must(os.WriteFile(filepath.Join(many, fmt.Sprintf("c%02d-%s.json", i, onLinux)), make([]byte, tuf.MaxTargets), 0o600))
	}
	stored, channels, err := readMetadata(many, onLinux)
	if err != nil || len(channels) != 16 || len(stored) != 16 || channels[15] != "c15" || stored["c15-linux-amd64.json"] == nil {
		t.Errorf("%q, %d files, %v", channels, len(stored), err)
	}
	for size, want := range map[int]int{64 << 10: 1, 64<<10 + 1: 0} { // of a mirror's hold file
		p.must(os.WriteFile(filepath.Join(many, "hold"), bytes.Repeat([]byte("x"), size), 0o600))
		if got := readHold(many); len(got) != want {
			t.Errorf("of a hold file of %d bytes %d words are read", size, len(got))
		}
	}
}

func TestTheVerifiersQuestion(t *testing.T) {
	stored := []string{"--dir", "D", "--time", "1000", "--platform", "P"}
	look := append(stored, "--from", "F", "--channel", "C")
	want := question{dir: "D", platform: "P", now: time.Unix(1000, 0)}
	if q, err := parseQuestion(stored); err != nil || q != want {
		t.Errorf("%+v, %v", q, err)
	}
	want.from, want.channel = "F", "C"
	if q, err := parseQuestion(look); err != nil || q != want {
		t.Errorf("%+v, %v", q, err)
	}
	bad := [][]string{nil, stored[:5], look[:7], look[:8], look[:9], append(look, "x")}
	for i := 0; i < len(look); i += 2 {
		other := append([]string(nil), look...)
		other[i] = "--other"
		bad = append(bad, other)
		if i < len(stored) {
			bad = append(bad, other[:6])
		}
	}
	for _, time := range []string{"soon", "", "1e3", "0x10", "9223372036854775808"} {
		bad = append(bad, []string{"--dir", "D", "--time", time, "--platform", "P"})
	}
	for _, args := range bad {
		if q, err := parseQuestion(args); err == nil {
			t.Errorf("%q is %+v", args, q)
		} else if code, _ := codeOf(err); code != 2 {
			t.Errorf("%q: exit code %d", args, code)
		}
	}
}

// The words of section 6 of docs/stub-contract.md.
func TestWordsForWarnings(t *testing.T) {
	for role, words := range map[string]string{
		"root": "expires-soon expired", "targets": "expires-soon expired", "stable-" + onLinux: "expires-soon expired",
		"timestamp": "stale clock-or-freeze", "snapshot": "stale clock-or-freeze",
	} {
		got := kindOf(tuf.Warning{Expiry: tuf.Expiry{Role: role}}) + " " + kindOf(tuf.Warning{Expiry: tuf.Expiry{Role: role}, Expired: true})
		if got != words {
			t.Errorf("%s: %s", role, got)
		}
	}
}

func TestWordsForRefusals(t *testing.T) {
	for want, err := range map[string]error{
		"refused not-signed-by-enough-keys root: not signed by enough keys\n": &tuf.Error{Kind: tuf.Unsigned, Role: "root"},
		"refused missing open x: file does not exist\n":                       &fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist},
		"refused unreadable two lines\n":                                      errors.New("two\nlines"),
	} {
		var out bytes.Buffer
		if refused(&out, err); out.String() != want {
			t.Errorf("%q, want %q", out.String(), want)
		}
	}
}

// Whatever somebody else wrote becomes the end of a line, or one field of it.
func TestForeignTextInALine(t *testing.T) {
	full := strings.Repeat("x", 300)
	for text, want := range map[string]string{
		"":                                     "",
		"plain text ~":                         "plain text ~",
		"tab\tnew\nline":                       "tab new line",
		"\x00\x1f\x7f\u009b grün":              "     grün", // the last of them begins an order to a terminal
		"bad \xff byte":                        "bad ? byte",
		full:                                   full,
		full + "x":                             full + "…",
		full[:299] + "ü":                       full[:299] + "…",
		strings.Repeat("\x01", 300) + "\x01ab": strings.Repeat(" ", 300) + "…",
	} {
		if got := line(text); got != want {
			t.Errorf("%q becomes %q", text, got)
		}
		if got := word(text); got != strings.ReplaceAll(want, " ", "_") {
			t.Errorf("%q becomes the field %q", text, got)
		}
	}
}
