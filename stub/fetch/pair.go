package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/minio/selfupdate"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/signing/tuf"
	"github.com/limpet-monitoring/limpet/updater/fetch"
	"github.com/limpet-monitoring/limpet/updater/store"
)

// bin is the folder of limpet and limpet-fetch. Each version of the two has a folder of its own in it,
// named after the version and the hash of both, which is not written to once it has that name; which of
// them runs is switched in one step (switch_unix.go, docs/decisions/031-stub-pair.md).
type bin struct {
	dir      string
	programs [2]string // the names of the two files
	step     func()    // called before each durable step; tests end it there
}

func binOf(l platforms.Layout) bin {
	return bin{filepath.Dir(l.Stub()), [2]string{filepath.Base(l.Stub()), filepath.Base(l.Fetch())}, func() {}}
}

func (b bin) path(elements ...string) string {
	return filepath.Join(append([]string{b.dir}, elements...)...)
}

// nameOf is the name of the folder of a pair.
func nameOf(version string, limpet, fetch [32]byte) string {
	both := sha256.Sum256(append(limpet[:], fetch[:]...))
	return fmt.Sprintf("%s-%x", version, both[:8])
}

// versionIn is the version in such a name, "" for any other.
func versionIn(name string) string {
	version, hash, ok := cutLast(name, '-')
	if !ok || len(hash) != 16 || strings.Trim(hash, "0123456789abcdef") != "" || strings.HasPrefix(name, ".") {
		return ""
	}
	return version
}

func cutLast(s string, by byte) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, by)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// sound reports whether the folder of a pair holds what its name says.
func (b bin) sound(name string) bool {
	hashes, err := b.hashes(name)
	return err == nil && versionIn(name) != "" && nameOf(versionIn(name), hashes[0], hashes[1]) == name
}

// hashes are those of the two programs in a folder below bin, "" for bin itself.
func (b bin) hashes(folder string) (sums [2][32]byte, err error) {
	for i, program := range b.programs {
		f, err := os.Open(b.path(folder, program))
		if err != nil {
			return sums, err
		}
		h := sha256.New()
		_, err = io.CopyBuffer(onlyWriter{h}, io.LimitReader(f, maxProgram+1), make([]byte, 64<<10))
		f.Close()
		if err != nil {
			return sums, err
		}
		sums[i] = [32]byte(h.Sum(nil))
	}
	return sums, nil
}

// onlyWriter hides ReadFrom.
type onlyWriter struct{ io.Writer }

// maxProgram is the most that limpet or limpet-fetch may have, in bytes: they are held in memory once.
const maxProgram = 16 << 20

// source opens one of the two programs as it was signed.
type source func(tuf.Target) (*os.File, error)

// prepare brings a pair into its folder, whole and durable, and returns the folder's name. Nothing runs
// from there yet.
func (b bin) prepare(pair tuf.Pair, from source) (string, error) {
	name := nameOf(pair.Version, pair.Limpet.SHA256, pair.Fetch.SHA256)
	if b.sound(name) {
		return name, nil
	}
	if err := b.collect(func(other string) bool { return other != name }); err != nil {
		return "", err
	}
	private, err := os.MkdirTemp(b.dir, ".new-") // 0700
	if err != nil {
		return "", fmt.Errorf("prepare limpet %s: %w", pair.Version, err)
	}
	defer os.RemoveAll(private)
	for i, t := range []tuf.Target{pair.Limpet, pair.Fetch} {
		if err := b.prepareOne(filepath.Join(private, b.programs[i]), t, from); err != nil {
			return "", fmt.Errorf("prepare %s %s: %w", b.programs[i], pair.Version, err)
		}
	}
	if err := b.agree(private, pair.Version); err != nil {
		return "", err
	}
	if err := os.Chmod(private, 0o755); err != nil {
		return "", err
	}
	b.step()
	if err := b.keep(private, name); err != nil {
		return "", fmt.Errorf("place limpet %s: %w", pair.Version, err)
	}
	return name, nil
}

// prepareOne writes one program to a path in a private folder. selfupdate writes what it has held against
// the checksum; it syncs nothing, so that, another look at what came to be there, and the name are ours.
func (b bin) prepareOne(path string, t tuf.Target, from source) error {
	if t.Length > maxProgram {
		return fetch.ErrTooLarge
	}
	in, err := from(t)
	if err != nil {
		return err
	}
	defer in.Close()
	o := selfupdate.Options{TargetPath: path, TargetMode: 0o755, Checksum: t.SHA256[:]}
	if err := selfupdate.PrepareAndCheckBinary(io.LimitReader(in, t.Length+1), o); err != nil {
		return err
	}
	fresh := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new") // what selfupdate calls it
	f, err := os.OpenFile(fresh, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	err = errors.Join(f.Sync(), store.Check(f, t.SHA256, t.Length))
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(fresh, path)
	}
	return err
}

