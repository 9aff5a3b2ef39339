// Package disk is the check "disk": how much of every real filesystem is free, by the options, text and perfdata of
// check_disk. A filesystem that hangs is reported and never waited for beyond a moment.
package disk

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/threshold"
)

// Limits of what is told.
const (
	maxTold  = 256 // filesystems in one result
	maxShown = 8   // in the first line
)

// mount is one mounted filesystem.
type mount struct {
	device   string // the same for all mounts of one filesystem; "" = unknown
	root     string // what of the filesystem is mounted: "/", or a path in it
	point    string
	kind     string
	source   string
	readOnly bool
}

// usage is the space of a filesystem.
type usage struct {
	total, free, available uint64 // bytes; free includes what is kept for root
	files, filesFree       uint64 // inodes; 0 files = the filesystem does not count them
}

func (u usage) used() uint64 { return u.total - min(u.free, u.total) }

// percent gives the share of space that is available to everybody, as df counts it: what is kept for root does not exist.
func (u usage) percent() float64 { return share(u.available, u.used()+u.available) }

func share(part, of uint64) float64 {
	if of == 0 {
		return 100
	}
	return float64(part) / float64(of) * 100
}

// target is one filesystem to look at.
type target struct {
	mount
	at     string // the path to ask about: the mount's point, or one below it that -p named
	limits limits
	named  bool // -p named it: it must be there
	remote bool // asking may hang: it is on a network, or in another process
}

// Check runs the check.
type Check struct {
	sampler
	probes probes
}

// New gives a check that reads procfs where it is mounted (Linux).
func New(proc string) *Check {
	return &Check{sampler: newSampler(proc), probes: probes{ask: statfs}}
}

// Run runs it once.
func (c *Check) Run(ctx context.Context, args []string) check.Result {
	o, err := parse(args)
	if err != nil {
		return unknown(err)
	}
	mounts, broken, err := c.mounts()
	if err != nil {
		return unknown(err)
	}
	targets, missing := choose(o.resolved(mounts), mounts)
	answers := c.probes.all(ctx, targets)
	r := judge(o, targets, answers, missing)
	if broken > 0 {
		r.Problems = append(r.Problems, fmt.Sprintf("%d lines of the list of mounts make no sense", broken))
	}
	if more := len(targets) - maxTold; more > 0 {
		r.Problems = append(r.Problems, fmt.Sprintf("%d more filesystems than %d are not told", more, maxTold))
	}
	return r
}

// piece is what the result says of one filesystem.
type piece struct {
	state check.State
	text  string
}

// judge makes the result of what the targets answered.
func judge(o options, targets []target, answers []answer, missing []string) check.Result {
	var r check.Result
	var pieces []piece
	var lines []string
	for _, path := range missing {
		pieces = append(pieces, piece{check.Critical, path + " is not a mount point"})
	}
	told := 0
	for i, t := range targets {
		a := answers[i]
		switch {
		case a.hung:
			pieces = append(pieces, piece{check.Critical, t.at + " does not answer" + a.since()})
		case a.err != nil && t.named:
			pieces = append(pieces, piece{check.Critical, fmt.Sprintf("%s is not accessible: %v", t.at, a.err)})
		case a.err != nil:
			r.Problems = append(r.Problems, fmt.Sprintf("%s is not accessible: %v", t.at, a.err))
		case a.usage.total == 0 && !t.named: // a pseudo filesystem of a kind we do not know
		case told == maxTold:
		default:
			told++
			p := piece{t.state(o, a.usage), o.describe(t, a.usage)}
			pieces = append(pieces, p)
			lines = append(lines, fmt.Sprintf("%s: %s", p.state, o.detail(t, a.usage)))
			r.Perfdata = append(r.Perfdata, o.perfdata(t, a.usage)...)
		}
	}
	for _, p := range pieces {
		r.State = threshold.Worst(r.State, p.state)
	}
	r.Long = strings.Join(lines, "\n")
	if len(pieces) == 0 {
		return nothing(o, r)
	}
	r.Text = line(o, r.State, pieces)
	return r
}

// nothing is the result when no filesystem is left: an error only where somebody asked for some.
func nothing(o options, r check.Result) check.Result {
	if o.given {
		r.State = check.Unknown
	}
	r.Text = fmt.Sprintf("DISK %s - no filesystem to check", r.State)
	return r
}

