package main

import (
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/plain"
	"github.com/limpet-monitoring/limpet/updater/boot"
	"github.com/limpet-monitoring/limpet/updater/store"
)

// How long the stub's hands may be away.
const (
	lookTime  = 3 * time.Minute
	getTime   = 2 * time.Hour // a core over a slow line; it goes on where it was cut off
	patchTime = 5 * time.Minute
	maxSaid   = 8 << 10 // bytes that one of them may say
)

// errand is one look or one download. It knows what it needs by value, so its goroutine shares nothing
// with the supervisor.
type errand struct {
	family  *platforms.Family
	layout  platforms.Layout
	user    *platforms.User // as whom children with few rights run, nil for ourselves
	channel string
	now     time.Time
}

// looked is what became of a look.
type looked struct {
	verdict verdict
	trouble string // why metadata could not be brought, "" when it was
	word    string // unreachable, metadata, clock-or-freeze, failed
}

// look brings metadata, has it verified, and takes it over.
func (e errand) look() looked {
	err := e.giveAway()
	if err == nil {
		_, err = e.fetch(lookTime, "look")
	}
	v := e.verify("--from", filepath.Join(e.layout.Part(), "meta"), "--channel", e.channel)
	for _, c := range v.changes {
		if e := adoptFile(e.layout, c); e != nil {
			return looked{trouble: "take over metadata: " + e.Error(), word: "failed"}
		}
	}
	if err != nil {
		return looked{trouble: err.Error(), word: wordOf(err)}
	}
	return looked{verdict: v}
}

// giveAway makes part/ the fetcher's, where there is such a user.
func (e errand) giveAway() error {
	if e.user == nil {
		return nil
	}
	return platforms.Give(e.layout.Part(), *e.user)
}

// adoptFile takes over one step of verified metadata: copied while hashing, synced, renamed.
func adoptFile(l platforms.Layout, c change) error {
	if c.drop {
		return drop(fsys.Disk{}, l.TrustCore(), c.name)
	}
	from, err := fsys.OpenRegular(filepath.Join(l.Part(), "meta", c.from))
	if err != nil {
		return err
	}
	defer from.Close()
	return takeOver(fsys.Disk{}, l.TrustCore(), from, c)
}

// drop takes a name out of a folder, where it is.
func drop(disk fsys.FS, dir, name string) error {
	if err := disk.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return disk.SyncDir(dir)
}

// takeOver copies what was verified into a folder; whoever looks there finds the old or the new.
func takeOver(disk fsys.FS, dir string, from io.Reader, c change) error {
	to := filepath.Join(dir, c.name)
	out, err := disk.Open(to+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	hash := sha256.New()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(out, hash)}, struct{ io.Reader }{io.LimitReader(from, c.length+1)}, make([]byte, 16<<10))
	if err == nil && (n != c.length || [32]byte(hash.Sum(nil)) != c.hash) {
		err = errors.New(c.from + " is not what was verified")
	}
	if err == nil {
		err = out.Sync()
	}
	if e := out.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = disk.Rename(to+".new", to)
	}
	if err != nil {
		return errors.Join(err, disk.Remove(to+".new"))
	}
	return disk.SyncDir(dir)
}

// brought is what became of a download.
type brought struct {
	choice choice
	err    error
	word   string // no-space, unreachable, metadata, failed
	came   string // how it came and what it cost, as keys of docs/stub-contract.md
}

