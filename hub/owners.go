package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/client"
	"github.com/limpet-monitoring/limpet/hub/internal/site"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing/ceremony"
	"github.com/limpet-monitoring/limpet/signing/repo"
)

func siteKey(_ context.Context, c *call) error {
	k := ceremony.KeyFlags(c.flags)
	if err := c.parse(0); err != nil {
		return err
	}
	if wrong := k.Wrong(); wrong != "" {
		return &misuse{wrong, c.usage()}
	}
	return siteFault(k.Make(c.people(), "limpet-hub site init or rotate takes it"))
}

func siteInit(_ context.Context, c *call) error {
	r, roles := c.rite(), ceremony.Grants{}
	var owners names
	threshold := c.flags.Int("threshold", 1, "how `many` of the owners have to sign")
	c.flags.Var(&owners, "owner", "an owner's `NAME.pub`, who signs root and targets; may be given again")
	c.flags.Var(roles, "role", ceremony.GrantUsage)
	if err := c.parse(0); err != nil {
		return err
	}
	if err := grantOwners(roles, owners, *threshold); err != nil {
		return &misuse{err.Error(), c.usage()}
	}
	p, err := r.place(c)
	if err != nil {
		return err
	}
	switch there, err := p.Exists(); {
	case err != nil:
		return siteFault(err)
	case there:
		return r.write(c, func(p site.Place, there *repo.Repo) (string, error) { return takeOffline(p, there, roles) })
	}
	return r.found(c, roles)
}

// grantOwners makes the owners the signers of root and targets, where no role says otherwise.
func grantOwners(roles ceremony.Grants, owners names, threshold int) error {
	for _, role := range []string{"root", "targets"} {
		if _, given := roles[role]; given {
			continue
		}
		if len(owners) == 0 {
			return fmt.Errorf("say with --owner NAME.pub, or with --role, who signs %s", role)
		}
		if err := roles.Set(fmt.Sprintf("%s=%d:%s", role, threshold, strings.Join(owners, ","))); err != nil {
			return err
		}
	}
	for role := range roles {
		if role != "root" && role != "targets" {
			return fmt.Errorf("%s: people sign root and targets; the hub signs the rest", role)
		}
	}
	if roles.Development() {
		return errors.New("one of the keys is for development only")
	}
	return nil
}

// found makes a repository that was offline from its first root on.
func (r *rite) found(c *call, roles ceremony.Grants) error {
	p, lock, err := r.lock(c)
	if err != nil {
		return err
	}
	defer lock.Release()
	ring, err := r.ring(p)
	if err != nil {
		return siteFault(err)
	}
	daily, err := p.DailyKey()
	if err != nil {
		return siteFault(err)
	}
	plan := repo.Plan{Roles: map[string]repo.Grant{"snapshot": site.Grant(daily.Public()), "timestamp": site.Grant(daily.Public())}}
	done := "the site's repository in " + p.Dir()
	for _, role := range []string{"root", "targets"} {
		plan.Roles[role] = roles[role]
		done += ", " + ceremony.GrantText(role, roles[role])
	}
	there, err := repo.Found(fsys.Disk{}, p.Dir(), ring, plan)
	if err != nil {
		return siteFault(err)
	}
	return r.finish(c, p, there, done)
}

// takeOffline gives root and targets of a repository that the hub made to its owners. What the hub signs every day is signed by a new key from then on:
// the old one was enough for everything, and is gone when the change is published.
func takeOffline(p site.Place, r *repo.Repo, roles ceremony.Grants) (string, error) {
	if v, err := site.ViewOf(r); err != nil {
		return "", siteFault(err)
	} else if v.Offline {
		return "", &client.Fault{Text: "people sign this site's root and targets already", Hint: "limpet-hub site rotate changes who does"}
	}
	next, err := p.Successor()
	if err != nil {
		return "", siteFault(err)
	}
	r.DropTarget(repo.AllowedPath) // what the hub signed is not the owners' word
	done, err := grant(r, roles, next.Public())
	for _, target := range r.TargetNames() {
		done += "\n= goes on listing " + target
	}
	return done, err
}

