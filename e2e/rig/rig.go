//go:build unix

// Package rig builds the programs and runs them as a person would, for the black-box tests and the measures: a release
// repository with development keys, hubs and agents as real processes below one folder, on loopback. It knows the programs only by
// their command lines, their HTTP interface and the files that docs/ promise.
package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// Platform is what the programs are built for, as the release repository names it.
var Platform = runtime.GOOS + "-" + runtime.GOARCH

// Programs are the five that make build builds, by folder.
var Programs = map[string]string{
	"limpet": "./stub", "limpet-fetch": "./stub/fetch", "limpet-core": "./core", "limpet-hub": "./hub", "limpet-release": "./release",
}

// Module returns the folder of go.mod above the working directory.
func Module() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("find go.mod: none above the working directory")
		}
		dir = up
	}
}

// Build builds the programs as make build does, version 0.1.0, into the folder.
var Build = func() func(bin string) error {
	var once sync.Once
	var result error
	return func(bin string) error {
		once.Do(func() { result = build(bin) })
		return result
	}
}()

func build(bin string) error {
	module, err := Module()
	if err != nil {
		return err
	}
	for name, folder := range Programs {
		args := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid= -X main.version=0.1.0", "-o", filepath.Join(bin, name)}
		if name == "limpet-fetch" {
			args = append(args, "-tags", "nethttpomithttp2")
		}
		cmd := exec.Command("go", append(args, folder)...)
		cmd.Dir = module
		cmd.Env = Environment()
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	return nil
}

// Environment is what make build builds in.
func Environment() []string {
	return append(os.Environ(), "CGO_ENABLED=0", "GOEXPERIMENT=nogreenteagc")
}

// Patience is how long whoever is awaited may take where the time is not what is tested: on two processors that a dozen others use, with a
// disk that stands still for seconds. What is there sooner costs nothing.
const Patience = 3 * time.Minute

const pause = 150 * time.Millisecond

// Rig is one folder with everything in it.
type Rig struct {
	Bin string // the programs
	Dir string // everything else

	Below []string // what programs are started by: nsenter and its like, which become them
}

// Run runs one of our programs to its end and returns its stdout; what it said on stderr is in the error.
func (r *Rig) Run(ctx context.Context, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(r.Bin, program), args...)
	cmd.Dir = r.Dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w\n%s", program, strings.Join(args, " "), err, stderr.String())
	}
	return string(out), nil
}

// Publish makes the release repository at its first call and lists the core under the version in it.
func (r *Rig) Publish(ctx context.Context, version, core string) error {
	where := []string{"--dir", r.path("release"), "--keys", r.path("keys")}
	if _, err := r.Run(ctx, "limpet-release", append([]string{"init", "--development"}, where...)...); err != nil {
		return err
	}
	_, err := r.Run(ctx, "limpet-release", append([]string{"publish", "--channel", "stable", "--version", version, "--soak", "3s", "--plain",
		"--core", Platform + "=" + core, "--stub", Platform + "=" + filepath.Join(r.Bin, "limpet"), "--fetch", Platform + "=" + filepath.Join(r.Bin, "limpet-fetch")}, where...)...)
	return err
}

func (r *Rig) path(elem ...string) string { return filepath.Join(append([]string{r.Dir}, elem...)...) }

// FreeAddress finds a port on loopback that nobody listens on. It lies below those that systems give to connections that go out, of which
// one could have it at any moment in which nobody listens there: while a hub is started again, say.
func FreeAddress() (string, error) {
	var err error
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(22_000))
		var l net.Listener
		if l, err = net.Listen("tcp", address); err == nil {
			return address, l.Close()
		}
	}
	return "", err
}

// AwaitPatiently is Await with Patience, and a pause between two calls: a done that runs programs takes no processor from what it waits for.
func AwaitPatiently(ctx context.Context, what string, done func(context.Context) (bool, error)) error {
	var next time.Time
	return Await(ctx, Patience, what, func(ctx context.Context) (bool, error) {
		if time.Now().Before(next) {
			return false, nil
		}
		ok, err := done(ctx)
		next = time.Now().Add(pause)
		return ok, err
	})
}

// Await calls done every few milliseconds until it says true, its error is not nil, or the time is over; then the error says what was awaited.
func Await(ctx context.Context, within time.Duration, what string, done func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := done(ctx)
		if ok || (err != nil && ctx.Err() == nil) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("await %s: not within %s", what, within)
		case <-tick.C:
		}
	}
}