// bring places a core: as a patch for base, packed, or as it is; each that fails gives way to the next.
func (e errand) bring(c choice, base boot.Core) brought {
	b := brought{choice: c}
	entry := store.Entry{Counter: c.core.Counter, Hash: c.core.Hash}
	if f, err := open(e.layout, c.core.Core); err == nil {
		f.Close()
		b.came = came(c.core, []string{"here"}, 0)
		if b.err = store.In(e.layout).Place(entry, c.core.Length, strings.NewReader("")); b.err != nil { // syncs it
			b.word = wordOf(b.err)
		}
		return b
	}
	if b.err = e.room(c.core.Length); b.err != nil {
		b.word = "no-space"
		return b
	}
	if b.err = e.giveAway(); b.err != nil {
		b.word = "failed"
		return b
	}
	options := [][]string{{"--base", hexOf(base.Hash)}, {}, {"--plain"}}
	if base.None() {
		options = options[2:]
	}
	cost := int64(0)
	for _, more := range options {
		var said string
		said, b.err = e.fetch(getTime, "get", append([]string{"--hash", hexOf(c.core.Hash)}, more...)...)
		if b.err != nil {
			b.word = wordOf(b.err)
			return b
		}
		way := strings.Fields(said)
		if len(way) < 2 {
			b.err, b.word = errors.New("limpet-fetch said nothing of what it brought"), "failed"
			return b
		}
		n, _ := strconv.ParseInt(way[1], 10, 64)
		cost += n
		b.came = came(c.core, way, cost)
		if b.err = e.produce(way, c.core.Core, base); b.err == nil {
			b.err = e.place(entry, c.core.Length)
		}
		if b.err == nil || way[0] == "full" {
			break
		}
	}
	if b.err != nil {
		b.word = wordOf(b.err)
	}
	return b
}

// came says what a core cost on the wire, ways that failed before included.
func came(c signed, way []string, cost int64) string {
	text := "came=" + word(c.version) + " came_as=" + way[0]
	if len(way) > 2 {
		text += " came_codec=" + word(way[2])
	}
	return text + " came_bytes=" + strconv.FormatInt(cost, 10) + " came_of=" + strconv.FormatInt(c.Length, 10)
}

// room checks that there is space for two: the download and the copy.
func (e errand) room(length int64) error {
	for _, dir := range []string{e.layout.State, e.layout.Ver} {
		free, err := platforms.Space(dir)
		if err != nil {
			return err
		}
		if err := enough(dir, free, length); err != nil {
			return err
		}
	}
	return nil
}

func enough(dir string, free, length int64) error {
	const slack = 8 << 20 // bytes that others may need meanwhile
	if need := 2*length + slack; free < need {
		return errors.New(dir + " has " + strconv.FormatInt(free>>20, 10) + " MB free, an update needs " + strconv.FormatInt(need>>20, 10))
	}
	return nil
}

// produce makes the core of what was brought, by the base that is here, with the fetcher's rights.
func (e errand) produce(way []string, c, base boot.Core) error {
	part := filepath.Join(e.layout.Part(), hexOf(c.Hash))
	var args []string
	switch {
	case way[0] == "full":
		return nil
	case way[0] == "delta" && len(way) > 2:
		args = []string{"patch", "--codec", way[2], "--base", e.layout.CoreFile(base.Counter, hexOf(base.Hash)), "--patch", part + ".patch", "--out", part}
	case way[0] == "packed" && len(way) > 2:
		args = []string{"unpack", "--codec", way[2], "--from", part + ".packed", "--out", part}
	default:
		return errors.New("limpet-fetch brought " + strconv.Quote(way[0]) + ", which this stub does not know")
	}
	image, err := open(e.layout, base)
	if err != nil {
		return err
	}
	defer image.Close()
	_, err = e.send(patchTime, platforms.Spec{Image: image, Path: image.Name(), Args: append([]string{"limpet-core"}, args...)})
	return err
}

// place copies what lies in part/ into the store, and then takes it away from there.
func (e errand) place(entry store.Entry, length int64) error {
	part := filepath.Join(e.layout.Part(), hexOf(entry.Hash))
	from, err := fsys.OpenRegular(part)
	if err != nil {
		return err
	}
	defer from.Close()
	err = store.In(e.layout).Place(entry, length, from)
	for _, suffix := range []string{"", ".patch", ".packed"} {
		_ = os.Remove(part + suffix) // get removes what stays
	}
	return err
}

