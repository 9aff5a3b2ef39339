package main

import (
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

// Bounds of the core's part of a status.
const (
	partTime = 3 * time.Second
	maxPart  = 256 << 10 // bytes
)

// report is all that `limpet status` knows.
type report struct {
	running bool
	view    view
	record  boot.Record
	found   bool
	came    string // how the last update came, "" for none
	part    string // what the core said, "" for nothing
}

// status is `limpet status`: it needs neither stub nor core to run.
func status(l platforms.Layout, args []string, out io.Writer) error {
	asJSON := false
	for _, a := range args {
		if a != "--json" {
			return misuse("status takes --json and --root DIR, not " + a)
		}
		asJSON = true
	}
	if err := installed(l); err != nil {
		return err
	}
	r := gather(l)
	r.part = corePart(l, asJSON)
	text := r.text(time.Now())
	if asJSON {
		text = r.json()
	}
	if _, err := io.WriteString(out, text); err != nil {
		return err
	}
	if !r.running {
		return &fault{code: exitNotRunning}
	}
	return nil
}

func gather(l platforms.Layout) report {
	r := report{view: readView(l.RunStub())}
	r.running, _ = platforms.Held(l.StubLock())
	_, r.record, r.found = boot.Load(fsys.Disk{}, records(l))
	if !r.running {
		// What it wrote last is history: of the core only what it was still holds.
		r.view.state, r.view.core.pid = stopped, 0
	}
	r.came = lastCame(l)
	if r.view.core.counter == 0 && r.found {
		r.view.core.counter, r.view.core.hash, r.view.core.role = r.record.Good.Counter, r.record.Good.Hash, "good"
	}
	return r
}

// corePart asks the core through the verified core binary; nothing when that fails in any way.
func corePart(l platforms.Layout, asJSON bool) string {
	image, err := goodCore(l)
	if err != nil {
		return ""
	}
	defer image.Close()
	out, in, err := os.Pipe()
	if err != nil {
		return ""
	}
	defer out.Close()
	args := []string{"limpet-core", "status", "--part"}
	if asJSON {
		args = append(args, "--json")
	}
	var family platforms.Family
	child, err := family.Start(platforms.Spec{
		Image: image, Path: image.Name(), Args: append(args, l.RootArgs()...), Env: os.Environ(),
		Dir: string(os.PathSeparator), Files: [3]*os.File{1: in}, Confined: true,
	})
	in.Close()
	if err != nil {
		return ""
	}
	overdue := time.AfterFunc(partTime, child.Kill)
	defer overdue.Stop()
	text, _ := io.ReadAll(io.LimitReader(out, maxPart+1)) // how it ends says whether that is all
	tooLong := len(text) > maxPart
	if tooLong {
		child.Kill()
	}
	exit, err := child.Wait()
	if err != nil || exit != (platforms.Exit{}) || tooLong {
		return ""
	}
	return string(text)
}

// text is the status for a person.
func (r report) text(now time.Time) string {
	var b strings.Builder
	v := r.view
	b.WriteString("limpet " + orUnknown(v.version) + ": " + r.sentence(now) + "\n")
	if v.core.counter != 0 {
		b.WriteString("core " + orUnknown(v.core.version) + " (release " + strconv.FormatUint(v.core.counter, 10) + ", " + v.core.role + ")")
		if v.core.pid != 0 {
			b.WriteString(": process " + strconv.Itoa(v.core.pid))
		}
		if r.running && v.restarts > 0 {
			b.WriteString(", started again " + times(v.restarts) + ", the last one ended with " + v.last)
		}
		b.WriteString("\n")
	}
	if v.channel != "" {
		b.WriteString("channel " + v.channel)
		if v.pin != "" {
			b.WriteString(", pinned to " + v.pin)
		}
		if v.hold {
			b.WriteString(", held")
		}
		b.WriteString(": " + v.why() + "\n")
	}
	if r.came != "" {
		by := valueOf(r.came, "came_as") + " " + valueOf(r.came, "came_codec")
		b.WriteString("update " + valueOf(r.came, "came") + " cost " + valueOf(r.came, "came_bytes") + " bytes on the wire (" + strings.TrimSpace(by) +
			"), the core has " + valueOf(r.came, "came_of") + "\n")
	}
	if r.running {
		for _, w := range v.warnings {
			b.WriteString("warning: " + w.text + " [" + w.word + "]\n")
		}
	}
	switch {
	case r.part != "":
		b.WriteString(strings.TrimRight(r.part, "\n") + "\n")
	case r.running:
		b.WriteString("the core does not answer\n")
	}
	return b.String()
}

func (r report) sentence(now time.Time) string {
	v := r.view
	if !r.running {
		return "not running (hint: limpet run, or start its service)"
	}
	text := map[state]string{
		starting: "the core is starting", running: "running", restarting: "the core ended and is started again",
		noCore: "no core here may run", stopping: "stopping",
	}[v.state]
	if text == "" {
		text = string(v.state)
	}
	if v.since > 0 {
		since := time.Unix(v.since, 0)
		text += " since " + since.Format(time.DateTime) + " (" + now.Sub(since).Round(time.Second).String() + ")"
	}
	return text
}

func orUnknown(s string) string {
	if s == "" {
		return "(version unknown)"
	}
	return s
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return strconv.Itoa(n) + " times"
}
