package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

const (
	startTime = 30 * time.Second // a hub that is not up by then will not come up
	stopTime  = 15 * time.Second // the agent's own stop takes at most ten
)

// demo owns everything below dir and the two processes it starts.
type demo struct {
	bin, dir, listen string
	out              io.Writer
}

func (d *demo) path(elem ...string) string { return filepath.Join(append([]string{d.dir}, elem...)...) }

func (d *demo) run(ctx context.Context) error {
	if err := free(d.listen); err != nil {
		return err
	}
	if err := os.MkdirAll(d.dir, 0o755); err != nil {
		return fmt.Errorf("make %s: %w", d.dir, err)
	}
	fmt.Fprintln(d.out, "release repository: development keys, "+d.path("release"))
	if err := d.publish(ctx); err != nil {
		return err
	}
	hub, err := start(d.path("hub.log"), d.prog("limpet-hub"), "serve", "--data", d.path("hub"), "--listen", d.listen, "--release", d.path("release"))
	if err != nil {
		return err
	}
	defer hub.stop(stopTime)
	pid := d.path("hub.pid") // for make demo-bad-update, which makes the hub stand still
	if err := os.WriteFile(pid, fmt.Appendf(nil, "%d\n", hub.cmd.Process.Pid), 0o644); err != nil {
		return err
	}
	defer os.Remove(pid)
	if err := d.waitHub(ctx, hub); err != nil {
		return err
	}
	if err := d.bootstrap(ctx); err != nil {
		return err
	}
	if err := d.place(); err != nil {
		return err
	}
	agent, err := start(d.path("agent.log"), d.prog("limpet"), "run", "--root", d.path("agent"))
	if err != nil {
		return err
	}
	defer agent.stop(stopTime)
	if err := d.greet(ctx); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-hub.done:
		return fmt.Errorf("the hub ended by itself; its last words are in %s", d.path("hub.log"))
	case <-agent.done:
		return fmt.Errorf("the agent ended by itself; its last words are in %s", d.path("agent.log"))
	}
}

func (d *demo) prog(name string) string {
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(d.bin, name)
}

// free says plainly when somebody else has the address: most often an earlier `make run`.
func free(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("%s is in use, perhaps by another `make run`: stop it, or choose another with LIMPET_RUN_LISTEN=127.0.0.1:8701 (%w)", addr, err)
	}
	return l.Close()
}

// publish lists the programs just built, the installer's too, under their own version, and signs the repository anew.
func (d *demo) publish(ctx context.Context) error {
	out, err := d.command(ctx, "limpet", "version")
	if err != nil {
		return err
	}
	words := strings.Fields(string(out)) // limpet VERSION (…
	if len(words) < 2 {
		return fmt.Errorf("read the version of the programs just built: %q", out)
	}
	platform := runtime.GOOS + "-" + runtime.GOARCH + "="
	common := []string{"--dir", d.path("release"), "--keys", d.path("keys")}
	steps := [][]string{
		append([]string{"init", "--development"}, common...),
		append([]string{"publish", "--channel", "stable", "--version", words[1], "--soak", "3s", "--plain", "--core", platform + d.prog("limpet-core"),
			"--stub", platform + d.prog("limpet"), "--fetch", platform + d.prog("limpet-fetch")}, common...),
		append([]string{"refresh"}, common...),
	}
	for _, args := range steps {
		if _, err := d.command(ctx, "limpet-release", args...); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) waitHub(ctx context.Context, hub *process) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-hub.done:
			return fmt.Errorf("the hub did not start: %s", lastLines(d.path("hub.log")))
		case <-ctx.Done():
			return fmt.Errorf("the hub did not come up within %s: %s", startTime, lastLines(d.path("hub.log")))
		case <-tick.C:
			if _, err := d.command(ctx, "limpet-hub", "agents", "--data", d.path("hub")); err == nil {
				return nil
			}
		}
	}
}

// bootstrap gives a new agent a token of one use; one that is enrolled already needs none.
func (d *demo) bootstrap(ctx context.Context) error {
	root := d.path("agent")
	args := []string{"bootstrap", "--root", root, "--hub", "https://" + d.listen}
	if _, err := os.Stat(filepath.Join(root, "etc", "agent.finger")); errors.Is(err, os.ErrNotExist) {
		out, err := d.command(ctx, "limpet-hub", "token", "create", "--json", "--note", "make run", "--data", d.path("hub"))
		if err != nil {
			return err
		}
		var token struct{ Token string }
		if err := json.Unmarshal(out, &token); err != nil {
			return fmt.Errorf("read the new token: %w", err)
		}
		file := d.path("token")
		if err := os.WriteFile(file, []byte(token.Token+"\n"), 0o600); err != nil {
			return err
		}
		defer os.Remove(file)
		args = append(args, "--token-file", file)
	} else {
		args = append(args, "--anew") // the core just built, not the one of the last time
	}
	out, err := d.command(ctx, "limpet-fetch", args...)
	fmt.Fprint(d.out, string(out))
	return err
}

// place puts the programs of the stub where an installer would, so that the agent finds its hands for downloads.
func (d *demo) place() error {
	for _, name := range []string{"limpet", "limpet-fetch"} {
		data, err := os.ReadFile(d.prog(name))
		if err != nil {
			return err
		}
		to := d.path("agent", "bin", filepath.Base(d.prog(name)))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to+".new", data, 0o755); err != nil {
			return err
		}
		if err := os.Rename(to+".new", to); err != nil { // one that runs cannot be written
			return err
		}
	}
	return nil
}

func (d *demo) greet(ctx context.Context) error {
	out, err := d.command(ctx, "limpet-hub", "signin", "--json", "--data", d.path("hub"))
	if err != nil {
		return err
	}
	var link struct{ URL string }
	if err := json.Unmarshal(out, &link); err != nil {
		return fmt.Errorf("read the sign-in link: %w", err)
	}
	host, _ := os.Hostname()
	fmt.Fprintf(d.out, `
Limpet runs: a hub on https://%s and one agent, both below %s.

  Console (one-time link; the certificate is the hub's own, so the browser asks once):
  %s

  Three things to try, in another terminal:
    bin/limpet status --root %s
    bin/limpet-hub run %s disk --data %s
    bin/limpet try --root %s ./docs/examples/check_hello.sh

Ctrl-C stops everything.
`, d.listen, d.dir, link.URL, d.path("agent"), host, d.path("hub"), d.path("agent"))
	return nil
}

// command runs one of our programs to its end; what it says about a failure becomes the error.
func (d *demo) command(ctx context.Context, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, d.prog(name), args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("%s %s: %w\n%s", name, args[0], err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}

func lastLines(name string) string {
	b, err := os.ReadFile(name)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-3):], "\n")
}
