// Package bundle writes a support archive: what somebody who is not on the box needs to see why an agent does what it does. It takes from a list of
// files (below), never whole folders, so nothing gets in that nobody thought of; and what may hold a secret is redacted line by line.
//
// Never in it: the agent's key, the enrolment token, proxy passwords, results, plugins' output, what a collector is configured with.
package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/core/internal/buffer"
	"github.com/limpet-monitoring/limpet/core/internal/facts"
	"github.com/limpet-monitoring/limpet/core/internal/local"
	"github.com/limpet-monitoring/limpet/platforms"
)

const (
	maxFile = 1 << 20 // bytes of the end of each log
	askTime = 2 * time.Second
)

// Options say of which box.
type Options struct {
	Layout  platforms.Layout
	Version string // of this core
	Doctor  []byte // what limpet doctor says, as JSON
}

// Write writes the archive to a file that must not exist, for its owner only, and gives a line for each thing that is in it.
func Write(ctx context.Context, file string, o Options) (listed []string, err error) {
	out, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("write bundle: %w", err)
	}
	defer func() {
		if e := out.Close(); err == nil && e != nil {
			err = fmt.Errorf("write bundle: %w", e)
		}
		if err != nil {
			os.Remove(file)
		}
	}()
	packed := gzip.NewWriter(out)
	b := &bundle{o: o, tar: tar.NewWriter(packed), now: time.Now()}
	b.add("doctor.json", "what limpet doctor found", o.Doctor)
	b.about()
	b.status(ctx)
	b.bufferList()
	b.boxFile()
	b.files()
	b.add("CONTENTS", "this list", []byte(strings.Join(b.listed, "\n")+"\n"))
	if err := errors.Join(b.err, b.tar.Close(), packed.Close()); err != nil {
		return nil, fmt.Errorf("write bundle: %w", err)
	}
	return b.listed, nil
}

type bundle struct {
	o      Options
	tar    *tar.Writer
	now    time.Time
	listed []string
	err    error // the first of writing
}

// add puts one file into the archive; its content is redacted once more, whatever it is.
func (b *bundle) add(name, what string, data []byte) {
	if b.err != nil {
		return
	}
	data = Redact(data)
	head := &tar.Header{Name: path.Join("limpet-bundle", name), Mode: 0o600, Size: int64(len(data)), ModTime: b.now, Format: tar.FormatPAX}
	if b.err = b.tar.WriteHeader(head); b.err == nil {
		_, b.err = b.tar.Write(data)
	}
	b.listed = append(b.listed, fmt.Sprintf("%-28s %7d bytes  %s", name, len(data), what))
}

func (b *bundle) about() {
	f := facts.Gather()
	f.MachineID = "" // it tells machines apart, and helps nobody here
	data, err := json.MarshalIndent(map[string]any{
		"core": b.o.Version, "go": runtime.Version(), "at": b.now.UTC(), "layout": b.o.Layout, "box": f, "euid": os.Geteuid(),
	}, "", "  ")
	if err == nil {
		b.add("box.json", "host name, addresses, system, versions", data)
	}
}

func (b *bundle) status(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	answer, err := local.Ask(ctx, b.o.Layout.Socket(), "status")
	if err != nil {
		b.add("status.txt", "no core answers", []byte(err.Error()+"\n"))
		return
	}
	b.add("status.json", "the core's status: checks with their last text", answer)
}

func (b *bundle) bufferList() {
	var out bytes.Buffer
	if err := buffer.Show(b.o.Layout.Buffer(), &out, buffer.ShowOptions{}); err != nil {
		fmt.Fprintln(&out, err)
	}
	b.add("buffer.txt", "which files the buffer has, without results", out.Bytes())
}

func (b *bundle) boxFile() {
	data, err := os.ReadFile(b.o.Layout.BoxFile())
	if err != nil {
		data = []byte(err.Error() + "\n")
	}
	b.add("limpet.conf", "the box file, passwords left out", data)
}

// files are logs and small state files, each by name.
func (b *bundle) files() {
	l := b.o.Layout
	for _, f := range []struct{ name, what, path string }{
		{"log/limpet.log", "the stub's log", l.StubLog()},
		{"log/limpet.log.1", "the one before", l.StubLog() + ".1"},
		{"log/core.log", "the core's log", l.CoreLog()},
		{"log/core.log.1", "the one before", l.CoreLog() + ".1"},
		{"state/stub", "what the stub says of itself", l.RunStub()},
		{"state/history", "what became of each release", l.History()},
		{"state/addresses", "addresses of the hub", l.Addresses()},
		{"agent.finger", "the agent's fingerprint", l.Finger()},
	} {
		b.tail(f.name, f.what, f.path)
	}
	for _, pattern := range []struct{ what, glob, under string }{
		{"the end of a rejected core's log", l.Rejected("*"), "state/rejected"},
		{"which process a collector is", filepath.Join(l.Collector(), "*", "process"), "state/collector"},
		{"a collector's log", filepath.Join(l.Log, "collector-*.log*"), "log"},
	} {
		found, _ := filepath.Glob(pattern.glob) // its only error is a bad pattern
		for _, file := range found[:min(len(found), 32)] {
			name := filepath.Base(file)
			if name == "process" {
				name = filepath.Base(filepath.Dir(file)) + "-process"
			}
			b.tail(path.Join(pattern.under, name), pattern.what, file)
		}
	}
}

// tail adds the end of a regular file; what is not there is passed over, what cannot be read is said.
func (b *bundle) tail(name, what, file string) {
	data, err := readTail(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		b.add(name+".error", "could not be read", []byte(err.Error()+"\n"))
	default:
		b.add(name, what, data)
	}
}

func readTail(file string) ([]byte, error) {
	info, err := os.Lstat(file)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", file)
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-maxFile), maxFile))
}