// grant changes who signs; daily, where it is one, signs snapshot and timestamp.
func grant(r *repo.Repo, roles ceremony.Grants, daily ed25519.PublicKey) (string, error) {
	all := map[string]repo.Grant{}
	for role, g := range roles {
		all[role] = g
	}
	if daily != nil {
		all["snapshot"], all["timestamp"] = site.Grant(daily), site.Grant(daily)
	}
	var done []string
	for _, role := range []string{"root", "targets", "snapshot", "timestamp"} {
		g, ok := all[role]
		if !ok {
			continue
		}
		changed, err := r.Grant(role, g, nil)
		if err != nil {
			return "", siteFault(err)
		}
		if changed {
			done = append(done, ceremony.GrantText(role, g))
		}
	}
	if len(done) == 0 {
		return "", nil
	}
	return "signed from now on: " + strings.Join(done, ", "), nil
}

func siteRotate(_ context.Context, c *call) error {
	r, roles := c.rite(), ceremony.Grants{}
	online := c.flags.Bool("online", false, "a new key for what the hub signs every day: after a theft of the hub's folder")
	c.flags.Var(roles, "role", ceremony.GrantUsage)
	if err := c.parse(0); err != nil {
		return err
	}
	for role := range roles {
		if !slices.Contains([]string{"root", "targets"}, role) {
			return &misuse{role + " is no role that people sign", "root and targets are; --online makes the hub a new key for the rest"}
		}
	}
	if len(roles) == 0 && !*online {
		return &misuse{"nothing to rotate", c.usage()}
	}
	return r.write(c, func(p site.Place, there *repo.Repo) (string, error) {
		if !*online {
			return grant(there, roles, nil)
		}
		next, err := p.Successor()
		if err != nil {
			return "", siteFault(err)
		}
		return grant(there, roles, next.Public())
	})
}

func siteRenew(_ context.Context, c *call) error {
	r := c.rite()
	if err := c.parse(0); err != nil {
		return err
	}
	return r.write(c, func(_ site.Place, there *repo.Repo) (string, error) {
		now := time.Now()
		due := there.Due(now)
		if len(due) == 0 {
			return "", nil
		}
		there.RenewDue(now)
		return "signs anew " + strings.Join(due, ", "), nil
	})
}

func siteCollect(_ context.Context, c *call) error {
	r := c.rite()
	var more names
	c.flags.Var(&more, "from", "another `folder` that a keyholder sent back: its signatures are added to the request; may be given again")
	if err := c.parse(0); err != nil {
		return err
	}
	if r.request == "" {
		return &misuse{"site collect needs --request", c.usage()}
	}
	for _, dir := range more {
		if err := ceremony.Bring(dir, r.request); err != nil {
			return siteFault(err)
		}
	}
	q, err := ceremony.OpenRequest(r.request)
	if err != nil {
		return siteFault(err)
	}
	p, lock, err := r.lock(c)
	if err != nil {
		return err
	}
	defer lock.Release()
	return r.collect(c, p, q)
}

// collect publishes a request that enough have signed.
func (r *rite) collect(c *call, p site.Place, q *repo.Request) error {
	ring, err := r.ring(p)
	if err != nil {
		return siteFault(err)
	}
	there, err := repo.Open(fsys.Disk{}, p.Dir(), ring)
	if errors.Is(err, fs.ErrNotExist) && q.Beginning() {
		there, err = repo.Begin(fsys.Disk{}, p.Dir(), ring)
	}
	if err != nil {
		return siteFault(err)
	}
	done, err := there.Adopt(q)
	if err != nil {
		return siteFault(err)
	}
	if done {
		c.people().Printf("nothing to collect: this is published already\n")
		return nil
	}
	if len(q.Lacks()) > 0 {
		ceremony.Still(c.people(), q, r.request, "limpet-hub site collect")
		return &client.Fault{Text: "not enough have signed yet; nothing was published", Hint: "limpet-hub site sign --request DIR --key FILE signs, on a keyholder's machine"}
	}
	r.request = ""
	return r.finish(c, p, there, "published: "+ceremony.Plain(q.Purpose))
}
