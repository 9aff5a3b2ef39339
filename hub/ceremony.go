package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/hub/internal/client"
	"github.com/limpet-monitoring/limpet/hub/internal/site"
	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing"
	"github.com/limpet-monitoring/limpet/signing/ceremony"
	"github.com/limpet-monitoring/limpet/signing/repo"
)

// rite is a command that changes the site's repository: it works on the hub's folder, beside a hub that runs or without one.
type rite struct {
	*ceremony.Secrets
	data, request string
	keys          names // owners' keys that are on this machine
	dry           bool
}

func (c *call) rite() *rite {
	r := &rite{Secrets: ceremony.SecretFlags(c.flags)}
	c.flags.StringVar(&r.data, "data", "", "the hub's own `folder`, on this machine")
	c.flags.StringVar(&r.request, "request", "", "new `folder` for what keyholders have to sign on their machines, instead of publishing")
	c.flags.Var(&r.keys, "key", "an owner's key `file` that is on this machine: NAME.key, or NAME.hook with NAME.pub beside it; may be given again")
	c.flags.BoolVar(&r.dry, "dry-run", false, "say what would be done, and write nothing")
	return r
}

func (c *call) people() ceremony.People {
	return ceremony.People{Out: c.out, Err: c.err, Program: "limpet-hub site"}
}

// place is the folder of the hub's keys.
func (r *rite) place(c *call) (site.Place, error) {
	if r.data == "" {
		return "", &misuse{c.command.name + " needs --data", c.usage()}
	}
	return site.Place(filepath.Join(r.data, "keys")), nil
}

// ring is every key at hand: the hub's own, its successor where there is one, and the owners'. The caller holds the lock.
func (r *rite) ring(p site.Place) (ceremony.Ring, error) {
	daily, err := p.DailyKey()
	if err != nil {
		return nil, err
	}
	ring, err := ceremony.OpenRing(r.Ask, r.keys...)
	if err != nil {
		return nil, err
	}
	ring[daily.ID()] = daily
	return ring, addSuccessor(p, ring)
}

// addSuccessor adds the key that is to take the place of the hub's, where there is one.
func addSuccessor(p site.Place, ring ceremony.Ring) error {
	next, err := signing.Load(p.NextKey())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		ring[next.ID()] = next
	}
	return err
}

// write makes a change under the lock: publishes it where the keys at hand are enough, else writes it down for others to sign. change says in words what it
// did; nothing changed = "".
func (r *rite) write(c *call, change func(site.Place, *repo.Repo) (string, error)) error {
	p, lock, err := r.lock(c)
	if err != nil {
		return err
	}
	defer lock.Release()
	ring, err := r.ring(p)
	if err != nil {
		return siteFault(err)
	}
	there, err := repo.Open(fsys.Disk{}, p.Dir(), ring)
	if errors.Is(err, fs.ErrNotExist) {
		return &client.Fault{Kind: client.NoFile, Text: "there is no site's repository in " + p.Dir(), Hint: "limpet-hub site init makes one, and so does a hub at its first start"}
	}
	if err != nil {
		return siteFault(err)
	}
	done, err := change(p, there)
	if err != nil {
		return err
	}
	if err := addSuccessor(p, ring); err != nil { // the change may have made it
		return siteFault(err)
	}
	return r.finish(c, p, there, done)
}

func (r *rite) lock(c *call) (site.Place, *platforms.Lock, error) {
	p, err := r.place(c)
	if err != nil {
		return "", nil, err
	}
	lock, err := p.Lock()
	if err != nil {
		return "", nil, siteFault(err)
	}
	return p, lock, nil
}

// finish publishes what was collected, or writes it down for others to sign, or, in a dry run, says what it would be.
func (r *rite) finish(c *call, p site.Place, there *repo.Repo, done string) error {
	out, now := c.people(), time.Now()
	switch {
	case !there.Changed() || done == "":
		out.Printf("nothing to do: it is so already\n")
		return nil
	case r.dry:
		out.Printf("dry run, nothing was written; else: %s\n", done)
		return nil
	case r.request != "":
		return r.hand(c, there, done, now)
	}
	if _, err := there.Commit(now); err != nil {
		return siteFault(err)
	}
	if _, err := p.DailyKey(); err != nil { // puts a successor in its place
		return siteFault(err)
	}
	out.Printf("%s\na hub that runs takes it up by itself\n", done)
	return nil
}

// hand writes the change down as a request.
func (r *rite) hand(c *call, there *repo.Repo, done string, now time.Time) error {
	if err := there.WriteRequest(fsys.Disk{}, r.request, strings.ReplaceAll(done, "\n", "; "), now); err != nil {
		return siteFault(err)
	}
	q, err := ceremony.OpenRequest(r.request)
	if err != nil {
		return siteFault(err)
	}
	c.people().Printf("asked for: %s\n", done)
	ceremony.Still(c.people(), q, r.request, "limpet-hub site collect --data "+r.data+" --request "+r.request)
	return nil
}

// siteFault is an error with what a person can do about it.
func siteFault(err error) error {
	var lacks *repo.Unsigned
	switch {
	case err == nil:
		return nil
	case errors.As(err, &lacks):
		return &client.Fault{Text: err.Error(), Hint: "add the owner's keys with --key FILE, or take the change to them with --request DIR"}
	case errors.Is(err, site.ErrBusy):
		return &client.Fault{Kind: client.Away, Text: err.Error(), Hint: "it takes a moment"}
	case errors.Is(err, fs.ErrPermission):
		return &client.Fault{Kind: client.NotAllowed, Text: err.Error(), Hint: "run this as the user the hub runs as"}
	case errors.Is(err, fs.ErrNotExist):
		return &client.Fault{Kind: client.NoFile, Text: err.Error(), Hint: "look at the names of files and folders"}
	}
	return err
}

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
