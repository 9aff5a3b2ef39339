// Command deltabench compares the codecs of package delta with bsdiff, bsdiff recompressed with xz, and zstd: sizes, and time and
// memory of the processes that make a patch and apply it (`limpet-core patch`). It needs bsdiff, xz and zstd in PATH.
//
//	deltabench                     the programs that docs/delta-format.md has measures for, with their limits; 1 when one is missed
//	deltabench -quick              three of them
//	deltabench -only TEXT          those of them that have it in their name
//	deltabench OLD:NEW ...         any files, without limits
//
// The programs are built once, below .cache/deltabench, from their released versions. bsdiff takes about 20 times the size of the
// old file in memory.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/limpet-monitoring/limpet/updater/delta"
	"github.com/limpet-monitoring/limpet/updater/delta/encode"
)

const cache = ".cache/deltabench"

func main() {
	quick := flag.Bool("quick", false, "three pairs instead of all")
	only := flag.String("only", "", "pairs with this in their name alone")
	meter := flag.Bool("meter", false, "run a command and say what it took (what deltabench starts itself as)")
	make := flag.Bool("make", false, "make a go1 patch: OLD NEW PATCH (as well)")
	flag.Parse()
	var err error
	switch {
	case *meter:
		err = report(flag.Args())
	case *make:
		err = makePatch(flag.Arg(0), flag.Arg(1), flag.Arg(2))
	default:
		err = compare(*quick, *only, flag.Args())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// makePatch is what limpet-release does for one delta, so that its memory can be measured.
func makePatch(oldPath, newPath, patchPath string) error {
	old, err := os.ReadFile(oldPath)
	if err != nil {
		return err
	}
	new, err := os.ReadFile(newPath)
	if err != nil {
		return err
	}
	patch, err := encode.Make(delta.Go1, old, new)
	if err != nil {
		return err
	}
	return os.WriteFile(patchPath, patch, 0o600)
}

func compare(quick bool, only string, args []string) error {
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(cache, "work-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	core := filepath.Join(dir, "limpet-core")
	if err := goBuild(core, ".", nil, "./core"); err != nil {
		return err
	}
	list := slices.DeleteFunc(corpus(quick), func(p pair) bool { return !strings.Contains(p.name, only) })
	if len(list) == 0 {
		return fmt.Errorf("no pair has %q in its name", only)
	}
	if len(args) > 0 {
		if list, err = named(args); err != nil {
			return err
		}
	}
	fmt.Println("| pair | new file | bsdiff | bsdiff, xz | zstd -19 | `zstd` | `go1` | go1 / bsdiff | limit | make | apply | kept |")
	fmt.Println("|---|--:|--:|--:|--:|--:|--:|--:|---|--:|--:|---|")
	missed := 0
	for _, p := range list {
		if err := p.build(&p); err != nil {
			return fmt.Errorf("build %s: %w", p.name, err)
		}
		m, err := measure(dir, core, p)
		if err != nil {
			return fmt.Errorf("measure %s: %w", p.name, err)
		}
		text, ok := m.row(p)
		fmt.Println(text)
		if !ok {
			missed++
		}
	}
	if missed > 0 {
		return fmt.Errorf("%d of %d pairs miss a limit", missed, len(list))
	}
	return nil
}

// named are the pairs of a command line.
func named(args []string) ([]pair, error) {
	var list []pair
	for _, arg := range args {
		old, new, ok := strings.Cut(arg, ":")
		if !ok {
			return nil, fmt.Errorf("read pair %q: it has no colon", arg)
		}
		list = append(list, pair{name: filepath.Base(old) + " to " + filepath.Base(new), old: old, new: new, build: func(*pair) error { return nil }})
	}
	return list, nil
}
