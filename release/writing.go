package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