// line writes the first line: what is worst stands first.
func line(o options, state check.State, pieces []piece) string {
	urgent := func(p piece) bool { return p.state != check.OK }
	if o.errorsOnly && !slices.ContainsFunc(pieces, urgent) {
		return "DISK OK"
	}
	slices.SortStableFunc(pieces, func(a, b piece) int {
		switch {
		case a.state == b.state:
			return 0
		case threshold.Worst(a.state, b.state) == a.state:
			return -1
		default:
			return 1
		}
	})
	var texts []string
	for i, p := range pieces {
		if o.errorsOnly && !urgent(p) {
			break
		}
		if i == maxShown {
			texts = append(texts, fmt.Sprintf("%d more", len(pieces)-i))
			break
		}
		texts = append(texts, p.text)
	}
	return fmt.Sprintf("DISK %s - free space: %s", state, strings.Join(texts, "; "))
}

// state is the verdict on one filesystem.
func (t target) state(o options, u usage) check.State {
	if t.readOnly && !o.limited && !t.named {
		return check.OK // nobody configured limits, and nothing can fill it
	}
	l := t.limits
	short := func(space, inodes threshold.Free) bool {
		return scarce(space, u.available, u.used()+u.available) || u.files > 0 && scarce(inodes, u.filesFree, u.files)
	}
	switch {
	case u.total == 0:
		return check.OK
	case short(l.crit, l.inodeCrit):
		return check.Critical
	case short(l.warn, l.inodeWarn):
		return check.Warning
	default:
		return check.OK
	}
}

// scarce says whether too little is free, by whole percents: what is used is rounded up, as df and check_disk do, so that of "10% free" less than 11 is too little.
func scarce(f threshold.Free, free, all uint64) bool {
	if f.Percent && all > 0 {
		return math.Floor(share(free, all)) <= f.Value && (f.Most == 0 || float64(free) <= f.Most) && f.Given
	}
	return f.Broken(float64(free), float64(all))
}

// name is what a filesystem is called: its mount point, or its device with -M.
func (o options) name(t target) string {
	if o.byDevice {
		return t.source
	}
	return t.point
}

// describe writes one filesystem as the plugin does: "/ 80815MiB (86% inode=97%)".
func (o options) describe(t target, u usage) string {
	text := fmt.Sprintf("%s %s (%d%%", o.name(t), o.size(u.available), int(u.percent()))
	if u.files > 0 {
		text += fmt.Sprintf(" inode=%d%%", int(share(u.filesFree, u.files)))
	}
	return text + ")"
}

func (o options) detail(t target, u usage) string {
	text := fmt.Sprintf("%s (%s on %s) %s of %s used, %s free (%.1f%%)", t.point, t.kind, t.source, o.size(u.used()), o.size(u.total),
		o.size(u.available), u.percent())
	if u.files > 0 {
		text += fmt.Sprintf(", %d of %d inodes free (%.1f%%)", u.filesFree, u.files, share(u.filesFree, u.files))
	}
	if t.readOnly {
		text += ", read-only"
	}
	return text
}

// size writes bytes in the unit that -u asked for, else for people.
func (o options) size(n uint64) string {
	if o.unit == "" {
		return threshold.Bytes(float64(n))
	}
	return fmt.Sprintf("%d%s", n/o.factor, o.unit)
}

// perfdata gives space used with limits as space used, as the plugin does; with -P inodes too.
func (o options) perfdata(t target, u usage) []check.Perfdata {
	total := float64(u.total)
	if o.ignoreReserved {
		total = float64(u.used() + u.available)
	}
	list := []check.Perfdata{{
		Label: o.name(t), Value: float64(u.used()), Unit: "B", Warn: perf(t.limits.warn, total), Crit: perf(t.limits.crit, total),
		Max: total,
	}}
	if o.inodePerf && u.files > 0 {
		files := float64(u.files)
		list = append(list, check.Perfdata{
			Label: o.name(t) + " (inodes)", Value: float64(u.files - min(u.filesFree, u.files)),
			Warn: perf(t.limits.inodeWarn, files), Crit: perf(t.limits.inodeCrit, files), Max: files,
		})
	}
	return list
}

func perf(limit threshold.Free, total float64) string {
	if !limit.Given {
		return ""
	}
	return threshold.Format(limit.Used(total))
}

func unknown(err error) check.Result {
	return check.Result{State: check.Unknown, Text: "DISK UNKNOWN - " + err.Error()}
}
