package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/boxfile"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing/tuf"
	"github.com/limpet-monitoring/limpet/updater/boot"
	"github.com/limpet-monitoring/limpet/updater/fetch"
	"github.com/limpet-monitoring/limpet/updater/store"
)

// contract is the newest version of docs/stub-contract.md that the stub beside this program speaks.
const contract = 1

// bootstrap makes a box, or repairs and refreshes the one that is there. Each of its steps can be cut
// short anywhere: the next call carries on.
func bootstrap(ctx context.Context, o options, stdin io.Reader, out io.Writer) error {
	p, err := o.place(stdin)
	if err != nil {
		return err
	}
	setUmask()
	if err := p.layout.MakeFolders(); err != nil {
		return err
	}
	if u := platforms.Fetcher(p.layout); u != nil {
		if err := platforms.Give(p.layout.Part(), *u); err != nil {
			return err
		}
	}
	lock, err := takeInstall(p.layout)
	if err != nil {
		return err
	}
	defer lock.Release()
	if o.anew {
		idle, err := untilIdle(p.layout)
		if err != nil {
			return err
		}
		defer idle.Release()
	}
	t, err := trusted(ctx, p)
	if err != nil {
		return err
	}
	if err := t.settle(p.layout, o.anew); err != nil {
		return err
	}
	if err := t.keep(p.layout, out); err != nil {
		return err
	}
	b := &box{place: p, trust: t, anew: o.anew, programsFrom: o.programs, out: out}
	if err := b.bring(ctx); err != nil {
		return err
	}
	return b.finish()
}

// untilIdle takes the stub's lock: what it runs must not be changed below it.
func untilIdle(l platforms.Layout) (*platforms.Lock, error) {
	lock, err := platforms.Take(l.StubLock())
	if errors.Is(err, platforms.ErrLocked) {
		return nil, &fault{exitSecond, errors.New("limpet runs here, and --anew takes away what it runs"), "stop it first"}
	}
	return lock, err
}

// settle refuses another publisher than the one this box had, unless the owner asked to start anew.
func (t firstTrust) settle(l platforms.Layout, anew bool) error {
	if t.samePublisher() {
		return nil
	}
	if !anew {
		return &fault{exitUntrusted, errors.New("the token names a hub whose releases another publisher signs than those of this box"),
			"if that is meant, stop limpet and call bootstrap with --anew: the box starts again from that publisher's newest release and keeps its identity"}
	}
	return forget(l)
}

// box is one bootstrap under way.
type box struct {
	place
	trust firstTrust
	anew  bool
	// programsFrom is a folder with limpet and limpet-fetch, "" for none.
	programsFrom string
	out          io.Writer
}

// bring fetches metadata and, where they are missing, the stub's programs and the core.
func (b *box) bring(ctx context.Context) error {
	m, err := b.releases()
	if err != nil {
		return err
	}
	stored, err := readStored(b.layout, b.trust.document.CoreRoot)
	if err != nil {
		return err
	}
	set, err := refresh(ctx, b.layout, m, stored, time.Now(), tuf.CoreDir(b.channel, platform))
	if err != nil {
		return err
	}
	if set.Development() {
		fmt.Fprintln(b.out, "warning: these releases are signed with development keys; not for production")
	}
	if err := b.programs(ctx, m, set); err != nil {
		return err
	}
	core, err := b.choose(set, heldBy(ctx, m))
	if err != nil || core == nil {
		return err
	}
	return b.fetchCore(ctx, m, *core)
}

// releases is the mirror: what was named, else the hub, which its own CA vouches for.
func (b *box) releases() (*fetch.Mirror, error) {
	o, err := b.route()
	if err != nil {
		return nil, err
	}
	if b.mirror == "" || sameHost(b.mirror, b.hub) {
		o.HubCA = b.trust.document.CA
	}
	return open(firstOf(b.mirror, b.hub+"/release"), o)
}

