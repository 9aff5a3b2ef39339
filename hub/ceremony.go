package main

import (
	"errors"
	"io/fs"
	"path/filepath"
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
