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
	"github.com/limpet-monitoring/limpet/signing/ceremony"
	"github.com/limpet-monitoring/limpet/signing/repo"
)

// maxFile is the longest program taken, in bytes.
const maxFile = 256 << 20

// defaultSoak is how long a trial is watched when the publisher says nothing.
const defaultSoak = 5 * time.Minute

// place is where the writing commands work.
type place struct {
	dir     string
	keys    string
	request string // where to put what others have to sign; "" = sign with the keys here
	to      string // where to copy or upload what was published, as mirror does; "" = nowhere
	dry     bool
	*ceremony.Secrets
}

func placeFlags(f *flag.FlagSet) *place {
	p := &place{Secrets: ceremony.SecretFlags(f)}
	f.StringVar(&p.dir, "dir", "", "`folder` of the repository")
	f.StringVar(&p.keys, "keys", "", "`folder` of the key files that are on this machine, or one such file")
	f.StringVar(&p.to, "to", "", "`folder` to copy to once it is published, or NAME.hook, a program that uploads; as limpet-release mirror does")
	f.BoolVar(&p.dry, "dry-run", false, "say what would be done, and write nothing")
	return p
}

// requestFlag is for the commands whose change several people may have to sign.
func (p *place) requestFlag(f *flag.FlagSet) {
	f.StringVar(&p.request, "request", "", "new `folder` for what others have to sign, instead of publishing; see limpet-release sign")
}

func (p *place) check() error {
	switch {
	case p.dir == "":
		return usageError("--dir is missing")
	case p.keys == "" && p.request == "":
		return usageError("--keys is missing")
	case p.to != "" && p.request != "":
		return usageError("--request publishes nothing; give --to to limpet-release collect")
	}
	return nil
}

// lockFile lies in the repository's folder.
const lockFile = ".lock"

// lock makes this process the repository's only writer.
func (p *place) lock() (*platforms.Lock, error) {
	l, err := platforms.Take(filepath.Join(p.dir, lockFile))
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
	ring, err := p.ring(look.Set().Development(), out)
	if err != nil {
		return nil, err
	}
	return repo.Open(fsys.Disk{}, p.dir, ring)
}

// ring is the keys of the key folder, for a repository of either kind.
func (p *place) ring(development bool, out output) (repo.Ring, error) {
	if development {
		sayDevelopment(out)
		return keyDir(p.keys).workbench(p.dry)
	}
	return keyDir(p.keys).production(p.Ask)
}

// write runs change on the opened repository, under its lock, and then brings what is published to where it is served.
func (p *place) write(ctx context.Context, out output, change func(*repo.Repo) error) error {
	if err := p.check(); err != nil {
		return err
	}
	if _, err := os.Stat(p.dir); err != nil {
		return fmt.Errorf("there is no repository in %s; make one with limpet-release init", p.dir)
	}
	if !p.dry { // a lock is a file, too
		lock, err := p.lock()
		if err != nil {
			return err
		}
		defer lock.Release()
	}
	r, err := p.open(out)
	if err != nil {
		return err
	}
	if err := change(r); err != nil || p.request != "" {
		return err
	}
	return p.upload(ctx, out)
}

// upload brings what is published to where it is served, where that was asked for.
func (p *place) upload(ctx context.Context, out output) error {
	if p.to == "" || p.dry {
		return nil
	}
	return (&replica{dir: p.dir, to: p.to}).run(ctx, out)
}

// said is what a command says of its change.
type said struct{ nothing, done string }

// finish publishes what was collected, or writes it down for others to sign, or, in a
// dry run, says what it would be.
func (p *place) finish(ctx context.Context, r *repo.Repo, out output, s said) error {
	next := "next: limpet-release verify --dir " + p.dir
	switch {
	case !r.Changed():
		out.printf("%s\n%s\n", s.nothing, next)
		return nil
	case p.dry:
		out.printf("dry run, nothing was written; else: %s\nnext: the same without --dry-run\n", s.done)
		return nil
	}
	now := time.Now()
	if p.request != "" {
		return p.hand(ctx, r, out, s.done, now)
	}
	left := r.Refresh(now)
	if err := p.commit(ctx, r, now); err != nil {
		return err
	}
	p.warnDue(out, left)
	out.printf("%s\n%s\n", s.done, next)
	return nil
}

// commit is the point of no return: an interrupt before it leaves all as it was.
func (p *place) commit(ctx context.Context, r *repo.Repo, now time.Time) error {
	if ctx.Err() != nil {
		return errors.New("interrupted; nothing was published")
	}
	_, err := r.Commit(now)
	if lacks := (*repo.Unsigned)(nil); errors.As(err, &lacks) {
		return fmt.Errorf("%w; nothing was published; --request DIR writes down what others have to sign", err)
	}
	return err
}

func sayDevelopment(out output) { ceremony.SayDevelopment(out.people()) }

func refreshCommand(f *flag.FlagSet) action {
	p := placeFlags(f)
	p.requestFlag(f)
	return func(ctx context.Context, out output) error {
		return p.write(ctx, out, func(r *repo.Repo) error { return p.refresh(ctx, r, out) })
	}
}

// refresh signs snapshot and timestamp, and what is due where its keys are here. For
// the rest there is --request.
func (p *place) refresh(ctx context.Context, r *repo.Repo, out output) error {
	now := time.Now()
	due := r.Due(now)
	switch {
	case p.request != "" && len(due) == 0:
		out.printf("nothing is due: no role that people sign expires within 14 days\nnext: limpet-release refresh --dir %s --keys KEYDIR\n", p.dir)
		return nil
	case p.request != "":
		r.RenewDue(now)
		return p.finish(ctx, r, out, said{done: "signs anew " + strings.Join(due, ", ")})
	case p.dry:
		out.printf("dry run, nothing was written; else: snapshot and timestamp signed anew%s\nnext: the same without --dry-run\n", andDue(due))
		return nil
	}
	left := r.Refresh(now)
	if err := p.commit(ctx, r, now); err != nil {
		return err
	}
	first := r.Set().Expiries()[1]
	for _, e := range r.Set().Expiries() {
		if e.Expires.Before(first.Expires) {
			first = e
		}
	}
	out.printf("signed anew; %s expires first, at %s\n", first.Role, stamp(first.Expires))
	if p.warnDue(out, left) {
		out.printf("next: limpet-release refresh --dir %s --request DIR\n", p.dir)
		return nil
	}
	out.printf("next: limpet-release refresh again before %s\n", stamp(first.Warn))
	return nil
}

// warnDue says what will expire unless people who are not here sign it.
func (p *place) warnDue(out output, left []string) bool {
	if len(left) > 0 {
		out.note("warning: due within 14 days, and its keys are not here: %s; limpet-release refresh --request DIR asks for it", strings.Join(left, ", "))
	}
	return len(left) > 0
}

func andDue(due []string) string {
	if len(due) == 0 {
		return ""
	}
	return "; due, too: " + strings.Join(due, ", ")
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
