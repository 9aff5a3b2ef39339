package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

// demo is a running `make run`, looked at from outside.
type demo struct {
	dir     string // .run
	bin     string
	layout  platforms.Layout
	hub     *hub
	agent   string // fingerprint
	out     io.Writer
	began   time.Time
	restore func() error // takes the added checks back
}

// builtFile is where a core lies until it is published.
const builtFile = "demo-core"

// release is one core that was built here.
type release struct {
	version string
	file    string
	hash    [32]byte
}

// open finds what runs. The checks that measure the gap are added; close takes them back.
func open(ctx context.Context, dir string, out io.Writer) (*demo, error) {
	d := &demo{dir: dir, bin: "bin", out: out, began: time.Now()}
	finger, err := os.ReadFile(filepath.Join(dir, "agent", "etc", "agent.finger"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no agent below %s; start `make run` in another terminal first", dir)
	}
	if err != nil {
		return nil, err
	}
	d.agent = strings.TrimSpace(string(finger))
	if d.layout, err = platforms.At(filepath.Join(dir, "agent")); err != nil {
		return nil, err
	}
	if d.hub, err = dial(filepath.Join(dir, "hub")); err != nil {
		return nil, err
	}
	a, err := d.hub.agent(ctx, d.agent)
	if err != nil {
		return nil, fmt.Errorf("the hub does not answer (is `make run` up?): %w", err)
	}
	if a.Presence != "online" {
		return nil, fmt.Errorf("the agent is %s; start `make run` in another terminal first", a.Presence)
	}
	if d.restore, err = d.hub.addTicks(ctx); err != nil {
		return nil, err
	}
	d.say("the agent runs %s (%.12s)", a.CoreVersion, a.CoreHash)
	return d, nil
}

func (d *demo) close() {
	os.Remove(filepath.Join(d.dir, builtFile))
	if err := d.restore(); err != nil {
		d.say("the checks added here are still there: %v", err)
	}
}

// say prints one line with the time since the start.
func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.out, "%8.2fs  %s\n", time.Since(d.began).Seconds(), fmt.Sprintf(format, args...))
}

// build builds the core of this source under a version of its own; with a fault, one of those of core/fault_*.go.
func (d *demo) build(ctx context.Context, fault string) (release, error) {
	r := release{version: fmt.Sprintf("0.1.1-demo.%d", time.Now().UnixMilli())}
	r.file = filepath.Join(d.dir, builtFile)
	args := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid= -X main.version=" + r.version, "-o", r.file}
	if fault != "" {
		args = append(args, "-tags", "demofault_"+fault)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./core")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return r, fmt.Errorf("build core: %w\n%s", err, text)
	}
	data, err := os.ReadFile(r.file)
	if err != nil {
		return r, err
	}
	r.hash = sha256.Sum256(data)
	d.say("built %s (%x, %d bytes)", r.version, r.hash[:6], len(data))
	return r, nil
}

// publish lists a core in the repository that the hub serves, with a delta from the one that runs.
func (d *demo) publish(ctx context.Context, r release, soak time.Duration) error {
	a, err := d.hub.agent(ctx, d.agent)
	if err != nil {
		return err
	}
	text, err := d.run(ctx, "limpet-release", "publish", "--dir", filepath.Join(d.dir, "release"), "--keys", filepath.Join(d.dir, "keys"),
		"--version", r.version, "--soak", soak.String(), "--last", "0", "--base", a.CoreHash,
		"--core", runtime.GOOS+"-"+runtime.GOARCH+"="+r.file)
	for line := range strings.Lines(text) {
		d.say("  %s", strings.TrimRight(line, "\n"))
	}
	return err
}

// look tells the agent to look for releases now: by the hub, else on the box itself.
func (d *demo) look(ctx context.Context) error {
	err := d.hub.look(ctx, d.agent)
	if err == nil {
		d.say("the hub told the agent to look")
		return nil
	}
	if _, local := d.run(ctx, "limpet", "look", "--root", d.layout.Root); local != nil {
		return fmt.Errorf("tell the agent to look: %w", errors.Join(err, local))
	}
	d.say("limpet look: the stub looks now")
	return nil
}

func (d *demo) run(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(d.bin, name), args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w\n%s", name, args[0], err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

// record is what the stub holds now.
func (d *demo) record() (boot.Record, bool) {
	_, r, found := boot.Load(fsys.Disk{}, [2]string{d.layout.Record(0), d.layout.Record(1)})
	return r, found
}

func short(hash [32]byte) string { return hex.EncodeToString(hash[:6]) }
