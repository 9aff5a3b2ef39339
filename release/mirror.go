package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing"
	"github.com/limpet-monitoring/limpet/signing/repo"
	"github.com/limpet-monitoring/limpet/signing/tuf"
)

// replica copies a repository, all of it that somebody may ask for today, in the order
// that never shows a broken one: what is not listed yet first, the timestamp last.
type replica struct {
	dir, to, root string
	list, dry     bool
	from          *web // where its targets are, when dir was an address: then dir is its metadata
}

func mirrorCommand(f *flag.FlagSet) action {
	m := &replica{}
	f.StringVar(&m.dir, "dir", "", "`folder` of the repository, or its http(s) address")
	f.StringVar(&m.to, "to", "", "`folder` to copy to: a USB stick, or what a web server hands out; or NAME.hook, a program that uploads")
	f.StringVar(&m.root, "root", "", "`file` with the root that boxes trust (default: that of the copy, else the repository's own first one)")
	f.BoolVar(&m.list, "list", false, "print the files in the order in which to upload them, and copy nothing")
	f.BoolVar(&m.dry, "dry-run", false, "say what would be copied, and copy nothing")
	return func(ctx context.Context, out output) error {
		if m.to == "" && !m.list {
			return usageError("--to is missing, or --list")
		}
		if isWeb(m.dir) {
			return m.overTheWeb(ctx, out)
		}
		lock, err := m.lock()
		if err != nil {
			return err
		}
		if lock != nil {
			defer lock.Release()
		}
		return m.run(ctx, out)
	}
}

// lock keeps publishers out while files are copied: the timestamp goes last, and one of meanwhile would name what was not copied. nil where nothing
// is written, or no publisher ever was.
func (m *replica) lock() (*platforms.Lock, error) {
	file := filepath.Join(m.dir, lockFile)
	if _, err := os.Stat(file); m.dry || m.list || err != nil {
		return nil, nil
	}
	lock, err := platforms.TakeStanding(file)
	if errors.Is(err, platforms.ErrLocked) {
		return nil, fmt.Errorf("another limpet-release is at work in %s; wait for it to end", m.dir)
	}
	return lock, err
}

