package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/limpet-monitoring/limpet/signing/tuf"
	"github.com/limpet-monitoring/limpet/updater/fetch"
)

// get brings one core that the stub's metadata lists into part/: as a patch for the base that is here
// (part/HASH.patch), else packed (part/HASH.packed), else as it is (part/HASH). Each that cannot be
// had gives way to the next. The core that runs here makes the core of a patch and of a packed file:
// it knows more codecs than a program that is never replaced.
func get(ctx context.Context, args []string, stdin io.Reader, out io.Writer) error {
	e, err := parseErrand("get", args)
	if err != nil {
		return err
	}
	defer e.lock.Release()
	ctx, cancel := leashed(ctx, stdin)
	defer cancel()
	core, err := e.listed()
	if err != nil {
		return err
	}
	mirrors, err := e.mirrors()
	if err != nil {
		return err
	}
	if err := e.clean(); err != nil {
		return err
	}
	for _, way := range e.ways(core) {
		line, tried := "", error(nil)
		for _, m := range mirrors {
			if line, tried = way(ctx, m, core); tried == nil {
				fmt.Fprintln(out, line)
				return nil
			}
			if err == nil || !errors.Is(tried, errNotThisWay) {
				err = tried
			}
			if ctx.Err() != nil {
				return err
			}
		}
	}
	return err
}

type way func(ctx context.Context, m *fetch.Mirror, c tuf.Core) (line string, err error)

// errNotThisWay is the cause when the publisher offers no such file.
var errNotThisWay = errors.New("not offered")

// ways are how a core may come, the cheapest first.
func (e *errand) ways(c tuf.Core) []way {
	var list []way
	for _, d := range c.Deltas {
		if e.base != "" && fmt.Sprintf("%x", d.From) == e.base && d.Length < c.Length {
			list = append(list, func(ctx context.Context, m *fetch.Mirror, c tuf.Core) (string, error) { return e.delta(ctx, m, d) })
		}
	}
	if !e.plain {
		list = append(list, e.packed)
	}
	return append(list, e.full)
}

func (e *errand) part(suffix string) string { return filepath.Join(e.layout.Part(), e.hash+suffix) }

func (e *errand) delta(ctx context.Context, m *fetch.Mirror, d tuf.Delta) (string, error) {
	want := fetch.Want{Name: "targets/" + d.Path, Length: d.Length, SHA256: d.SHA256}
	if err := m.Large(ctx, want, e.part(".patch"), comeAgain()); err != nil {
		return "", errors.Join(err, removeIfThere(e.part(".patch")))
	}
	return fmt.Sprintf("delta %d %s", d.Length, d.Codec), nil
}

func (e *errand) packed(ctx context.Context, m *fetch.Mirror, c tuf.Core) (string, error) {
	p := c.Packed
	if p == nil || p.Length >= c.Length {
		return "", errNotThisWay
	}
	want := fetch.Want{Name: "targets/" + p.Path, Length: p.Length, SHA256: p.SHA256}
	if err := m.Large(ctx, want, e.part(".packed"), comeAgain()); err != nil {
		return "", errors.Join(err, removeIfThere(e.part(".packed")))
	}
	return fmt.Sprintf("packed %d %s", p.Length, p.Codec), nil
}

func (e *errand) full(ctx context.Context, m *fetch.Mirror, c tuf.Core) (string, error) {
	want := fetch.Want{Name: c.File, Length: c.Length, SHA256: c.SHA256}
	if err := m.Large(ctx, want, e.part(""), comeAgain()); err != nil {
		return "", err
	}
	return fmt.Sprintf("full %d", c.Length), nil
}
