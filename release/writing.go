package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing/repo"
)

// maxFile is the longest program taken, in bytes.
const maxFile = 256 << 20

// defaultSoak is how long a trial is watched when the publisher says nothing.
const defaultSoak = 5 * time.Minute

// place is where the writing commands work.
type place struct {
	dir  string
	keys string
}

func placeFlags(f *flag.FlagSet) *place {
	p := &place{}
	f.StringVar(&p.dir, "dir", "", "`folder` of the repository")
	f.StringVar(&p.keys, "keys", "", "`folder` of the key files")
	return p
}

func (p *place) check() error {
	switch {
	case p.dir == "":
		return usageError("--dir is missing")
	case p.keys == "":
		return usageError("--keys is missing")
	}
	return nil
}

// lock makes this process the repository's only writer.
func (p *place) lock() (*platforms.Lock, error) {
	l, err := platforms.Take(filepath.Join(p.dir, ".lock"))
	if errors.Is(err, platforms.ErrLocked) {
		return nil, fmt.Errorf("another limpet-release is writing to %s; wait for it to end", p.dir)
	}
	return l, err
}

// open opens the repository for writing, with the keys it calls for.
func (p *place) open(out output) (*repo.Repo, error) {
	look, err := repo.Open(fsys.Disk{}, p.dir, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no repository in %s; make one with limpet-release init", p.dir)
	}
	if err != nil {
		return nil, err
	}
	keys := keyDir(p.keys).production
	if look.Set().Development() {
		keys = keyDir(p.keys).development
		sayDevelopment(out)
	}
	return repo.Open(fsys.Disk{}, p.dir, keys)
}

// write runs change on the opened repository, under its lock.
func (p *place) write(out output, change func(*repo.Repo) error) error {
	if err := p.check(); err != nil {
		return err
	}
	if _, err := os.Stat(p.dir); err != nil {
		return fmt.Errorf("there is no repository in %s; make one with limpet-release init", p.dir)
	}
	lock, err := p.lock()
	if err != nil {
		return err
	}
	defer lock.Release()
	r, err := p.open(out)
	if err != nil {
		return err
	}
	return change(r)
}

func sayDevelopment(out output) {
	out.note("note: this is a development repository; its keys protect nobody, use it for nothing but trying things out")
}

func initCommand(f *flag.FlagSet) action {
	p := placeFlags(f)
	development := f.Bool("development", false, "make development keys, which lie unprotected in the key folder")
	return func(_ context.Context, out output) error {
		if err := p.check(); err != nil {
			return err
		}
		if !*development {
			return errors.New("keys for real releases need a ceremony, which this version does not have yet; add --development to try things out")
		}
		if err := os.MkdirAll(p.dir, 0o755); err != nil {
			return fmt.Errorf("make repository folder: %w", err)
		}
		lock, err := p.lock()
		if err != nil {
			return err
		}
		defer lock.Release()
		return p.init(out)
	}
}

