package main

import (
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/limpet-monitoring/limpet/signing/repo"
	"github.com/limpet-monitoring/limpet/signing/tuf"
	"github.com/limpet-monitoring/limpet/updater/delta"
	"github.com/limpet-monitoring/limpet/updater/delta/encode"
)

// defaultLast is how many releases back deltas are made from when nobody says.
const defaultLast = 3

// words is a flag that may be repeated.
type words []string

func (w *words) String() string { return "" }

func (w *words) Set(s string) error {
	if s == "" {
		return errors.New("it is empty")
	}
	*w = append(*w, s)
	return nil
}

// ways is what publish, promote and delta make for a core, so that less than all of
// it has to travel: one packed file, and deltas from older releases.
type ways struct {
	last   int
	base   words // versions, or beginnings of hashes
	codecs words // to try; empty = all that this tool knows
}

func wayFlags(f *flag.FlagSet) *ways {
	w := &ways{}
	f.IntVar(&w.last, "last", defaultLast, "make deltas from so many `releases` before this one in its channel")
	f.Var(&w.base, "base", "make a delta from this `version` too, whatever its channel, or from the core whose SHA-256 begins so; may be repeated")
	f.Var(&w.codecs, "codec", "try this delta `codec` only; may be repeated (default: "+strings.Join(delta.Codecs(), ", ")+")")
	return w
}

func (w *ways) check() error {
	if w.last < 0 {
		return usageError("--last is below 0")
	}
	for _, codec := range w.codecs {
		if !slices.Contains(delta.Codecs(), codec) {
			return usageError(fmt.Sprintf("codec %q is not known; these are: %s", codec, strings.Join(delta.Codecs(), ", ")))
		}
	}
	if w.codecs == nil {
		w.codecs = delta.Codecs()
	}
	return nil
}

// attempt is one way that was tried, for people to see.
type attempt struct {
	core   tuf.Core
	from   string // version of the base, or "" for the packed file
	codec  string
	length int
	spent  time.Duration
	left   string // why it was left out; "" = listed
}

// task is one way to make.
type task struct {
	core tuf.Core
	base *tuf.Core // nil: the packed file
}

// add makes and lists what the cores of a version in a channel do not have yet, and
// prints what became of it. Deltas that exist are not made again.
func (w *ways) add(ctx context.Context, r *repo.Repo, channel, version string, out output) error {
	cores, err := r.Cores()
	if err != nil {
		return err
	}
	tasks, err := w.tasks(cores, channel, version)
	if err != nil || len(tasks) == 0 {
		return err
	}
	bar := out.progress(len(tasks))
	var tried []attempt
	for _, t := range tasks {
		if ctx.Err() != nil {
			bar.close()
			return errors.New("interrupted; nothing was published")
		}
		bar.begin(t.label())
		more, err := w.make(r, t)
		if err != nil {
			bar.close()
			return err
		}
		tried = append(tried, more...)
		bar.step()
	}
	bar.close()
	return printAttempts(out, tried)
}

func (t task) label() string {
	if t.base == nil {
		return t.core.Platform + " packed"
	}
	return t.core.Platform + " from " + t.base.Version
}

// tasks lists what is missing: per core the packed file first, since no delta longer
// than it is kept, then the bases from the newest on.
func (w *ways) tasks(cores []tuf.Core, channel, version string) ([]task, error) {
	var out []task
	found := map[string]bool{}
	for _, c := range cores {
		if c.Channel != channel || c.Version != version {
			continue
		}
		if c.Packed == nil {
			out = append(out, task{core: c})
		}
		for _, base := range w.bases(cores, c) {
			for _, name := range w.base {
				found[name] = found[name] || names(name, base)
			}
			if !slices.ContainsFunc(c.Deltas, func(d tuf.Delta) bool { return d.From == base.SHA256 }) {
				out = append(out, task{c, &base})
			}
		}
	}
	for _, name := range w.base {
		if !found[name] {
			return nil, fmt.Errorf("make delta from %s: it is not listed for any platform of this release", name)
		}
	}
	return out, nil
}

