package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// cutFile says what a folder of built programs is; it is written last. billFile says
// what they are made of.
const (
	cutFile  = "cut.json"
	billFile = "sbom.cdx.json"
)

// maxCutFile is the longest cut.json taken, in bytes.
const maxCutFile = 1 << 20

var (
	cutVersion  = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$`)
	cutPlatform = regexp.MustCompile(`^[a-z0-9]{1,16}-[a-z0-9]{1,16}$`)
)

// programs are what a release consists of, and where their source lies.
var programs = []struct{ name, pkg string }{
	{"limpet-core", "./core"},
	{"limpet", "./stub"},
	{"limpet-fetch", "./stub/fetch"},
}

// cut is a folder of programs that were built twice, byte for byte the same.
type cut struct {
	Format  int       `json:"format"` // 1
	Version string    `json:"version"`
	Commit  string    `json:"commit"`
	Go      string    `json:"go"` // the compiler, such as "go1.26.0"
	Files   []cutting `json:"files"`
}

// cutting is one program of a cut.
type cutting struct {
	Platform string `json:"platform"`
	Program  string `json:"program"`
	Length   int64  `json:"length"`
	SHA256   string `json:"sha256"`
}

func (c cutting) path(dir string) string { return filepath.Join(dir, c.Platform, c.Program) }

// readCut reads a folder that cut made, and holds every file against its hash.
func readCut(dir string) (cut, error) {
	data, err := fsys.Read(fsys.Disk{}, filepath.Join(dir, cutFile), maxCutFile)
	if err != nil {
		return cut{}, fmt.Errorf("read cut: %w", err)
	}
	var c cut
	if err := json.Unmarshal(data, &c); err != nil {
		return cut{}, fmt.Errorf("read cut %s: %w", dir, err)
	}
	if c.Format != 1 || !cutVersion.MatchString(c.Version) {
		return cut{}, fmt.Errorf("read cut %s: it is of another limpet-release", dir)
	}
	for _, f := range c.Files {
		known := slices.ContainsFunc(programs, func(p struct{ name, pkg string }) bool { return p.name == f.Program })
		if !known || !cutPlatform.MatchString(f.Platform) {
			return cut{}, fmt.Errorf("read cut %s: %s for %s is no program of a release", dir, f.Program, f.Platform)
		}
		content, err := fsys.Read(fsys.Disk{}, f.path(dir), maxFile)
		if err != nil {
			return cut{}, fmt.Errorf("read cut: %w", err)
		}
		if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != f.SHA256 {
			return cut{}, fmt.Errorf("read cut: %s was changed since it was built", f.path(dir))
		}
	}
	return c, nil
}

// cutting asked for on the command line.
type order struct {
	source, commit, out, version string
	platforms                    words
	all, coreOnly, dry           bool
}

func cutCommand(f *flag.FlagSet) action {
	o := &order{}
	f.StringVar(&o.source, "source", ".", "`folder` of a git checkout")
	f.StringVar(&o.commit, "commit", "HEAD", "`commit` to build; what is not committed is not in it")
	f.StringVar(&o.out, "out", "", "`folder` for the programs")
	f.StringVar(&o.version, "version", "", "`version` to build in")
	f.Var(&o.platforms, "platform", "`GOOS-GOARCH` to build for; may be repeated (default: this machine's)")
	f.BoolVar(&o.all, "all", false, "build for every platform of a release: "+strings.Join(releasePlatforms, " "))
	f.BoolVar(&o.dry, "dry-run", false, "say what would be built, and build nothing")
	f.BoolVar(&o.coreOnly, "core-only", false, "build limpet-core alone, not limpet and limpet-fetch")
	return func(ctx context.Context, out output) error {
		if err := o.check(); err != nil {
			return err
		}
		return o.cut(ctx, out)
	}
}

func (o *order) check() error {
	switch {
	case o.out == "":
		return usageError("--out is missing")
	case o.version == "":
		return usageError("--version is missing")
	case !cutVersion.MatchString(o.version):
		return usageError(fmt.Sprintf("version %q: use letters, digits, dots, dashes, at most 64", o.version))
	}
	if o.all && o.platforms != nil {
		return usageError("--all is every platform; give it without --platform")
	}
	if o.all {
		o.platforms = slices.Clone(releasePlatforms)
	}
	if o.platforms == nil {
		o.platforms = words{runtime.GOOS + "-" + runtime.GOARCH}
	}
	for _, p := range o.platforms {
		if !cutPlatform.MatchString(p) {
			return usageError(fmt.Sprintf("platform %q: it is GOOS-GOARCH, such as linux-amd64", p))
		}
	}
	slices.Sort(o.platforms)
	o.platforms = slices.Compact(o.platforms)
	return nil
}

func (o *order) cut(ctx context.Context, out output) error {
	commit, err := resolve(ctx, o.source, o.commit)
	if err != nil {
		return err
	}
	next := fmt.Sprintf("next: limpet-release publish --cut %s --dir REPO --keys KEYDIR\n", o.out)
	if there, err := o.there(commit); err != nil {
		return err
	} else if there {
		out.printf("nothing to build: %s is a cut of %s already\n%s", o.out, o.version, next)
		return nil
	}
	if o.dry {
		out.printf("dry run, nothing was built; else: %s of %s from %.12s, for %s\nnext: the same without --dry-run\n",
			count(len(o.programs()), "program"), o.version, commit, strings.Join(o.platforms, ", "))
		return nil
	}
	if changed(ctx, o.source) {
		out.note("note: the source has changes that are not committed; they are not in this cut")
	}
	made, err := o.build(ctx, commit, out)
	if err != nil {
		return err
	}
	for _, f := range made.Files {
		out.printf("%s  %s/%s  %d bytes\n", f.SHA256, f.Platform, f.Program, f.Length)
	}
	out.printf("built %s twice from %.12s with %s: byte for byte the same\n%s", o.version, commit, made.Go, next)
	return nil
}

// there reports whether the folder is just this cut already. One of something else
// is not overwritten.
func (o *order) there(commit string) (bool, error) {
	c, err := readCut(o.out)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(filepath.Join(o.out, cutFile)); err == nil {
			return false, fmt.Errorf("%s lacks files of its cut; choose another folder, or remove it", o.out)
		}
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if c.Version != o.version || c.Commit != commit {
		return false, fmt.Errorf("%s is a cut of %s from %.12s; choose another folder", o.out, c.Version, c.Commit)
	}
	for _, platform := range o.platforms {
		for _, p := range o.programs() {
			if !slices.ContainsFunc(c.Files, func(f cutting) bool { return f.Platform == platform && f.Program == p.name }) {
				return false, fmt.Errorf("%s is a cut of %s without %s for %s; choose another folder", o.out, c.Version, p.name, platform)
			}
		}
	}
	return true, nil
}

func (o *order) programs() []struct{ name, pkg string } {
	if o.coreOnly {
		return programs[:1]
	}
	return programs
}

// build builds every program in two places, compares, and writes the folder.
func (o *order) build(ctx context.Context, commit string, out output) (cut, error) {
	one, err := newWorkshop(ctx, o.source, commit, "one", false)
	if err != nil {
		return cut{}, err
	}
	defer one.close()
	two, err := newWorkshop(ctx, o.source, commit, "the-second-place", true)
	if err != nil {
		return cut{}, err
	}
	defer two.close()
	made := cut{Format: 1, Version: o.version, Commit: commit}
	if made.Go, err = one.compiler(ctx); err != nil {
		return cut{}, err
	}
	bill := newBill(o.version)
	bar := out.progress(2 * len(o.platforms) * len(o.programs()))
	defer bar.close()
	for _, platform := range o.platforms {
		for _, p := range o.programs() {
			data, err := o.twice(ctx, bar, platform, p.name, p.pkg, one, two)
			if err != nil {
				return cut{}, err
			}
			sum := sha256.Sum256(data)
			f := cutting{platform, p.name, int64(len(data)), hex.EncodeToString(sum[:])}
			if err := writeProgram(f.path(o.out), data); err != nil {
				return cut{}, err
			}
			if err := bill.add(platform+"/"+p.name, data); err != nil {
				return cut{}, err
			}
			made.Files = append(made.Files, f)
		}
	}
	text, err := bill.text()
	if err != nil {
		return cut{}, err
	}
	if err := fsys.WriteNew(fsys.Disk{}, filepath.Join(o.out, billFile), text, 0o644); err != nil {
		return cut{}, err
	}
	return made, made.write(o.out)
}

func count(n int, word string) string {
	if n != 1 {
		word += "s"
	}
	return fmt.Sprintf("%d %s", n, word)
}

// twice builds one program in both places.
func (o *order) twice(ctx context.Context, bar *progress, platform, name, pkg string, places ...*workshop) ([]byte, error) {
	var first []byte
	for i, place := range places {
		bar.begin(fmt.Sprintf("%s for %s, build %d", name, platform, i+1))
		data, err := place.build(ctx, platform, pkg, o.version)
		if err != nil {
			return nil, fmt.Errorf("build %s for %s: %w", name, platform, err)
		}
		if i > 0 && !bytes.Equal(first, data) {
			return nil, fmt.Errorf("build %s for %s: two builds of one commit differ from byte %d on (of %d and %d); nothing of it may be published",
				name, platform, differ(first, data), len(first), len(data))
		}
		first = data
		bar.step()
	}
	return first, nil
}

// differ is where two files begin to differ.
func differ(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

func writeProgram(name string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return fmt.Errorf("make folder for programs: %w", err)
	}
	return fsys.WriteNew(fsys.Disk{}, name, data, 0o755)
}

// write puts SHA256SUMS, for `sha256sum -c`, and last the word what this is.
func (c cut) write(dir string) error {
	var sums strings.Builder
	for _, f := range c.Files {
		fmt.Fprintf(&sums, "%s  %s/%s\n", f.SHA256, f.Platform, f.Program)
	}
	if err := fsys.WriteNew(fsys.Disk{}, filepath.Join(dir, "SHA256SUMS"), []byte(sums.String()), 0o644); err != nil {
		return err
	}
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("describe cut: %w", err)
	}
	return fsys.WriteNew(fsys.Disk{}, filepath.Join(dir, cutFile), append(text, '\n'), 0o644)
}