// overTheWeb brings the metadata of a repository behind an address to a folder of its own, and copies from there on.
func (m *replica) overTheWeb(ctx context.Context, out output) error {
	if m.hooked() {
		return usageError("a hook uploads a repository that is a folder; copy it to one with --to DIR first")
	}
	_, err := os.Stat(filepath.Join(m.to, "1.root.json"))
	if m.root == "" && err != nil && strings.HasPrefix(m.dir, "http://") {
		return usageError("over http:// say with --root which root is to be believed: whoever is in between could be anybody")
	}
	temp, err := os.MkdirTemp("", "limpet-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	from := openWeb(m.dir)
	if err := from.metadata(ctx, temp, m.to); err != nil {
		return err
	}
	m.from, m.dir = &from, temp
	return m.run(ctx, out)
}

// place is what the repository was called on the command line.
func (m *replica) place() string {
	if m.from != nil {
		return m.from.base
	}
	return m.dir
}

// read is a file of the repository.
func (m *replica) read(ctx context.Context, f served, limit int64) ([]byte, error) {
	if m.from != nil && f.sum != nil {
		return m.from.read(ctx, f.name, limit)
	}
	return fsys.Read(fsys.Disk{}, filepath.Join(m.dir, filepath.FromSlash(f.name)), limit)
}

func (m *replica) run(ctx context.Context, out output) error {
	r, err := openToRead(m.dir)
	if err != nil {
		return err
	}
	set, err := m.judge(r)
	if err != nil {
		return err
	}
	if set.Development() {
		sayDevelopment(out)
	}
	files, err := everyFile(r, set)
	if err != nil {
		return err
	}
	if m.list {
		for _, f := range files {
			out.printf("%s\n", f.name)
		}
		return nil
	}
	if m.hooked() {
		return m.hand(ctx, out, files)
	}
	return m.copy(ctx, out, files)
}

// hooked says that a program uploads.
func (m *replica) hooked() bool { return strings.HasSuffix(m.to, signing.HookEnd) }

// hand gives the files' names to a program that uploads them, one a line, in their order. It runs in the repository's folder.
func (m *replica) hand(ctx context.Context, out output, files []served) error {
	program, err := filepath.Abs(m.to)
	if err != nil {
		return err
	}
	if m.dry {
		out.printf("dry run, nothing was uploaded; else %s gets %d names\nnext: the same without --dry-run\n", m.to, len(files))
		return nil
	}
	var names strings.Builder
	for _, f := range files {
		names.WriteString(f.name + "\n")
	}
	hook := exec.CommandContext(ctx, program)
	hook.Dir, hook.Stdin, hook.Stdout, hook.Stderr = m.dir, strings.NewReader(names.String()), out.stderr, out.stderr
	if err := hook.Run(); err != nil {
		return fmt.Errorf("upload with %s: %w; what is served may lack what is new, and shows nothing broken; run it again", m.to, err)
	}
	out.printf("%s uploaded %d files\n", m.to, len(files))
	return nil
}

// judge verifies the repository as a box does that has what the copy has, so that a
// copy never goes back.
func (m *replica) judge(r *repo.Repo) (*tuf.Set, error) {
	stored := tuf.Stored{}
	root := m.root
	if m.to != "" && !m.hooked() {
		there, err := repo.Open(fsys.Disk{}, m.to, nil)
		switch {
		case err == nil:
			stored, err = there.Stored()
			if err != nil {
				return nil, err
			}
		case !errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("the copy is damaged, remove it: %w", err)
		}
	}
	if root == "" && stored["root.json"] == nil {
		root = filepath.Join(m.dir, "1.root.json")
	}
	if root != "" && stored["root.json"] == nil {
		data, err := fsys.Read(fsys.Disk{}, root, tuf.MaxRoot)
		if err != nil {
			return nil, fmt.Errorf("read root: %w", err)
		}
		stored["root.json"] = data
	}
	want := []string{"stub/"}
	for _, role := range r.Roles() {
		channel, platform, _ := strings.Cut(role, "-")
		want = append(want, tuf.CoreDir(channel, platform))
	}
	set, _, err := tuf.Refresh(stored, r.Read, time.Now(), want...)
	if err != nil {
		return nil, fmt.Errorf("%s is not to be copied: %w%s", m.place(), err, advice(err))
	}
	return set, nil
}

// served is one file of a repository; sum is nil for metadata, which judge verified.
type served struct {
	name   string // below the repository, with slashes
	length int64
	sum    *[32]byte
}

// everyFile lists what a mirror holds, in the order of uploading.
func everyFile(r *repo.Repo, set *tuf.Set) ([]served, error) {
	targets := map[string]served{}
	add := func(name string, length int64, sum [32]byte) { targets[name] = served{name, length, &sum} }
	programs, err := set.Under("stub/")
	if err != nil {
		return nil, err
	}
	for _, t := range programs {
		add(t.File, t.Length, t.SHA256)
	}
	for _, role := range r.Roles() {
		channel, platform, _ := strings.Cut(role, "-")
		cores, skipped := set.Cores(channel, platform)
		if skipped != nil {
			return nil, errors.Join(skipped...)
		}
		for _, c := range cores {
			add(c.File, c.Length, c.SHA256)
			if c.Packed != nil {
				add("targets/"+c.Packed.Path, c.Packed.Length, c.Packed.SHA256)
			}
			for _, d := range c.Deltas {
				add("targets/"+d.Path, d.Length, d.SHA256)
			}
		}
	}
	var out []served
	for _, name := range slices.Sorted(maps.Keys(targets)) {
		out = append(out, targets[name])
	}
	for _, name := range r.Metadata() {
		out = append(out, served{name: name})
	}
	return out, nil
}

func (m *replica) copy(ctx context.Context, out output, files []served) error {
	bar := out.progress(len(files))
	defer bar.close()
	var copied, bytes int64
	for _, f := range files {
		if ctx.Err() != nil {
			return errors.New("interrupted; the copy is as it was, but for files that nothing lists yet")
		}
		bar.begin(f.name)
		n, err := m.copyOne(ctx, f)
		if err != nil {
			return err
		}
		if n > 0 {
			copied, bytes = copied+1, bytes+n
		}
		bar.step()
	}
	bar.close()
	next := "next: limpet-release verify --dir " + m.to
	switch {
	case copied == 0:
		out.printf("nothing to copy: %s has it all\n%s\n", m.to, next)
	case m.dry:
		out.printf("dry run, nothing was written; else copied: %d of %d files, %d bytes\nnext: the same without --dry-run\n", copied, len(files), bytes)
	default:
		out.printf("copied %d of %d files, %d bytes\n%s\n", copied, len(files), bytes, next)
	}
	return nil
}

// copyOne copies one file that is not there already, and returns its length if it did.
func (m *replica) copyOne(ctx context.Context, f served) (int64, error) {
	limit := f.length
	if f.sum == nil {
		limit = tuf.MaxTargets
	}
	to := filepath.Join(m.to, filepath.FromSlash(f.name))
	if f.sum != nil && m.from != nil { // not fetched again
		if old, err := fsys.Read(fsys.Disk{}, to, f.length); err == nil && sha256.Sum256(old) == *f.sum {
			return 0, nil
		}
	}
	data, err := m.read(ctx, f, limit)
	if err != nil {
		return 0, fmt.Errorf("copy %s: %w", f.name, err)
	}
	if f.sum != nil && sha256.Sum256(data) != *f.sum {
		return 0, fmt.Errorf("copy %s: its hash is not what was signed", f.name)
	}
	if old, err := fsys.Read(fsys.Disk{}, to, int64(len(data))); err == nil && string(old) == string(data) {
		return 0, nil
	}
	if m.dry {
		return int64(len(data)), nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return 0, fmt.Errorf("copy %s: %w", f.name, err)
	}
	return int64(len(data)), fsys.WriteNew(fsys.Disk{}, to, data, 0o644)
}