// bases are the cores to start from: the last ones of the same channel, and those
// named. Cores are ordered, the highest counter first.
func (w *ways) bases(cores []tuf.Core, c tuf.Core) []tuf.Core {
	var out []tuf.Core
	last := 0
	for _, b := range cores {
		if b.Platform != c.Platform || b.SHA256 == c.SHA256 || slices.ContainsFunc(out, func(o tuf.Core) bool { return o.SHA256 == b.SHA256 }) {
			continue
		}
		recent := b.Channel == c.Channel && b.Counter < c.Counter && last < w.last
		if recent {
			last++
		}
		if recent || slices.ContainsFunc(w.base, func(name string) bool { return names(name, b) }) {
			out = append(out, b)
		}
	}
	return out
}

// minHash is the shortest beginning of a hash that names a core, in hex digits.
const minHash = 8

// names reports whether a name on the command line means a core.
func names(name string, c tuf.Core) bool {
	return name == c.Version || len(name) >= minHash && strings.HasPrefix(hex.EncodeToString(c.SHA256[:]), name)
}

// make makes one way and lists it when it is worth having.
func (w *ways) make(r *repo.Repo, t task) ([]attempt, error) {
	data, err := r.Bytes(t.core)
	if err != nil {
		return nil, err
	}
	if t.base == nil {
		return makePacked(r, t.core, data)
	}
	base, err := r.Bytes(*t.base)
	if err != nil {
		return nil, err
	}
	limit, err := shortest(r, t.core)
	if err != nil {
		return nil, err
	}
	return w.makeDelta(r, t, base, data, limit)
}

func makePacked(r *repo.Repo, core tuf.Core, data []byte) ([]attempt, error) {
	began := time.Now()
	packed, err := pack(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", core.Path, err)
	}
	a := attempt{core: core, codec: packCodec, length: len(packed), spent: time.Since(began)}
	if len(packed) >= len(data) {
		a.left = "not smaller than the core"
		return []attempt{a}, nil
	}
	return []attempt{a}, r.SetPacked(core, packCodec, packed)
}

// shortest is how long the shortest way is that needs no base.
func shortest(r *repo.Repo, core tuf.Core) (int64, error) {
	cores, err := r.Cores() // anew: the packed file may have come since
	if err != nil {
		return 0, err
	}
	for _, c := range cores {
		if c.Path == core.Path && c.Packed != nil {
			return c.Packed.Length, nil
		}
	}
	return core.Length, nil
}

// makeDelta tries every codec that the base decodes, each proved by encode.Make, and
// lists the smallest patch.
func (w *ways) makeDelta(r *repo.Repo, t task, base, data []byte, limit int64) ([]attempt, error) {
	var tried []attempt
	best, patch := -1, []byte(nil)
	for _, codec := range delta.Codecs() {
		if !slices.Contains(w.codecs, codec) || !slices.Contains(t.base.Codecs, codec) {
			continue
		}
		began := time.Now()
		p, err := encode.Make(codec, base, data)
		a := attempt{core: t.core, from: t.base.Version, codec: codec, length: len(p), spent: time.Since(began)}
		switch {
		case err != nil: // too much for a decoder, say; another codec, or the packed file, does it
			a.length, a.left = 0, err.Error()
		case int64(len(p)) >= limit:
			a.left = "not smaller than the whole core"
		case best >= 0 && len(p) >= len(patch):
			a.left = "another codec does better"
		default:
			if best >= 0 {
				tried[best].left = "another codec does better"
			}
			best, patch = len(tried), p
		}
		tried = append(tried, a)
	}
	if len(tried) == 0 {
		return []attempt{{core: t.core, from: t.base.Version, codec: "-", left: "that release decodes none of the codecs"}}, nil
	}
	if best < 0 {
		return tried, nil
	}
	return tried, r.AddDelta(t.core, t.base.SHA256, tried[best].codec, patch)
}

// printAttempts is the table of bases, sizes and times.
func printAttempts(out output, tried []attempt) error {
	table := tabwriter.NewWriter(out.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PLATFORM\tFROM\tCODEC\tBYTES\tOF CORE\tSECONDS\t")
	for _, a := range tried {
		from, note := a.from, "listed"
		if from == "" {
			from = "(nothing)"
		}
		if a.left != "" {
			note = "left out: " + a.left
		}
		if a.length == 0 {
			fmt.Fprintf(table, "%s\t%s\t%s\t-\t-\t-\t%s\n", a.core.Platform, from, a.codec, note)
			continue
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%.2f %%\t%.1f\t%s\n", a.core.Platform, from, a.codec,
			a.length, 100*float64(a.length)/float64(a.core.Length), a.spent.Seconds(), note)
	}
	return table.Flush()
}
