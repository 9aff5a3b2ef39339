package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing/ceremony"
	"github.com/limpet-monitoring/limpet/signing/repo"
)

// hand writes the change down as a request, for others to sign.
func (p *place) hand(ctx context.Context, r *repo.Repo, out output, purpose string, now time.Time) error {
	if ctx.Err() != nil {
		return errors.New("interrupted; nothing was written")
	}
	if err := r.WriteRequest(fsys.Disk{}, p.request, purpose, now); err != nil {
		return err
	}
	q, err := repo.OpenRequest(fsys.Disk{}, p.request)
	if err != nil {
		return err
	}
	out.printf("asked for: %s\n", purpose)
	return p.still(out, q)
}

// still says who has to sign yet, and what comes next.
func (p *place) still(out output, q *repo.Request) error {
	ceremony.Still(out.people(), q, p.request, "limpet-release collect --dir "+p.dir+" --keys KEYDIR --request "+p.request)
	return nil
}

func signCommand(f *flag.FlagSet) action {
	s := ceremony.SignFlags(f)
	return func(_ context.Context, out output) error {
		if word := s.Missing(); word != "" {
			return usageError(word + " is missing")
		}
		return s.Sign(out.people())
	}
}

func collectCommand(f *flag.FlagSet) action {
	p := placeFlags(f)
	var more words
	f.StringVar(&p.request, "request", "", "`folder` of the request, with the signatures")
	f.Var(&more, "from", "another `folder` that a keyholder sent back: its signatures are added to the request; may be repeated")
	return func(ctx context.Context, out output) error {
		switch {
		case p.request == "":
			return usageError("--request is missing")
		case p.keys == "":
			return usageError("--keys is missing")
		case p.dir == "":
			return usageError("--dir is missing")
		}
		return p.collect(ctx, out, more)
	}
}

// collect publishes a request that enough people have signed.
func (p *place) collect(ctx context.Context, out output, more words) error {
	for _, dir := range more {
		if err := ceremony.Bring(dir, p.request); err != nil {
			return err
		}
	}
	q, err := ceremony.OpenRequest(p.request)
	if err != nil {
		return err
	}
	if !p.dry {
		if err := os.MkdirAll(p.dir, 0o755); err != nil {
			return fmt.Errorf("make repository folder: %w", err)
		}
		lock, err := p.lock()
		if err != nil {
			return err
		}
		defer lock.Release()
	}
	r, err := p.adoptive(q, out)
	if err != nil {
		return err
	}
	done, err := r.Adopt(q)
	next := "next: limpet-release verify --dir " + p.dir
	switch {
	case err != nil:
		return err
	case done:
		out.printf("nothing to collect: this is published already\n%s\n", next)
		return p.upload(ctx, out)
	case len(q.Lacks()) > 0:
		_ = p.still(out, q)
		return errors.New("not enough have signed yet; nothing was published")
	case p.dry:
		out.printf("dry run, nothing was written; else published: %s\nnext: the same without --dry-run\n", ceremony.Plain(q.Purpose))
		return nil
	}
	if err := p.commit(ctx, r, time.Now()); err != nil {
		return err
	}
	out.printf("published: %s\n%s\n", ceremony.Plain(q.Purpose), next)
	return p.upload(ctx, out)
}

// adoptive is the repository that the request is for.
func (p *place) adoptive(q *repo.Request, out output) (*repo.Repo, error) {
	ring, err := p.ring(q.Development(), out)
	if err != nil {
		return nil, err
	}
	r, err := repo.Open(fsys.Disk{}, p.dir, ring)
	if errors.Is(err, fs.ErrNotExist) && q.Beginning() {
		return repo.Begin(fsys.Disk{}, p.dir, ring)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no repository in %s, and the request changes one", p.dir)
	}
	return r, err
}
