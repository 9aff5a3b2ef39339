package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// moment is when something may be tried again.
type moment = time.Time

// Waits between tries of one plugin, drawn between half and all of it.
const (
	firstWait = 2 * time.Second
	lastWait  = 5 * time.Minute
	asleep    = 24 * time.Hour // while nothing is missing; who wants something wakes
)

// errLength is what is said of a file that is not as long as it was signed.
var errLength = errors.New("the hub sends another length than was signed")

// Run brings what is wanted and missing, one after the other, until ctx ends. active says whether this core may write.
func (c *Catalog) Run(ctx context.Context, active func() bool) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-c.wake:
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
		wait := asleep
		if active() {
			wait = c.bringAll(ctx)
		}
		timer.Reset(wait)
	}
}

// Again has what failed tried at once: the line to the hub is back.
func (c *Catalog) Again() {
	c.mu.Lock()
	for _, f := range c.wanted {
		f.due = moment{}
	}
	c.mu.Unlock()
	poke(c.wake)
}

// bringAll tries everything that is due, and says when the next is.
func (c *Catalog) bringAll(ctx context.Context) time.Duration {
	c.mu.Lock()
	wanted := append([]*file(nil), c.wanted...)
	c.mu.Unlock()
	next := asleep
	for _, f := range wanted {
		if c.there(f.Plugin) {
			continue
		}
		c.mu.Lock()
		wait := time.Until(f.due)
		c.mu.Unlock()
		if wait <= 0 {
			wait = c.try(ctx, f)
		}
		if wait > 0 {
			next = min(next, wait)
		}
	}
	return next
}

// try brings one plugin; it says how long to wait where that failed, 0 = it is here.
func (c *Catalog) try(ctx context.Context, f *file) time.Duration {
	err := c.bring(ctx, f)
	c.mu.Lock()
	told := f.err == nil || err == nil || f.err.Error() != err.Error()
	f.err = err
	wait := time.Duration(0)
	if err == nil {
		f.fails = 0
	} else {
		wait = min(firstWait<<min(f.fails, 10), lastWait)
		wait = wait/2 + rand.N(wait/2)
		f.fails++
		f.due = time.Now().Add(wait)
	}
	c.mu.Unlock()
	switch {
	case err == nil:
		c.o.Log.Info("plugin came", "plugin", f.Name, "sha256", f.Hash)
		c.o.Came(f.Plugin)
	case told && ctx.Err() == nil:
		c.o.Log.Warn("plugin not brought", "plugin", f.Name, "err", err)
	}
	return wait
}

// bring downloads one plugin into its part, from where that ends, hashes the whole by the descriptor it was written by, and places it. It has no other
// name, and does not go, before that is closed: some systems have no other way.
func (c *Catalog) bring(ctx context.Context, f *file) error {
	v := c.View()
	signed, ok := v.find(f.Name, f.Hash)
	if !ok {
		return v.Listed(f.Name, f.Hash)
	}
	sum, err := c.fill(ctx, f, signed)
	if err == nil && sum != f.Hash {
		err = errors.Join(errors.New("what came is not what was signed; it is brought anew"), c.o.Disk.Remove(c.part(f.Plugin)))
	}
	if err != nil {
		return err
	}
	if err := c.place(f.Plugin); err != nil {
		return err
	}
	if !c.wants(f.Plugin) { // since it was begun, and what nobody names has been collected already
		return errors.Join(errors.New("no revision names it any more"), c.o.Disk.Remove(c.path(f.Plugin)))
	}
	return nil
}

func (c *Catalog) wants(p Plugin) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.wanted, func(f *file) bool { return f.Plugin == p })
}

// fill makes a part whole and durable, and says what it hashes to.
func (c *Catalog) fill(ctx context.Context, f *file, signed listed) (sum string, err error) {
	out, have, err := c.open(f.Plugin)
	if err != nil {
		return "", err
	}
	defer out.Close()
	if have > signed.length {
		if err := out.Truncate(0); err != nil {
			return "", err
		}
		have = 0
	}
	if err := c.room(signed.length - have); err != nil {
		return "", err
	}
	if err := c.download(ctx, f, signed, out, have); err != nil {
		return "", err
	}
	if err := out.Sync(); err != nil {
		return "", err
	}
	return hashFile(&reader{file: out})
}

// download appends to a part what it lacks.
func (c *Catalog) download(ctx context.Context, f *file, signed listed, out fsys.File, have int64) error {
	for c.progress(f, have, signed.length); have < signed.length; c.progress(f, have, signed.length) {
		p, err := c.o.Get(ctx, signed.file, have)
		switch {
		case err != nil:
			return err
		case p.Missing:
			return fmt.Errorf("the hub lists it and does not have it: %w", fs.ErrNotExist)
		case p.Size != signed.length, len(p.Data) == 0, have+int64(len(p.Data)) > signed.length:
			return errLength
		}
		if _, err := out.WriteAt(p.Data, have); err != nil {
			return err
		}
		have += int64(len(p.Data))
	}
	return nil
}

func (c *Catalog) progress(f *file, have, size int64) {
	c.mu.Lock()
	f.have, f.size = have, size
	c.mu.Unlock()
}

// room refuses a download that would leave too little for results.
func (c *Catalog) room(need int64) error {
	free, err := c.o.Space(c.o.Dir)
	if err == nil && free < need+Reserve {
		return fmt.Errorf("no space left on the disk for it: %d kB free in %s, it needs %d and leaves %d for results", free>>10, c.o.Dir, (need+1023)>>10, int64(Reserve)>>10)
	}
	return err
}

func hashFile(r io.Reader) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// reader reads a file from its beginning, wherever its offset is.
type reader struct {
	file io.ReaderAt
	at   int64
}

func (r *reader) Read(b []byte) (int, error) {
	n, err := r.file.ReadAt(b, r.at)
	r.at += int64(n)
	return n, err
}
