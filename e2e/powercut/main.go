//go:build linux

// Command powercut is `make powercut`: the built stub and core go through updates, a bad release, the way back and forward
// again, on real file systems, and the power fails at moments by chance. It needs root, for loop devices and mounts, and is
// started with a view of the mounts of its own (unshare -m), which ends with it.
//
// A power cut here is what a disk with a cache leaves: below each file system lies a block device of our own (a file served
// over FUSE, under a loop device), which writes down every write and every flush. What the file system flushed is kept; of
// what it only wrote each sector is kept or lost, in any combination. One recording so serves for any number of cuts. The
// image is then mounted, which replays its journal, the stub started on it as after a boot, and what becomes of the box held
// against the rules of SWAP: something that verifies runs, nothing rejected starts again, nothing healthy is barred, starts
// are capped, it settles, and what was committed before the cut is what runs first.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"
)

// options are what is asked for.
type options struct {
	cuts int
	fs   string
	seed uint64
	keep string
	// unsynced is a stub that must not pass.
	unsynced bool
	hub      bool // the hub's disk is cut instead of the box's
}

func main() {
	if len(os.Args) > 3 && os.Args[1] == asUnsynced {
		if err := forgetSyncs(); err != nil {
			fail(err)
		}
		os.Args[1] = asBooted
	}
	if len(os.Args) > 3 && os.Args[1] == asBooted {
		fail(becomeStub(os.Args[2:]))
	}
	var o options
	flag.IntVar(&o.cuts, "cuts", 6, "power cuts on each file system")
	flag.StringVar(&o.fs, "fs", "ext4,xfs,btrfs", "file systems")
	flag.Uint64Var(&o.seed, "seed", 0, "of the schedule, to repeat one; 0 = by chance")
	flag.StringVar(&o.keep, "keep", "", "leave everything in this folder")
	flag.BoolVar(&o.unsynced, "unsynced", false, "the stub's syncs do nothing until the power fails: a test of the test, which must find violations")
	flag.BoolVar(&o.hub, "hub", false, "the hub's data lies on the disk that is cut, while agents send it results")
	flag.Parse()
	if o.seed == 0 {
		o.seed = rand.Uint64()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "error:", err)
	os.Exit(1)
}

func run(ctx context.Context, o options) error {
	if os.Geteuid() != 0 {
		return errors.New("file systems are made and mounted here: run it as root")
	}
	dir := o.keep
	if dir == "" {
		temp, err := os.MkdirTemp("", "limpet-powercut-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(temp)
		dir = temp
	}
	if o.hub {
		return hubs(ctx, o, dir)
	}
	p, err := newPublisher(ctx, dir)
	if err != nil {
		return err
	}
	fmt.Printf("seed %d, %d power cuts on each of %s\n", o.seed, o.cuts, o.fs)
	var all sync.WaitGroup
	var guard sync.Mutex // of what follows
	var errs []error
	for _, name := range strings.Split(o.fs, ",") {
		all.Go(func() {
			err := safely(func() error { return onOne(ctx, name, o, p, filepath.Join(dir, name)) })
			guard.Lock()
			defer guard.Unlock()
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// safely makes an error of a panic: a process that ends while a file system of its own device is mounted cannot end, since the
// kernel waits for the device. (After a kill -9, abort in /sys/fs/fuse/connections ends that.)
func safely(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return f()
}

// named is a file system that can be made here.
func named(name string) (filesystem, error) {
	for _, f := range filesystems {
		if f.name == name {
			return f, f.usable()
		}
	}
	return filesystem{}, errors.New("not a file system that is known here")
}

// onOne records a box on one kind of file system, and has the power fail.
func onOne(ctx context.Context, name string, o options, p *publisher, dir string) error {
	fs, err := named(name)
	if err != nil {
		return err
	}
	if err := mkdirs(dir); err != nil {
		return err
	}
	say := func(format string, args ...any) { fmt.Printf("%-6s %s\n", name, fmt.Sprintf(format, args...)) }
	t, err := record(ctx, fs, p, dir, o.unsynced, say)
	if err != nil {
		return err
	}
	defer t.device.close()
	rnd := rand.New(rand.NewPCG(o.seed, 5))
	violated := 0
	for i, c := range schedule(t, o.cuts, rnd) {
		began := time.Now()
		l, wrong, err := c.after(ctx, fs, t, p, dir)
		if err != nil {
			return fmt.Errorf("cut %d, at %d: %w", i+1, c.at, err)
		}
		say("cut %d, in %s, at operation %d (%v): %d violations, %v", i+1, story[c.stage].name, c.at, l, len(wrong), time.Since(began).Round(time.Second))
		for _, w := range wrong {
			say("VIOLATED: %s", w)
		}
		violated += len(wrong)
	}
	if violated > 0 {
		return fmt.Errorf("%d violations", violated)
	}
	say("%d power cuts, 0 violations", o.cuts)
	return nil
}
