package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/boxfile"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing/tuf"
	"github.com/limpet-monitoring/limpet/updater/fetch"
)

const maxHold = 64 << 10 // bytes of a mirror's hold file

// errand is what look and get share: a box that trusts a hub, as the stub sends us out for it.
type errand struct {
	place
	stub  string // its version
	hash  string // get: of the core to bring
	base  string // get: of the core a delta may start from, "" for none
	plain bool   // get: nothing packed
	lock  *platforms.Lock
}

// parseErrand reads the command line of look and get, and takes the lock on part/.
func parseErrand(name string, args []string) (*errand, error) {
	var root, channel string
	var passed int64
	e := &errand{}
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&root, "root", "", "")
	flags.StringVar(&channel, "channel", "stable", "")
	flags.StringVar(&e.stub, "stub", "", "")
	flags.Int64Var(&passed, "passed", 0, "")
	if name == "get" {
		flags.StringVar(&e.hash, "hash", "", "")
		flags.StringVar(&e.base, "base", "", "")
		flags.BoolVar(&e.plain, "plain", false, "")
	}
	if err := flags.Parse(args); err != nil {
		return nil, misuse(name + ": " + err.Error())
	}
	if e.stub != version {
		return nil, &fault{exitUsage, fmt.Errorf("this is limpet-fetch %s beside limpet %s", version, e.stub),
			"limpet and limpet-fetch are one pair: start limpet anew if it was upgraded just now, else `limpet upgrade-stub` places both"}
	}
	l, err := platforms.Locate(root)
	if err != nil {
		return nil, err
	}
	box, _, err := boxfile.Read(l.BoxFile())
	if err != nil {
		return nil, err
	}
	e.place = place{layout: l, box: box, hub: strings.TrimRight(box.Hub(), "/"), channel: channel}
	if passed > 0 {
		e.passed = time.Unix(passed, 0)
	}
	setUmask()
	e.lock, err = platforms.Take(filepath.Join(l.Part(), "lock"))
	if errors.Is(err, platforms.ErrLocked) {
		return nil, &fault{exitSecond, errors.New("another limpet-fetch is at work here"), "wait for it to end"}
	}
	return e, err
}

// leashed is ctx until stdin ends: then the stub that sent us is gone.
func leashed(ctx context.Context, stdin io.Reader) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, stdin)
		cancel()
	}()
	return ctx, cancel
}

// mirrors are the box file's, in its order, then its hubs.
func (e *errand) mirrors() ([]*fetch.Mirror, error) {
	o, err := e.route()
	if err != nil {
		return nil, err
	}
	ca := ""
	if stored, err := storedDocument(e.layout); err == nil && stored != nil {
		ca = stored.document.CA
	}
	places := e.box.Mirror
	for _, hub := range e.box.Hubs {
		places = append(places[:len(places):len(places)], strings.TrimRight(hub, "/")+"/release")
	}
	var list []*fetch.Mirror
	for _, p := range places {
		with := o
		if ofHub(e.box, p) {
			with.HubCA = ca
		}
		m, err := open(p, with)
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	if len(list) == 0 {
		return nil, &fault{exitUsage, errors.New("the box file names neither a hub nor a mirror"), "set hub = https://HUB:8700 in " + e.layout.BoxFile()}
	}
	return list, nil
}

// look brings what is new in the publisher's metadata into part/meta, as a mirror has it: the stub
// verifies it there against what it trusts.
func look(ctx context.Context, args []string, stdin io.Reader, out io.Writer) error {
	e, err := parseErrand("look", args)
	if err != nil {
		return err
	}
	defer e.lock.Release()
	ctx, cancel := leashed(ctx, stdin)
	defer cancel()
	mirrors, err := e.mirrors()
	if err != nil {
		return err
	}
	stored, err := readStored(e.layout, nil)
	if err != nil {
		return err
	}
	var first error
	for _, m := range mirrors {
		err := e.lookAt(ctx, m, stored)
		if err == nil {
			fmt.Fprintf(out, "looked %s\n", m)
			return nil
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return first
}

// lookAt keeps what it was given also where it was then refused: the stub judges by itself.
func (e *errand) lookAt(ctx context.Context, m *fetch.Mirror, stored tuf.Stored) error {
	dir := filepath.Join(e.layout.Part(), "meta")
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("empty %s: %w", dir, err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("make %s: %w", dir, err)
	}
	source := func(name string, max int64) ([]byte, error) {
		data, err := m.Small(ctx, name, max)
		if err != nil {
			return nil, err
		}
		if strings.ContainsAny(name, `/\`) {
			return nil, fmt.Errorf("metadata file %q lies in a folder", name)
		}
		return data, os.WriteFile(filepath.Join(dir, name), data, 0o644)
	}
	want := tuf.CoreDir(e.channel, platform)
	if _, _, err := tuf.Refresh(stored, source, surely(stored, time.Now(), want), want); err != nil {
		return fmt.Errorf("verify releases of %s: %w", m, err)
	}
	hold, err := m.Small(ctx, "hold", maxHold)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "hold"), hold, 0o644)
}

// listed is the core with the hash that get was told, in the metadata that the stub trusts.
func (e *errand) listed() (tuf.Core, error) {
	stored, err := readStored(e.layout, nil)
	if err != nil {
		return tuf.Core{}, err
	}
	set, err := tuf.Offline(stored, tuf.CoreDir(e.channel, platform))
	if err != nil {
		return tuf.Core{}, fmt.Errorf("read metadata: %w", err)
	}
	cores, _ := set.Cores(e.channel, platform)
	for _, c := range cores {
		if fmt.Sprintf("%x", c.SHA256) == e.hash {
			return c, nil
		}
	}
	return tuf.Core{}, &fault{exitNoCore, fmt.Errorf("no core %s in channel %s", e.hash, e.channel), ""}
}

// clean removes from part/ what belongs to other cores than this one.
func (e *errand) clean() error {
	names, err := fsys.Disk{}.ReadDir(e.layout.Part())
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == "lock" || name == "meta" || strings.HasPrefix(name, e.hash) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(e.layout.Part(), name)); err != nil {
			return fmt.Errorf("remove old download: %w", err)
		}
	}
	return nil
}
