package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing/ceremony"
	"github.com/limpet-monitoring/limpet/signing/repo"
)

func keyCommand(f *flag.FlagSet) action {
	k := ceremony.KeyFlags(f)
	development := f.Bool("development", false, "mark the key as one for development only")
	return func(_ context.Context, o output) error {
		if wrong := k.Wrong(); wrong != "" {
			return usageError(wrong)
		}
		k.Development = *development
		return k.Make(o.people(), "limpet-release init or rotate takes it with --role")
	}
}

// founding is what init was asked for.
type founding struct {
	*place
	development bool
	roles       ceremony.Grants
	platforms   words
}

func initCommand(f *flag.FlagSet) action {
	n := &founding{place: placeFlags(f), roles: ceremony.Grants{}}
	n.requestFlag(f)
	f.BoolVar(&n.development, "development", false, "make development keys, which lie unprotected in the key folder")
	f.Var(n.roles, "role", ceremony.GrantUsage)
	f.Var(&n.platforms, "platform", "`GOOS-GOARCH` that the channels have; may be repeated (default: every platform of a release)")
	return func(ctx context.Context, out output) error {
		if err := n.check(); err != nil {
			return err
		}
		if n.development {
			return n.develop(out)
		}
		return n.found(ctx, out)
	}
}

func (n *founding) check() error {
	if err := n.place.check(); err != nil {
		return err
	}
	switch {
	case n.development && len(n.roles)+len(n.request) > 0:
		return usageError("--development makes its own keys; give it without --role and --request")
	case !n.development && len(n.roles) == 0:
		return usageError("say with --role who signs root, targets, snapshot, timestamp and the channels; or add --development to try things out")
	case n.roles.Development():
		return usageError("one of the keys is for development only")
	}
	return nil
}

// develop makes a repository with keys of its own, at once.
func (n *founding) develop(out output) error {
	if n.dry {
		out.printf("dry run, nothing was written; else: a development repository in %s, with keys in %s\nnext: the same without --dry-run\n", n.dir, n.keys)
		return nil
	}
	if err := os.MkdirAll(n.dir, 0o755); err != nil {
		return fmt.Errorf("make repository folder: %w", err)
	}
	lock, err := n.lock()
	if err != nil {
		return err
	}
	defer lock.Release()
	next := fmt.Sprintf("next: limpet-release publish --dir %s --keys %s --version V --core GOOS-GOARCH=FILE\n", n.dir, n.keys)
	keys := keyDir(n.keys)
	r, err := repo.Open(fsys.Disk{}, n.dir, nil)
	switch {
	case err == nil && !r.Set().Development():
		return fmt.Errorf("%s holds a repository already, and not a development one; choose another folder", n.dir)
	case err == nil:
		for _, role := range topRoles {
			if _, err := keys.development(role); err != nil {
				return fmt.Errorf("the repository in %s is there, but not all of its keys: %w", n.dir, err)
			}
		}
		sayDevelopment(out)
		out.printf("%s is there already, nothing changed\n%s", n.dir, next)
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
	if r, err = repo.Create(fsys.Disk{}, n.dir, keys.development, true); err != nil {
		return err
	}
	if _, err := r.Commit(time.Now()); err != nil {
		return err
	}
	sayDevelopment(out)
	out.printf("made a repository in %s, its keys are in %s\n%s", n.dir, n.keys, next)
	return nil
}

// found makes a repository that fleets will trust: at once where all keys are here,
// else as a request.
func (n *founding) found(ctx context.Context, out output) error {
	if n.platforms == nil {
		n.platforms = slices.Clone(releasePlatforms)
	}
	ring, err := keyDir(n.keys).production(n.Ask)
	if err != nil {
		return err
	}
	r, err := repo.Found(fsys.Disk{}, n.dir, ring, repo.Plan{Roles: n.roles, Platforms: n.platforms})
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s holds a repository already; limpet-release rotate changes who signs it", n.dir)
	}
	if err != nil {
		return err
	}
	done := "a repository in " + n.dir
	for _, role := range slices.Sorted(maps.Keys(n.roles)) {
		done += ", " + ceremony.GrantText(role, n.roles[role])
	}
	if !n.dry {
		if err := os.MkdirAll(n.dir, 0o755); err != nil {
			return fmt.Errorf("make repository folder: %w", err)
		}
		lock, err := n.lock()
		if err != nil {
			return err
		}
		defer lock.Release()
	}
	return n.finish(ctx, r, out, said{done: done})
}

func rotateCommand(f *flag.FlagSet) action {
	p, roles := placeFlags(f), ceremony.Grants{}
	p.requestFlag(f)
	var more words
	f.Var(roles, "role", ceremony.GrantUsage)
	f.Var(&more, "platform", "`GOOS-GOARCH` that a channel is to have beside those it has; may be repeated")
	return func(ctx context.Context, out output) error {
		if len(roles) == 0 {
			return usageError("--role is missing")
		}
		return p.write(ctx, out, func(r *repo.Repo) error {
			said := said{nothing: "nothing to rotate: these keys sign already"}
			for _, role := range slices.Sorted(maps.Keys(roles)) {
				changed, err := r.Grant(role, roles[role], more)
				if err != nil {
					return err
				}
				if changed && said.done != "" {
					said.done += ", "
				}
				if changed {
					said.done += ceremony.GrantText(role, roles[role])
				}
			}
			said.done = "signed from now on: " + said.done
			return p.finish(ctx, r, out, said)
		})
	}
}
