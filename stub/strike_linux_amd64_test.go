package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

var strikes = flag.Int("strikes", 1, "points of each scene that are struck in each way, by chance; 0 = every one")

// scene is a box right before transitions of its record, and what must have become of it in the end,
// whatever struck the stub meanwhile.
type scene struct {
	name  string
	set   func(u *updating, r *boot.Record) // before the stub starts
	good  uint64                            // runs in the end
	holds func(r boot.Record) bool          // besides that no trial is left
}

func barredIs(r boot.Record, counter uint64, reason boot.Reason) bool {
	return r.Barred[0].Counter == counter && r.Barred[0].Reason == reason && r.Barred[1] == boot.Bar{}
}

func unbarred(r boot.Record) bool { return r.Barred[0] == boot.Bar{} }

var scenes = []scene{
	{"adopt", func(u *updating, r *boot.Record) { *r = boot.Record{} }, 1, unbarred},
	{"stage to commit", func(u *updating, _ *boot.Record) {
		u.place(7, []byte("nobody names this one"))
		u.release(2)
		u.request("look")
	}, 2, func(r boot.Record) bool { return unbarred(r) && r.Previous.Counter == 1 }},
	{"fail and reject", func(u *updating, r *boot.Record) {
		u.modeOf(2, "dies")
		u.stored(2)
		r.Trial, r.Tries, r.Soak = u.core(2), 2, 3
	}, 1, func(r boot.Record) bool { return barredIs(r, 2, boot.Exited) }},
	{"set aside", func(u *updating, r *boot.Record) {
		u.stored(2)
		r.Trial, r.Tries, r.Starts, r.Soak = u.core(2), 1, boot.MaxStarts, 3
	}, 1, func(r boot.Record) bool { return unbarred(r) && r.Aside[0].Counter == 2 }},
	{"drop", func(u *updating, r *boot.Record) {
		u.stored(2)
		r.Trial, r.Tries, r.Soak = u.core(2), 3, 600 // it would wait a minute for good
		u.request("hold")
	}, 1, func(r boot.Record) bool { return unbarred(r) && r.Owner.Hold }},
	{"demote", func(u *updating, r *boot.Record) {
		u.modeOf(2, "dies")
		u.stored(2)
		r.Previous, r.Good, r.Committed = r.Good, u.core(2), time.Now().Unix()
	}, 1, func(r boot.Record) bool { return barredIs(r, 2, boot.Demoted) }},
	{"revert", func(u *updating, r *boot.Record) {
		u.stored(2)
		r.Previous, r.Good = r.Good, u.core(2)
		u.request("rollback 9.9.1")
	}, 1, func(r boot.Record) bool { return unbarred(r) && r.Owner.Pin == "9.9.1" && r.Previous.Counter == 2 }},
	{"repair", func(u *updating, r *boot.Record) {
		u.stored(2)
		r.Previous, r.Good = r.Good, u.core(2)
		u.flip(r.Good)
	}, 2, unbarred},
	{"unbar", func(u *updating, r *boot.Record) {
		u.stored(2)
		c := u.core(2)
		r.Barred[0] = boot.Bar{Hash: c.Hash, Counter: 2, Reason: boot.Hung}
		u.request("unbar " + hexOf(c.Hash))
	}, 2, unbarred},
}

// core is a release that stored has placed.
func (u *updating) core(counter uint64) boot.Core {
	return u.place(counter, coreBytes(u.t, fmt.Sprint(counter)))
}

// stored publishes a release, and has the box know it already.
func (u *updating) stored(counter uint64) {
	u.release(counter)
	u.refresh()
}

func (u *updating) request(words string) {
	u.must(fsys.WriteNew(fsys.Disk{}, filepath.Join(u.Request(), "1.request"), []byte(words+"\n"), 0o600))
}

// build makes the box of a scene. The boxes that are struck are copies of it.
func (s scene) build(t *testing.T) *updating {
	u := newUpdating(t)
	r := boot.Record{Good: u.good, Factory: u.good}
	s.set(u, &r)
	if !r.Good.None() {
		sectors, _, _ := boot.Load(fsys.Disk{}, records(u.Layout))
		_, err := sectors.Save(r)
		u.must(err)
	}
	return u
}

// copied is the same box in another folder: cores and programs are links, since nobody writes to them.
func copied(t *testing.T, from *updating) *updating {
	t.Helper()
	l, err := platforms.At(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	u := *from
	u.box = &box{t: t, Layout: l, good: from.good}
	u.leaves()
	u.must(filepath.WalkDir(from.Root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from.Root, path)
		if err != nil {
			return err
		}
		to := filepath.Join(l.Root, rel)
		info, err := d.Info()
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return os.MkdirAll(to, info.Mode().Perm())
		case strings.HasPrefix(rel, "ver") || strings.HasPrefix(rel, "bin"):
			return os.Link(path, to)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, data, info.Mode().Perm())
	}))
	return &u
}

