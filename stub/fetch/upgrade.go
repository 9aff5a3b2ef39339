package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/boxfile"
	"github.com/limpet-monitoring/limpet/signing/tuf"
	"github.com/limpet-monitoring/limpet/updater/fetch"
)

// upgrade is `limpet upgrade-stub`: it replaces limpet and limpet-fetch, both or none, by a signed pair, or
// goes back to the pair before. What runs goes on until it is started anew, which is for whoever asked.
func upgrade(ctx context.Context, args []string, out io.Writer) error {
	o, err := parseUpgrade(args)
	if err != nil {
		return err
	}
	setUmask()
	lock, err := takeInstall(o.layout)
	if err != nil {
		return err
	}
	defer lock.Release()
	b := binOf(o.layout)
	name := ""
	if o.back {
		name, err = b.wayBack()
	} else {
		name, err = o.bring(ctx, b)
	}
	if err != nil {
		return err
	}
	if name == b.named(current) && b.led() {
		fmt.Fprintf(out, "limpet %s is in place already\n", versionIn(name))
		return nil
	}
	if err := b.use(name); err != nil {
		return err
	}
	fmt.Fprintf(out, "limpet and limpet-fetch %s are in place\n", versionIn(name))
	if before := b.named(previous); before != "" {
		fmt.Fprintf(out, "limpet %s is kept: limpet upgrade-stub --back\n", versionIn(before))
	}
	how := "start limpet anew"
	if _, err := os.Stat("/run/systemd/system"); err == nil && o.layout.Root == "" {
		how = "systemctl restart limpet"
	}
	fmt.Fprintf(out, "what runs is still the former limpet, which downloads nothing from now on; to change that: %s\n", how)
	return nil
}

type upgradeOptions struct {
	place
	version string // "" is the latest
	back    bool
}

func parseUpgrade(args []string) (upgradeOptions, error) {
	var o upgradeOptions
	var root, mirror string
	flags := flag.NewFlagSet("upgrade-stub", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&root, "root", os.Getenv("LIMPET_ROOT"), "")
	flags.StringVar(&mirror, "mirror", "", "")
	flags.BoolVar(&o.back, "back", false, "")
	if err := flags.Parse(args); err != nil {
		return o, misuse("upgrade-stub: " + err.Error())
	}
	if flags.NArg() > 1 || o.back && flags.NArg() > 0 {
		return o, misuse("upgrade-stub takes one version, or --back")
	}
	o.version = flags.Arg(0)
	l, err := platforms.Locate(root)
	if err != nil {
		return o, err
	}
	box, _, err := boxfile.Read(l.BoxFile())
	if err != nil {
		return o, err
	}
	if mirror != "" {
		box.Mirror = []string{mirror}
	}
	o.place = place{layout: l, box: box, hub: strings.TrimRight(box.Hub(), "/")}
	return o, l.MakeFolders()
}

// takeInstall keeps a second bootstrap or upgrade out.
func takeInstall(l platforms.Layout) (*platforms.Lock, error) {
	lock, err := platforms.Take(filepath.Join(l.Install(), "lock"))
	if errors.Is(err, platforms.ErrLocked) {
		return nil, &fault{exitSecond, errors.New("another limpet-fetch is at work here"), "wait for it to end"}
	}
	return lock, err
}

// wayBack is the pair before, if it is still what it was.
func (b bin) wayBack() (string, error) {
	name := b.named(previous)
	switch {
	case name == "" || name == b.named(current):
		return "", &fault{exitFailed, errors.New("there is no former limpet here to go back to"), "limpet upgrade-stub VERSION places any that is listed"}
	case !b.sound(name):
		return "", &fault{exitUntrusted, fmt.Errorf("limpet %s is damaged on this disk", versionIn(name)), "limpet upgrade-stub " + versionIn(name) + " brings it again"}
	}
	return name, b.agree(b.path(name), versionIn(name))
}

// bring places the pair that was asked for, verified as cores are: against the roots that this box trusts.
func (o upgradeOptions) bring(ctx context.Context, b bin) (string, error) {
	e := errand{place: o.place}
	mirrors, err := e.mirrors()
	if err != nil {
		return "", err
	}
	stored, err := readStored(o.layout, nil)
	if err != nil {
		return "", err
	}
	if stored["root.json"] == nil {
		return "", &fault{exitUsage, errors.New("this machine trusts no publisher yet"), "limpet-fetch bootstrap comes first"}
	}
	var first error
	for i, m := range mirrors {
		source := func(name string, max int64) ([]byte, error) { return m.Small(ctx, name, max) }
		set, _, err := tuf.Refresh(stored, source, surely(stored, time.Now()))
		if err == nil {
			return o.choose(set, b, download(ctx, o.layout, append([]*fetch.Mirror{m}, mirrors[i+1:]...)))
		}
		if first == nil {
			first = fmt.Errorf("verify releases of %s: %w", m, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return "", first
}

func (o upgradeOptions) choose(set *tuf.Set, b bin, from source) (string, error) {
	pair, err := listedPair(set, o.version)
	if err != nil {
		return "", err
	}
	name, err := b.prepare(pair, from)
	if err != nil {
		return "", err
	}
	return name, forgetDownloads(o.layout, pair)
}

// listedPair is a version of the stub for this platform, the latest where none is named.
func listedPair(set *tuf.Set, version string) (tuf.Pair, error) {
	pairs, err := set.Pairs()
	if err != nil {
		return tuf.Pair{}, err
	}
	for _, p := range pairs {
		if p.Platform == platform && (version == "" || p.Version == version) {
			return p, nil
		}
	}
	return tuf.Pair{}, &fault{exitNoCore, fmt.Errorf("limpet %sis not listed for %s, or not both of its programs", strings.TrimPrefix(version+" ", " "), platform),
		"the publisher lists them: limpet-release publish --stub " + platform + "=FILE --fetch " + platform + "=FILE"}
}

// programs places limpet and limpet-fetch of this version, as they were signed, where bin lacks them or the installer brought them.
func (b *box) programs(ctx context.Context, m *fetch.Mirror, set *tuf.Set) error {
	to := binOf(b.layout)
	lacking := missing(b.layout.Stub()) || missing(b.layout.Fetch())
	if !lacking && b.programsFrom == "" {
		return nil // a package's, or somebody's who builds them
	}
	pair, err := listedPair(set, version)
	if err != nil && b.programsFrom == "" {
		if _, others := listedPair(set, ""); others == nil {
			fmt.Fprintf(b.out, "note: limpet and limpet-fetch are not placed: %v\n", err)
		}
		return nil // somebody places them who builds them
	}
	if err != nil {
		return err
	}
	name, err := to.prepare(pair, download(ctx, b.layout, []*fetch.Mirror{m}).orFrom(b.programsFrom))
	if err != nil {
		return err
	}
	if err := forgetDownloads(b.layout, pair); err != nil {
		return err
	}
	if name == to.named(current) && to.led() {
		return nil
	}
	if err := to.use(name); err != nil {
		return err
	}
	fmt.Fprintf(b.out, "limpet and limpet-fetch %s verified and placed\n", pair.Version)
	return nil
}
