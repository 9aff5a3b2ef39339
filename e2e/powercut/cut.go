//go:build linux

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/limpet-monitoring/limpet/updater/boot"
)

// What must hold after a power cut, in time.
const (
	coreTime = 10 * time.Second  // from the start of the stub until a core runs, and between two
	ownEnds  = boot.MaxTries + 1 // starts of the bad release in all: a verdict that the cut took away may fall again
)

// cut is one power cut of the schedule.
type cut struct {
	stage, at int
	rnd       *rand.Rand
}

// schedule spreads n cuts over the stages of a tape: half of them anywhere, half of them right before or after a flush, where
// steps of the record are.
func schedule(t *tape, n int, rnd *rand.Rand) []cut {
	var list []cut
	for i := range n {
		s := i % len(story)
		from, to := t.begins[s], t.begins[s+1]
		at := from + rnd.IntN(to-from+1)
		if flushes := t.device.flushes(from, to); rnd.IntN(2) == 0 && len(flushes) > 0 {
			at = flushes[rnd.IntN(len(flushes))] + rnd.IntN(2)
		}
		list = append(list, cut{s, at, rand.New(rand.NewPCG(rnd.Uint64(), rnd.Uint64()))})
	}
	return list
}

// seen is what was seen of a box after a cut.
type seen struct {
	first   uint64 // the release that ran first
	absent  time.Duration
	running map[string]bool // what ran, by path
	wrong   []string
}

func (s *seen) violated(format string, args ...any) {
	s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
}

// after has the power fail as a cut says, boots what is left, and returns what is wrong with it.
func (c cut) after(ctx context.Context, fs filesystem, t *tape, p *publisher, dir string) (l loss, wrong []string, err error) {
	image, mounted := filepath.Join(dir, "image"), filepath.Join(dir, "mounted")
	if l, err = t.device.image(image, c.at, int64(fs.sector), c.rnd); err != nil {
		return l, nil, err
	}
	device, release, err := loop(image, fs.sector)
	if err != nil {
		return l, nil, err
	}
	err = fs.mount(device, mounted)
	release()
	if err != nil {
		return l, []string{"after the cut: " + err.Error()}, nil
	}
	defer func() { err = joined(err, unmount(mounted)) }()
	b, err := newBox(p.rig.Bin, mounted)
	if err != nil {
		return l, nil, err
	}
	s := &seen{running: map[string]bool{}}
	err = c.boots(ctx, b, t, p, s)
	return l, s.wrong, joined(err, b.stop(context.WithoutCancel(ctx)))
}

// boots starts the stub and watches it until it has come to rest.
func (c cut) boots(ctx context.Context, b *box, t *tape, p *publisher, s *seen) error {
	before := b.past()
	if err := b.lookAt(p.mirror(c.stage)); err != nil {
		return err
	}
	if err := b.start(); err != nil {
		return err
	}
	began, last, asked := time.Now(), time.Now(), time.Now()
	for !c.rests(b) {
		if cores := b.agent.Cores(); len(cores) > 0 {
			last = time.Now()
			for _, pid := range cores {
				s.core(pid, b.Ver)
			}
		} else if s.absent = max(s.absent, time.Since(last)); s.absent > coreTime {
			s.violated("no core has run for %v", coreTime)
			return nil
		}
		if time.Since(asked) > lookAgain {
			asked = time.Now()
			if err := b.ask(ctx, "look"); err != nil {
				return err
			}
		}
		if time.Since(began) > settleTime {
			s.violated("it does not settle within %v\n%s", settleTime, b.standing())
			return nil
		}
		if err := wait(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
	c.judge(b, t, strings.TrimPrefix(b.past(), before), s)
	return nil
}

// rests reports whether a box has come to the end of its stage. What its owner asked for may have been lost with the power.
func (c cut) rests(b *box) bool {
	return over(b, c.stage) || story[c.stage].ask != nil && over(b, c.stage-1) && !b.asked()
}

// asked reports whether a request still waits to be taken.
func (b *box) asked() bool {
	left, _ := filepath.Glob(filepath.Join(b.Request(), "*.request"))
	return len(left) > 0
}

// core looks at a core that runs: it must be a whole release, by its very bytes.
func (s *seen) core(pid int, ver string) {
	exe := fmt.Sprintf("/proc/%d/exe", pid)
	path, err := os.Readlink(exe)
	if err != nil || s.running[path] {
		return
	}
	f, err := os.Open(exe)
	if err != nil {
		return // it has ended
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		s.violated("read what runs: %v", err)
	}
	s.running[path] = true
	name, _, _ := strings.Cut(strings.TrimPrefix(path, ver+"/"), "/")
	var release uint64
	if _, err := fmt.Sscanf(name, "%d-", &release); err != nil || release == 0 || int(release) > len(versions) {
		s.violated("%s runs, which is no release", path)
	}
	if want := fmt.Sprintf("%d-%s", release, hex.EncodeToString(sum.Sum(nil))); name != want {
		s.violated("%s runs, and is %s", name, want)
	}
	if s.first == 0 {
		s.first = release
	}
}

// judge holds what became of a box against what was durable before the cut.
func (c cut) judge(b *box, t *tape, since string, s *seen) {
	r, _ := b.record()
	for _, bar := range r.Barred {
		if bar != (boot.Bar{}) && bar.Counter != badRelease {
			s.violated("release %d is healthy and barred (%v)", bar.Counter, bar.Reason)
		}
	}
	// The former stage's good was durable when this one began; history tells of that a moment later.
	firsts, starts, rejected := []uint64{story[max(c.stage-1, 0)].good, story[c.stage].good}, map[uint64]int{}, false
	for _, m := range t.marks {
		if m.at > c.at {
			break
		}
		switch m.what {
		case "start":
			starts[m.release]++
		case "commit":
			starts[m.release] = 0
			if m.at > t.begins[c.stage] && m.release == story[c.stage].good {
				firsts = []uint64{m.release}
			}
		case "reject":
			rejected = true
		}
	}
	if !slices.Contains(firsts, s.first) {
		s.violated("release %d runs first, of %v", s.first, firsts)
	}
	for _, m := range happened(since) {
		if m.what == "start" {
			starts[m.release]++
		}
		if m.what == "start" && rejected && m.release == badRelease {
			s.violated("release %d was rejected and starts again", m.release)
		}
	}
	if starts[badRelease] > ownEnds {
		s.violated("the bad release was started %d times", starts[badRelease])
	}
	for release, n := range starts {
		if n > boot.MaxStarts {
			s.violated("release %d was started %d times on trial", release, n)
		}
	}
	if log, _ := os.ReadFile(b.StubLog()); c.stage > 0 && strings.Contains(string(log), "pins and bars are lost") {
		s.violated("the record was lost")
	}
}

func mkdirs(dirs ...string) error {
	var errs []error
	for _, dir := range dirs {
		errs = append(errs, os.MkdirAll(dir, 0o755))
	}
	return errors.Join(errs...)
}

func joined(err, more error) error {
	if err == nil {
		return more
	}
	return errors.Join(err, more)
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// syncAll makes a whole file system durable.
func syncAll(below string) error {
	f, err := os.Open(below)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Syncfs(int(f.Fd()))
}