// fetch sends limpet-fetch out, and returns the last line it says.
func (e errand) fetch(limit time.Duration, command string, more ...string) (string, error) {
	path := e.layout.Fetch()
	if _, err := os.Stat(path); err != nil {
		return "", plain.Wrap("limpet-fetch is missing", err)
	}
	args := append([]string{"limpet-fetch", command}, e.layout.RootArgs()...)
	args = append(args, "--channel", e.channel, "--stub", version, "--passed", strconv.FormatInt(e.now.Unix(), 10))
	return e.send(limit, platforms.Spec{Path: path, Args: append(args, more...)})
}

// errCode is how a child of ours that failed ended.
type errCode struct {
	code int
	text string
}

func (e *errCode) Error() string { return e.text }

// wordOf is one word for what went wrong.
func wordOf(err error) string {
	if noSpace(err) {
		return "no-space"
	}
	if e := (*errCode)(nil); errors.As(err, &e) {
		switch e.code {
		case exitUntrusted:
			return "metadata"
		case exitUnreachable:
			return "unreachable"
		case exitTime:
			return "clock-or-freeze"
		}
	}
	return "failed"
}

// send starts a child with few rights that ends when we do, and waits for it; out is its last line.
func (e errand) send(limit time.Duration, s platforms.Spec) (string, error) {
	var pipes [3][2]*os.File
	for i := range pipes {
		r, w, err := os.Pipe()
		if err != nil {
			return "", err
		}
		defer r.Close()
		defer w.Close()
		pipes[i] = [2]*os.File{r, w}
	}
	s.Files = [3]*os.File{pipes[0][0], pipes[1][1], pipes[2][1]}
	s.Env, s.Dir = plainEnv(os.Environ()), string(os.PathSeparator)
	s.Confined, s.User = true, e.user
	child, err := e.family.Start(s)
	pipes[1][1].Close()
	pipes[2][1].Close()
	if err != nil {
		return "", err
	}
	overdue := time.AfterFunc(limit, child.Kill)
	var said [2]string
	var readers sync.WaitGroup
	for i := range said {
		readers.Go(func() {
			text, _ := io.ReadAll(io.LimitReader(pipes[i+1][0], maxSaid))
			said[i] = strings.TrimSpace(string(text))
			_, _ = io.Copy(io.Discard, pipes[i+1][0])
		})
	}
	readers.Wait()
	exit, err := child.Wait()
	late := !overdue.Stop()
	name := filepath.Base(s.Args[0]) + " " + s.Args[1]
	switch {
	case err != nil:
		return "", err
	case late:
		return "", &errCode{exitUnreachable, name + " was not done within " + limit.String()}
	case exit != (platforms.Exit{}):
		return "", &errCode{exit.Code, name + ": " + firstOf(errorLine(said[1]), exit.String())}
	}
	return said[0][strings.LastIndexByte(said[0], '\n')+1:], nil
}

// errorLine is what follows "error: " in what a program said.
func errorLine(said string) string {
	for _, l := range strings.Split(said, "\n") {
		if text, ok := strings.CutPrefix(l, "error: "); ok {
			return line(text)
		}
	}
	return ""
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// plainEnv is our environment without what is for us alone.
func plainEnv(ours []string) []string {
	var env []string
	for _, v := range ours {
		name, _, _ := strings.Cut(v, "=")
		switch {
		case name == "NOTIFY_SOCKET", name == "WATCHDOG_USEC", name == "WATCHDOG_PID", strings.HasPrefix(name, "LIMPET_"):
		default:
			env = append(env, v)
		}
	}
	return env
}

// fingerprint is the box's, "" for none yet.
func fingerprint(l platforms.Layout) string {
	data, _ := fsys.Read(fsys.Disk{}, l.Finger(), 1<<10)
	text := strings.TrimSpace(string(data))
	if _, ok := plain.Hash(text); !ok {
		return ""
	}
	return text
}
