package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/confine"
	"github.com/limpet-monitoring/limpet/updater/delta"
)

// Bounds of what `patch` and `unpack` take; the stub has a deadline of its own.
const (
	patchMemory = 56 << 20 // bytes the runtime tries to stay below: 64 MB resident
	patchTime   = 5 * time.Minute
	packWindow  = 8 << 20 // bytes, docs/release-format.md
)

// patch makes a newer core out of this one, or unpacks it: `patch --codec C --base FILE --patch FILE --out FILE`, `unpack
// --codec C --from FILE --out FILE`. The stub runs it with few rights, and checks what came out. It ends when stdin does.
func patch(ctx context.Context, name string, args []string, stdin io.Reader, stderr io.Writer) int {
	delta.Sparing()
	platforms.ForgetCode() // most of what a core needs to start is not needed here
	debug.SetMemoryLimit(patchMemory)
	runtime.GOMAXPROCS(1)
	ctx, cancel := context.WithTimeout(ctx, patchTime)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, stdin)
		cancel()
	}()
	w, err := parseWork(name, args)
	if err != nil {
		return fail(stderr, err, "")
	}
	if err := w.produce(ctx); err != nil {
		return fail(stderr, errors.Join(err, os.Remove(w.out)), "")
	}
	return 0
}

// work is one core to be made. Without a base, from is a packed core.
type work struct{ codec, base, from, out string }

func parseWork(name string, args []string) (work, error) {
	var w work
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&w.codec, "codec", "", "")
	flags.StringVar(&w.out, "out", "", "")
	if name == "patch" {
		flags.StringVar(&w.base, "base", "", "")
		flags.StringVar(&w.from, "patch", "", "")
	} else {
		flags.StringVar(&w.from, "from", "", "")
	}
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		return w, fmt.Errorf("%s is called by limpet: %v %v", name, flags.Args(), err)
	}
	return w, nil
}

// confinePatch takes all rights away from a process that is to make a core out of what came over the
// network, but for reading that and its base and writing beside it. It is for main alone: it cannot be
// undone.
func confinePatch(args []string, stderr io.Writer) {
	if len(args) == 0 || args[0] != "patch" && args[0] != "unpack" {
		return
	}
	w, err := parseWork(args[0], args[1:])
	if err != nil || w.out == "" {
		return // patch says so
	}
	if err := confine.Enter(confine.Rules{Read: []string{w.base, w.from}, Write: []string{filepath.Dir(w.out)}}); err != nil {
		fmt.Fprintln(stderr, "warning: not wholly confined:", err)
	}
}

// produce writes the core.
func (w work) produce(ctx context.Context) error {
	in, err := os.Open(w.from)
	if err != nil {
		return err
	}
	defer in.Close()
	to, err := os.OpenFile(w.out, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	if w.base == "" {
		err = unpack(ctx, w.codec, in, to)
	} else {
		err = apply(ctx, w.codec, w.base, in, to)
	}
	if e := to.Close(); err == nil {
		err = e
	}
	return err
}

func apply(ctx context.Context, codec, base string, patch io.Reader, to io.Writer) error {
	old, err := os.Open(base)
	if err != nil {
		return err
	}
	defer old.Close()
	info, err := old.Stat()
	if err != nil {
		return err
	}
	return delta.Apply(ctx, codec, old, info.Size(), patch, to, delta.Limits{})
}

func unpack(ctx context.Context, codec string, in io.Reader, to io.Writer) error {
	if codec != "zstd" {
		return fmt.Errorf("unpack core: unknown codec %q", codec)
	}
	z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(packWindow))
	if err != nil {
		return fmt.Errorf("unpack core: %w", err)
	}
	defer z.Close()
	n, err := io.CopyBuffer(struct{ io.Writer }{to}, readUntil{ctx, io.LimitReader(z, delta.MaxFile+1)}, make([]byte, 64<<10))
	if err == nil && n > delta.MaxFile {
		err = fmt.Errorf("more than %d bytes", delta.MaxFile)
	}
	if err != nil {
		return fmt.Errorf("unpack core: %w", err)
	}
	return nil
}

// readUntil reads until its context ends.
type readUntil struct {
	ctx context.Context
	r   io.Reader
}

func (u readUntil) Read(b []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(b)
}