func (p *place) init(out output) error {
	keys := keyDir(p.keys)
	r, err := repo.Open(fsys.Disk{}, p.dir, keys.development)
	switch {
	case err == nil && !r.Set().Development():
		return fmt.Errorf("%s holds a repository already, and not a development one; choose another folder", p.dir)
	case err == nil:
		for _, role := range topRoles {
			if _, err := keys.development(role); err != nil {
				return fmt.Errorf("the repository in %s is there, but not all of its keys: %w", p.dir, err)
			}
		}
		sayDevelopment(out)
		out.printf("%s is there already, nothing changed\nnext: limpet-release publish --dir %s --keys %s --version V --core GOOS-GOARCH=FILE\n", p.dir, p.dir, p.keys)
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	for _, role := range topRoles {
		key, err := keys.ensure(role)
		if err != nil {
			return err
		}
		if !key.Development() {
			return fmt.Errorf("%s is not a development key; choose another key folder", keys.file(role))
		}
	}
	if r, err = repo.Create(fsys.Disk{}, p.dir, keys.development, true); err != nil {
		return err
	}
	if _, err := r.Commit(time.Now()); err != nil {
		return err
	}
	sayDevelopment(out)
	out.printf("made a repository in %s, its keys are in %s\nnext: limpet-release publish --dir %s --keys %s --version V --core GOOS-GOARCH=FILE\n", p.dir, p.keys, p.dir, p.keys)
	return nil
}

func refreshCommand(f *flag.FlagSet) action {
	p := placeFlags(f)
	return func(ctx context.Context, out output) error {
		return p.write(out, func(r *repo.Repo) error {
			now := time.Now()
			r.Refresh(now)
			if err := commit(ctx, r, now); err != nil {
				return err
			}
			out.printf("signed anew; ")
			first := r.Set().Expiries()[1] // the timestamp's life is the shortest
			for _, e := range r.Set().Expiries() {
				if e.Expires.Before(first.Expires) {
					first = e
				}
			}
			out.printf("%s expires first, at %s\nnext: limpet-release refresh again before %s\n", first.Role, stamp(first.Expires), stamp(first.Warn))
			return nil
		})
	}
}

// commit is the point of no return: an interrupt before it leaves all as it was.
func commit(ctx context.Context, r *repo.Repo, now time.Time) error {
	if ctx.Err() != nil {
		return errors.New("interrupted; nothing was published")
	}
	_, err := r.Commit(now)
	return err
}

// files is a flag given as GOOS-GOARCH=FILE, as often as one likes.
type files map[string]string

func (f files) String() string { return "" }

func (f files) Set(s string) error {
	platform, file, ok := strings.Cut(s, "=")
	if !ok || platform == "" || file == "" {
		return errors.New("it is GOOS-GOARCH=FILE, such as linux-amd64=bin/limpet-core")
	}
	if _, twice := f[platform]; twice {
		return fmt.Errorf("%s is there twice", platform)
	}
	f[platform] = file
	return nil
}

// read brings the files' content, by platform.
func (f files) read() (map[string][]byte, error) {
	out := map[string][]byte{}
	for platform, name := range f {
		data, err := fsys.Read(fsys.Disk{}, name, maxFile)
		if err != nil {
			return nil, fmt.Errorf("read program for %s: %w", platform, err)
		}
		if len(data) == 0 {
			return nil, fmt.Errorf("read program for %s: %s is empty", platform, name)
		}
		out[platform] = data
	}
	return out, nil
}

// publication is what publish was asked for.
type publication struct {
	repo.Release
	cores   files
	stubs   files
	fetches files
}

func publishCommand(f *flag.FlagSet) action {
	p := placeFlags(f)
	pub := &publication{cores: files{}, stubs: files{}, fetches: files{}}
	f.StringVar(&pub.Channel, "channel", "stable", "`channel` the cores go to")
	f.StringVar(&pub.Version, "version", "", "`version` of all the files given; it never changes afterwards")
	f.Uint64Var(&pub.Counter, "counter", 0, "release `number`, above every one listed (default: the next)")
	f.Uint64Var(&pub.Floor, "floor", 0, "lowest `counter` that may still be installed (default: as before)")
	f.Uint64Var(&pub.Contract, "contract", 1, "lowest stub contract `number` that can run it")
	f.DurationVar(&pub.Soak, "soak", defaultSoak, "how long a trial is watched, 10s to 1h; 3s at least in a development repository")
	f.Var(pub.cores, "core", "`GOOS-GOARCH=FILE` of a limpet-core; may be repeated")
	f.Var(pub.stubs, "stub", "`GOOS-GOARCH=FILE` of a limpet; may be repeated")
	f.Var(pub.fetches, "fetch", "`GOOS-GOARCH=FILE` of a limpet-fetch; may be repeated")
	return func(ctx context.Context, out output) error {
		if pub.Version == "" {
			return usageError("--version is missing")
		}
		if len(pub.cores)+len(pub.stubs)+len(pub.fetches) == 0 {
			return usageError("give at least one of --core, --stub, --fetch")
		}
		return p.write(out, func(r *repo.Repo) error { return pub.publish(ctx, r, p, out) })
	}
}

func (pub *publication) publish(ctx context.Context, r *repo.Repo, p *place, out output) error {
	added, err := pub.add(r)
	if err != nil {
		return err
	}
	next := fmt.Sprintf("next: limpet-release verify --dir %s\n", p.dir)
	if len(added) == 0 {
		out.printf("nothing to publish: all of %s is listed already, with the same bytes\n%s", pub.Version, next)
		return nil
	}
	now := time.Now()
	r.Refresh(now)
	if err := commit(ctx, r, now); err != nil {
		return err
	}
	out.printf("published %s: %s\n%s", pub.Version, strings.Join(added, ", "), next)
	return nil
}

// add lists all files and says which were new.
func (pub *publication) add(r *repo.Repo) ([]string, error) {
	cores, err := pub.cores.read()
	if err != nil {
		return nil, err
	}
	for _, c := range allCores(r) {
		pub.Floor = max(pub.Floor, c.Floor)
	}
	platforms, err := r.AddRelease(pub.Release, cores)
	if err != nil {
		return nil, err
	}
	var added []string
	for _, platform := range platforms {
		added = append(added, "core for "+platform+" in "+pub.Channel)
	}
	for _, program := range []struct {
		name  string
		files files
	}{{"limpet", pub.stubs}, {"limpet-fetch", pub.fetches}} {
		content, err := program.files.read()
		if err != nil {
			return nil, err
		}
		for _, platform := range slices.Sorted(maps.Keys(content)) {
			isNew, err := r.AddProgram(platform, pub.Version, program.name, content[platform])
			if err != nil {
				return nil, err
			}
			if isNew {
				added = append(added, program.name+" for "+platform)
			}
		}
	}
	return added, nil
}