func ofHub(b boxfile.Box, address string) bool {
	return slices.ContainsFunc(b.Hubs, func(hub string) bool { return sameHost(hub, address) })
}

func sameHost(a, b string) bool {
	ua, err1 := url.Parse(a)
	ub, err2 := url.Parse(b)
	return err1 == nil && err2 == nil && ua.Host != "" && ua.Host == ub.Host
}

// heldBy is what a mirror holds back. A mirror without such a list holds nothing.
func heldBy(ctx context.Context, m *fetch.Mirror) []string {
	text, err := m.Small(ctx, "hold", maxHold)
	if err != nil {
		return nil
	}
	return strings.Fields(string(text))
}

// choose is the core to place: for a new box the newest that is open to new boxes, or the one that the
// box file pins, and nothing below the publisher's floor; for a box with a record what its record names
// and its disk lost. nil is none.
func (b *box) choose(set *tuf.Set, held []string) (*tuf.Core, error) {
	cores, skipped := set.Cores(b.channel, platform)
	for _, err := range skipped {
		fmt.Fprintf(b.out, "warning: a release is left out: %v\n", err)
	}
	if record, found := b.record(); found && !b.anew {
		return b.repair(record, cores)
	}
	var fit []tuf.Core
	floor, below := uint64(0), false
	for _, c := range cores {
		floor = max(floor, c.Floor)
	}
	for _, c := range cores {
		if c.Contract > contract || b.box.Pin != "" && b.box.Pin != c.Version {
			continue
		}
		if below = c.Counter < floor; !below {
			fit = append(fit, c)
		}
	}
	if len(fit) == 0 {
		err := fmt.Errorf("there is no release for %s in channel %s", platform, b.channel)
		switch {
		case b.box.Pin != "" && below:
			err = fmt.Errorf("release %s, which the box file pins, may not be installed any more: the publisher's floor is above it", b.box.Pin)
		case b.box.Pin != "":
			err = fmt.Errorf("release %s, which the box file pins, is not listed for %s in channel %s", b.box.Pin, platform, b.channel)
		}
		return nil, &fault{exitNoCore, err, "the publisher lists one with `limpet-release publish`; --channel and `channel =` in the box file choose another"}
	}
	return b.open(fit, held), nil
}

// open is the newest release that everybody may have, since a new box is last in every wave. Where there
// is none it is the newest: without any core nothing here would be watched.
func (b *box) open(fit []tuf.Core, held []string) *tuf.Core {
	now := time.Now()
	at := slices.IndexFunc(fit, func(c tuf.Core) bool {
		return tuf.Within(tuf.Cohort("", c.Version), tuf.Open(c.Waves, now)) &&
			!slices.Contains(held, c.Version) && !slices.Contains(held, fmt.Sprintf("%x", c.SHA256))
	})
	if b.box.Pin != "" || at <= 0 {
		return &fit[0]
	}
	fmt.Fprintf(b.out, "release %d (%s) is not open to all boxes yet: this one begins with %s\n", fit[0].Counter, fit[0].Version, fit[at].Version)
	return &fit[at]
}

func (b *box) record() (boot.Record, bool) {
	_, r, found := boot.Load(fsys.Disk{}, b.sectors())
	return r, found
}

func (b *box) sectors() [2]string { return [2]string{b.layout.Record(0), b.layout.Record(1)} }

// repair brings good again where its bytes are damaged. What else is listed is for the stub to take up.
func (b *box) repair(r boot.Record, listed []tuf.Core) (*tuf.Core, error) {
	entry := store.Entry{Counter: r.Good.Counter, Hash: r.Good.Hash}
	f, err := store.Open(store.In(b.layout).Path(entry), r.Good.Hash, r.Good.Length)
	if err == nil {
		f.Close()
		fmt.Fprintf(b.out, "this box runs release %d; metadata is up to date\n", r.Good.Counter)
		if len(listed) > 0 && listed[0].Counter > r.Good.Counter {
			fmt.Fprintf(b.out, "release %d (%s) is listed; to start again from it, stop limpet and call bootstrap with --anew\n", listed[0].Counter, listed[0].Version)
		}
		return nil, nil
	}
	for _, c := range listed {
		if c.SHA256 == r.Good.Hash && c.Counter == r.Good.Counter {
			fmt.Fprintf(b.out, "release %d on this disk is damaged: it is placed again\n", c.Counter)
			return &c, nil
		}
	}
	return nil, &fault{exitNoCore, fmt.Errorf("release %d on this disk is damaged, and not listed any more", r.Good.Counter),
		"stop limpet and call bootstrap with --anew: the box starts again from the newest release"}
}

