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
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing"
	"github.com/limpet-monitoring/limpet/signing/repo"
)

func keyCommand(f *flag.FlagSet) action {
	s := secretFlags(f)
	out := f.String("out", "", "`file` for the key, NAME.key; its public half goes to NAME.pub beside it")
	plain := f.Bool("no-passphrase", false, "leave the key unprotected: for snapshot and timestamp, which a timer signs")
	work := f.Int("work", signing.DefaultWork, fmt.Sprintf("`log2` of how much work a guess at the passphrase is, %d to %d", signing.MinWork, signing.MaxWork))
	development := f.Bool("development", false, "mark the key as one for development only")
	return func(_ context.Context, o output) error {
		switch {
		case *out == "":
			return usageError("--out is missing")
		case filepath.Ext(*out) != signing.KeyEnd:
			return usageError("--out ends in " + signing.KeyEnd)
		case *work < signing.MinWork || *work > signing.MaxWork:
			return usageError(fmt.Sprintf("--work is %d to %d", signing.MinWork, signing.MaxWork))
		}
		return makeKey(o, s, *out, *work, *plain, *development)
	}
}

// makeKey makes a key, unless it is there. An interrupt between the two files leaves a
// key whose public half the next run writes.
func makeKey(o output, s *secrets, name string, work int, plain, development bool) error {
	next := fmt.Sprintf("next: hand around %s, never %s; limpet-release init or rotate takes it with --role\n", signing.PublicOf(name), name)
	old, err := signing.Open(name, nil)
	if err == nil {
		id := signing.PublicHalf(old).ID()
		if err := ensurePublic(name, old); err != nil {
			return err
		}
		o.printf("%s is there already: key %s\n%s", name, id, next)
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := os.Stat(signing.PublicOf(name)); err == nil {
		return fmt.Errorf("%s is there without %s: it is another key's; choose another name", signing.PublicOf(name), name)
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return fmt.Errorf("make key folder: %w", err)
	}
	key, err := signing.Generate(development)
	if err != nil {
		return err
	}
	if plain {
		err = key.Save(name)
	} else {
		var passphrase []byte
		if passphrase, err = s.choose(name); err == nil {
			err = key.SaveLocked(name, passphrase, work)
		}
	}
	if err != nil {
		return err
	}
	if err := ensurePublic(name, key); err != nil {
		return err
	}
	o.printf("made %s: key %s\n%s", name, key.ID(), next)
	return nil
}

func ensurePublic(name string, s signing.Signer) error {
	public, err := signing.LoadPublic(signing.PublicOf(name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return signing.PublicHalf(s).Save(signing.PublicOf(name))
	case err != nil:
		return err
	case !public.Key.Equal(s.Public()):
		return fmt.Errorf("%s is not the public half of %s", signing.PublicOf(name), name)
	}
	return nil
}

// founding is what init was asked for.
type founding struct {
	*place
	development bool
	roles       grants
	platforms   words
}

func initCommand(f *flag.FlagSet) action {
	n := &founding{place: placeFlags(f), roles: grants{}}
	n.requestFlag(f)
	f.BoolVar(&n.development, "development", false, "make development keys, which lie unprotected in the key folder")
	f.Var(n.roles, "role", grantUsage)
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
	case n.roles.development():
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
	ring, err := keyDir(n.keys).production(n.ask)
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
		done += ", " + grantText(role, n.roles[role])
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
	p, roles := placeFlags(f), grants{}
	p.requestFlag(f)
	var more words
	f.Var(roles, "role", grantUsage)
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
					said.done += grantText(role, roles[role])
				}
			}
			said.done = "signed from now on: " + said.done
			return p.finish(ctx, r, out, said)
		})
	}
}