// keep gives a folder that is whole its name.
func (b bin) keep(private, name string) error {
	disk := fsys.Disk{}
	if err := os.RemoveAll(b.path(name)); err != nil { // what is there is damaged
		return err
	}
	if err := disk.SyncDir(private); err != nil {
		return err
	}
	b.step()
	if err := disk.Rename(private, b.path(name)); err != nil {
		return err
	}
	return disk.SyncDir(b.dir)
}

// collect removes folders of pairs that are neither running, nor the way back, nor wanted.
func (b bin) collect(useless func(name string) bool) error {
	names, err := fsys.Disk{}.ReadDir(b.dir)
	if err != nil {
		return err
	}
	current, previous := b.named(current), b.named(previous)
	for _, name := range names {
		private := strings.HasPrefix(name, ".new-")
		if !private && (versionIn(name) == "" || name == current || name == previous || !useless(name)) {
			continue
		}
		if err := os.RemoveAll(b.path(name)); err != nil {
			return fmt.Errorf("remove an old pair: %w", err)
		}
	}
	return nil
}

// agree runs both programs in a folder: they must start on this system and be of this version.
func (b bin) agree(folder, version string) error {
	for _, program := range b.programs {
		said, err := versionOf(filepath.Join(folder, program))
		if err != nil {
			return fmt.Errorf("%s %s does not run here: %w", program, version, err)
		}
		if said != version {
			return &fault{exitUntrusted, fmt.Errorf("%s calls itself %s, and is listed as %s", program, said, version),
				"limpet and limpet-fetch must be of one version; tell who publishes them"}
		}
	}
	return nil
}

// versionTime is how long a program may take to say who it is: on a busy machine its start alone takes seconds.
const versionTime = time.Minute

// versionOf asks a program who it is: "limpet 0.1.0 (…)".
func versionOf(path string) (string, error) {
	out, in, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer out.Close()
	var family platforms.Family
	child, err := family.Start(platforms.Spec{Path: path, Args: []string{filepath.Base(path), "version"}, Files: [3]*os.File{1: in}})
	in.Close()
	if err != nil {
		return "", err
	}
	overdue := time.AfterFunc(versionTime, child.Kill)
	text, _ := io.ReadAll(io.LimitReader(out, 4<<10))
	exit, err := child.Wait()
	overdue.Stop()
	if err != nil {
		return "", err
	}
	words := strings.Fields(string(text))
	if exit != (platforms.Exit{}) || len(words) < 2 {
		return "", errors.New("it ends with " + exit.String())
	}
	return words[1], nil
}

// download is a source that brings a program from a mirror.
func download(ctx context.Context, l platforms.Layout, mirrors []*fetch.Mirror) source {
	return func(t tuf.Target) (*os.File, error) {
		part := filepath.Join(l.Install(), fmt.Sprintf("%x", t.SHA256))
		var first error
		for _, m := range mirrors {
			err := m.Large(ctx, fetch.Want{Name: t.File, Length: t.Length, SHA256: t.SHA256}, part, comeAgain())
			if err == nil {
				return os.Open(part)
			}
			if first == nil {
				first = err
			}
			if ctx.Err() != nil {
				break
			}
		}
		return nil, first
	}
}

// forgetDownloads removes what download left of a pair that is in place.
func forgetDownloads(l platforms.Layout, pair tuf.Pair) error {
	for _, t := range []tuf.Target{pair.Limpet, pair.Fetch} {
		if err := removeIfThere(filepath.Join(l.Install(), fmt.Sprintf("%x", t.SHA256))); err != nil {
			return fmt.Errorf("remove download: %w", err)
		}
	}
	return nil
}

// orFrom is a source that takes what lies in a folder already, where it is what was signed.
func (s source) orFrom(folder string) source {
	return func(t tuf.Target) (*os.File, error) {
		if folder != "" {
			if f, err := store.Open(filepath.Join(folder, filepath.Base(t.Path)), t.SHA256, t.Length); err == nil {
				return f, nil
			}
		}
		return s(t)
	}
}

// missing reports whether a file is not there.
func missing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}
