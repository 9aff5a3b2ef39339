//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/limpet-monitoring/limpet/e2e/rig"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

// stage is one part of what a box goes through, and what must have become of the box by its end.
type stage struct {
	name    string
	publish *version // listed at its beginning
	ask     []string // by the box's owner
	good    uint64
}

// version is a release of the story. Its counter is its place in versions, from 1.
type version struct {
	name string
	tag  string // builds a core that fails; "" for one that does not
}

const (
	badRelease = 3
	settleTime = 3 * time.Minute
)

var versions = []version{
	{name: "0.9.1"},
	{name: "0.9.2"},
	{name: "0.9.3", tag: "demofault_dieactive"},
	{name: "0.9.4"},
}

// story is that of every box: the first start, an update, a release that dies once it schedules, another update, the way
// back by hand and forward again.
var story = []stage{
	{name: "first start", good: 1},
	{name: "update", publish: &versions[1], good: 2},
	{name: "bad release", publish: &versions[2], good: 2},
	{name: "second update", publish: &versions[3], good: 4},
	{name: "rollback", ask: []string{"rollback"}, good: 2},
	{name: "follow", ask: []string{"follow"}, good: 4},
}

// barred reports whether the bad release is barred in the end of a stage.
func barredAfter(n int) bool {
	for _, s := range story[:n+1] {
		if s.publish == &versions[badRelease-1] {
			return true
		}
	}
	return false
}

// over reports whether a box has come to the end of a stage.
func over(b *box, n int) bool {
	r, found := b.record()
	return found && r.Good.Counter == story[n].good && r.Trial.None() && b.runs() == story[n].good &&
		slices.ContainsFunc(r.Barred[:], func(bar boot.Bar) bool { return bar.Counter == badRelease }) == barredAfter(n)
}

// publisher makes the releases once and lists them, for each stage in a folder of its own.
type publisher struct {
	rig   *rig.Rig
	cores map[string]string // files by version
}

func newPublisher(ctx context.Context, dir string) (*publisher, error) {
	p := &publisher{rig: &rig.Rig{Bin: filepath.Join(dir, "bin"), Dir: dir}, cores: map[string]string{}}
	if err := rig.Build(p.rig.Bin); err != nil {
		return nil, err
	}
	for _, v := range versions {
		file := filepath.Join(dir, "core-"+v.name)
		tags := []string{}
		if v.tag != "" {
			tags = append(tags, v.tag)
		}
		if err := rig.BuildCore(ctx, file, v.name, tags...); err != nil {
			return nil, err
		}
		p.cores[v.name] = file
	}
	if err := p.rig.Publish(ctx, versions[0].name, p.cores[versions[0].name]); err != nil {
		return nil, err
	}
	for n, s := range story {
		if s.publish != nil {
			if _, err := p.rig.PublishCore(ctx, s.publish.name, p.cores[s.publish.name], "--plain"); err != nil {
				return nil, err
			}
		}
		if out, err := exec.CommandContext(ctx, "cp", "-al", filepath.Join(dir, "release"), p.mirror(n)).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("keep the mirror of %s: %w\n%s", s.name, err, out)
		}
	}
	return p, nil
}

// mirror is what is listed in a stage.
func (p *publisher) mirror(n int) string { return filepath.Join(p.rig.Dir, "mirror-"+strconv.Itoa(n)) }

// mark is something that was seen to have happened by an operation of the device: what came before it is durable.
type mark struct {
	at      int
	what    string // start, commit, reject
	release uint64
}

// tape is what was recorded of one box: the device, and what happened when.
type tape struct {
	device *Device
	begins []int // operations before each stage, and at the end
	marks  []mark
}

var historyLine = regexp.MustCompile(`(?m)^\S+ (start|commit|reject) release=(\d+) `)

// happened are the steps of a record that history tells of.
func happened(past string) []mark {
	var list []mark
	for _, m := range historyLine.FindAllStringSubmatch(past, -1) {
		n, _ := strconv.ParseUint(m[2], 10, 64)
		list = append(list, mark{what: m[1], release: n})
	}
	return list
}

// record lives through the story on a new file system, over a device that writes down everything.
func record(ctx context.Context, fs filesystem, p *publisher, dir string, unsynced bool, say func(string, ...any)) (t *tape, err error) {
	d, err := newDevice(dir, size)
	if err != nil {
		return nil, err
	}
	served, mounted := filepath.Join(dir, "served"), filepath.Join(dir, "mounted")
	if err := mkdirs(served, mounted); err != nil {
		return nil, err
	}
	path, end, err := serve(d, served)
	if err != nil {
		return nil, err
	}
	defer func() { err = joined(err, end()) }()
	device, release, err := loop(path, fs.sector)
	if err != nil {
		return nil, err
	}
	err = fs.mkfs(device)
	if err == nil {
		err = fs.mount(device, mounted)
	}
	release()
	if err != nil {
		return nil, err
	}
	defer func() { err = joined(err, unmount(mounted)) }()
	b, err := newBox(p.rig.Bin, mounted)
	if err != nil {
		return nil, err
	}
	b.unsynced = unsynced
	t = &tape{device: d}
	err = t.live(ctx, b, p, say)
	return t, joined(err, b.stop(context.WithoutCancel(ctx)))
}

// live is the story itself.
func (t *tape) live(ctx context.Context, b *box, p *publisher, say func(string, ...any)) error {
	factory, err := os.ReadFile(p.cores[versions[0].name])
	if err != nil {
		return err
	}
	if err := b.install(p.mirror(0), factory); err != nil {
		return err
	}
	for n, s := range story {
		if err := b.lookAt(p.mirror(n)); err != nil {
			return err
		}
		if n == 0 {
			if err := syncAll(b.Root); err != nil {
				return err
			}
		}
		begin := t.device.at()
		t.begins = append(t.begins, begin)
		if n == 0 {
			if err := b.start(); err != nil {
				return err
			}
		} else {
			if err := b.ask(ctx, append(s.ask, "look")[:max(1, len(s.ask))]...); err != nil {
				return err
			}
		}
		if err := t.until(ctx, b, s.name, func() bool { return over(b, n) }); err != nil {
			return err
		}
		say("%s: %d operations of the device", s.name, t.device.at()-begin)
	}
	t.begins = append(t.begins, t.device.at())
	return nil
}

// until waits, and marks what history tells of meanwhile.
func (t *tape) until(ctx context.Context, b *box, what string, met func() bool) error {
	began, asked := time.Now(), time.Now()
	for {
		past := happened(b.past())
		for at := t.device.at(); len(t.marks) < len(past); {
			m := past[len(t.marks)]
			m.at = at
			t.marks = append(t.marks, m)
		}
		if met() {
			return nil
		}
		if time.Since(asked) > lookAgain {
			asked = time.Now()
			if err := b.ask(ctx, "look"); err != nil {
				return err
			}
		}
		if time.Since(began) > settleTime {
			return fmt.Errorf("%s does not end within %v\n%s", what, settleTime, b.standing())
		}
		if err := wait(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
}

// lookAgain is when a person would ask again.
const lookAgain = 8 * time.Second