// fetchCore downloads a core, resuming what an earlier call began, and places it.
func (b *box) fetchCore(ctx context.Context, m *fetch.Mirror, c tuf.Core) error {
	s := store.In(b.layout)
	entry := store.Entry{Counter: c.Counter, Hash: c.SHA256}
	if f, err := store.Open(s.Path(entry), c.SHA256, c.Length); err == nil {
		f.Close()
		fmt.Fprintf(b.out, "core %s (release %d) is in place\n", c.Version, c.Counter)
		return nil
	}
	part := filepath.Join(b.layout.Install(), fmt.Sprintf("%x", c.SHA256))
	want := fetch.Want{Name: c.File, Length: c.Length, SHA256: c.SHA256}
	if err := m.Large(ctx, want, part, comeAgain()); err != nil {
		return err
	}
	from, err := fsys.OpenRegular(part)
	if err != nil {
		return fmt.Errorf("open download: %w", err)
	}
	defer from.Close()
	if err := s.Place(entry, c.Length, from); err != nil {
		return err
	}
	if err := removeIfThere(part); err != nil {
		return fmt.Errorf("remove download: %w", err)
	}
	fmt.Fprintf(b.out, "core %s (release %d) verified and placed\n", c.Version, c.Counter)
	return nil
}

// finish prepares what the stub and the core find at their first start.
func (b *box) finish() error {
	disk := fsys.Disk{}
	if err := boot.Prepare(disk, b.sectors()); err != nil {
		return err
	}
	if b.anew {
		for _, name := range b.sectors() {
			if err := fsys.WriteInPlace(disk, name, make([]byte, boot.Size)); err != nil {
				return fmt.Errorf("forget the record: %w", err)
			}
		}
		fmt.Fprintln(b.out, "the record is forgotten: the next `limpet run` starts from the newest release")
	}
	if _, err := os.Stat(b.layout.BoxFile()); errors.Is(err, fs.ErrNotExist) {
		text := "# Limpet's box file: key = value. It wins over everything else, and is never written to again.\nhub = " + b.hub + "\n"
		if err := fsys.WriteNew(disk, b.layout.BoxFile(), []byte(text), 0o644); err != nil {
			return fmt.Errorf("write box file: %w", err)
		}
	} else if b.box.Hub() != "" && !slices.ContainsFunc(b.box.Hubs, func(h string) bool { return strings.TrimRight(h, "/") == b.hub }) {
		fmt.Fprintf(b.out, "warning: the box file says hub = %s, and the box file wins: change it there\n", strings.Join(b.box.Hubs, ", "))
	}
	return b.keepToken()
}

// keepToken leaves the token for the core to enrol with. A box that has an identity and still trusts
// the same hub has enrolled, and needs none.
func (b *box) keepToken() error {
	if b.token == nil {
		return nil
	}
	if _, err := os.Stat(b.layout.Finger()); err == nil && !b.trust.changed {
		fmt.Fprintln(b.out, "this box has its identity already; to enrol it again: limpet enrol")
		return nil
	}
	if err := fsys.WriteNew(fsys.Disk{}, b.layout.Token(), []byte(b.raw+"\n"), 0o600); err != nil {
		return fmt.Errorf("keep token: %w", err)
	}
	fmt.Fprintln(b.out, "token kept for the first start")
	return nil
}