// strike starts the stub under testdata/strike.
func (u *updating) strike(at int, how string) *exec.Cmd {
	u.t.Helper()
	cmd := exec.Command(programs.strike(), "-below", u.State, "-below", u.Ver, "-at", fmt.Sprint(at), "-how", how,
		"-log", filepath.Join(u.Log, "calls"), "--", programs.stub(), "run", "--root", u.Root)
	cmd.Stderr = io.Discard
	u.must(cmd.Start())
	u.t.Cleanup(func() { _ = cmd.Process.Kill() }) // where the test gave up: what it follows dies with it
	return cmd
}

// calls are what strike wrote down.
func (u *updating) calls() []string {
	data, _ := os.ReadFile(filepath.Join(u.Log, "calls"))
	lines := strings.Split(string(bytes.TrimSpace(data)), "\n")
	if lines[0] == "" {
		return nil
	}
	return lines
}

// over reports whether the scene has come to its end.
func (s scene) over(u *updating) bool {
	r, found := u.record()
	v := u.view()
	return found && r.Good.Counter == s.good && r.Trial.None() && s.holds(r) && v.state == running && v.core.counter == s.good && v.core.role == "good"
}

// mostAbsent is for how many looks, twenty a second, a stub may have no core while calls of it fail: a core that dies is started
// again after a wait, at most a second in these scenes, at the pace of a machine that follows every call.
const mostAbsent = 1200

// goesOn waits for the end of a scene under a stub. Where calls fail under tracer, a core must run at every moment all the same, and a
// look is asked for now and then as a person would: after a failure the stub would look by itself within minutes.
func (s scene) goesOn(t *testing.T, u *updating, ended <-chan struct{}, tracer int) bool {
	t.Helper()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	deadline, absent := time.After(patience), 0
	for n := 1; ; n++ {
		select {
		case <-ended:
			return false
		case <-deadline:
			log, _ := os.ReadFile(u.StubLog())
			r, _ := u.record()
			t.Fatalf("%s does not end\nrecord %+v\nview:\n%s\nstub: %s", s.name, r, u.view(), log)
		case <-ticker.C:
			if s.over(u) {
				return true
			}
			if tracer == 0 {
				continue
			}
			if absent++; childOf(firstChild(tracer)) != 0 {
				absent = 0
			}
			if absent == mostAbsent {
				log, _ := os.ReadFile(u.StubLog())
				t.Errorf("no core has run for %d looks\nstub: %s", absent, log)
			}
			if n%160 == 0 {
				u.must(fsys.WriteNew(fsys.Disk{}, filepath.Join(u.Request(), fmt.Sprintf("look%d.request", n)), []byte("look\n"), 0o600))
			}
		}
	}
}

// firstChild is the stub under a tracer, 0 for none. It is a child of the thread that started it, whichever that is.
func firstChild(pid int) int {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	child := 0
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		_, _ = fmt.Sscan(string(text), &child)
	}
	return child
}

// struck runs a scene with a strike, and reports whether it came to that.
func (s scene) struck(t *testing.T, from *updating, at int, how string) bool {
	u := copied(t, from)
	cmd := u.strike(at, how)
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	fails := how != "before" && how != "after"
	tracer := 0
	if fails {
		tracer = cmd.Process.Pid
	}
	// Where it is killed this ends with it; where a call fails it goes on to the end.
	finished := s.goesOn(t, u, ended, tracer)
	if finished || fails {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-ended
	}
	reached := at > 0 && len(u.calls()) >= at
	if fails && !finished && reached {
		// A stub that cannot even begin (its lock, a folder) says so and is started again by the init system.
		t.Logf("the stub ended: %s", u.calls()[at-1])
	}
	if reached && !fails || !finished {
		u.start()
		s.goesOn(t, u, make(chan struct{}), 0)
	}
	if strings.Contains(u.past(), " release=7 ") {
		t.Error("what nobody named was run")
	}
	return reached
}

// TestStrikes: the shipped stub is killed before and after each of its durable calls of every transition,
// and each of them fails once; it ends as if nothing had happened.
func TestStrikes(t *testing.T) {
	for _, s := range scenes {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			from := s.build(t)
			u := copied(t, from)
			cmd := u.strike(0, "before")
			ended := make(chan struct{})
			go func() { _ = cmd.Wait(); close(ended) }()
			if !s.goesOn(t, u, ended, 0) {
				t.Fatal("the stub ends by itself")
			}
			calls := u.calls()
			_ = cmd.Process.Signal(syscall.SIGTERM)
			<-ended
			if len(calls) < 10 {
				t.Fatalf("only %d durable calls", len(calls))
			}
			var reached, struck atomic.Int64
			t.Cleanup(func() {
				t.Logf("%d durable calls; %d strikes, %d of them met", len(calls), struck.Load(), reached.Load())
			})
			for _, how := range []string{"before", "after", "EIO", "ENOSPC"} {
				for _, at := range chosen(len(calls)) {
					t.Run(fmt.Sprintf("%s %d", how, at), func(t *testing.T) {
						t.Parallel()
						struck.Add(1)
						if s.struck(t, from, at, how) {
							reached.Add(1)
						}
					})
				}
			}
		})
	}
}

// chosen are the points of n that are struck.
func chosen(n int) []int {
	all := rand.Perm(n)
	if *strikes > 0 && *strikes < n {
		all = all[:*strikes]
	}
	for i := range all {
		all[i]++
	}
	return all
}
