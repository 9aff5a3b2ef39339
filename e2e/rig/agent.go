//go:build unix

package rig

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

// Agent is one agent below a root of its own, run through its stub.
type Agent struct {
	rig  *Rig
	Root string
	stub *Process
}

// NewAgent names an agent; Bootstrap and Start make it live.
func (r *Rig) NewAgent(name string) *Agent { return &Agent{rig: r, Root: r.path(name)} }

// Bootstrap fetches, verifies and places the factory core through the hub.
func (a *Agent) Bootstrap(ctx context.Context, h *Hub) error {
	token, err := h.Token(ctx)
	if err != nil {
		return err
	}
	return a.BootstrapWith(ctx, h, token)
}

// BootstrapWith is Bootstrap with a token that was made before.
func (a *Agent) BootstrapWith(ctx context.Context, h *Hub, token string) error {
	file := a.Root + ".token"
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		return err
	}
	defer os.Remove(file)
	if _, err := a.rig.Run(ctx, "limpet-fetch", "bootstrap", "--root", a.Root, "--hub", h.URL(), "--token-file", file); err != nil {
		return err
	}
	return a.install()
}

// install puts the stub's two programs where an installer would.
func (a *Agent) install() error {
	bin := filepath.Join(a.Root, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"limpet", "limpet-fetch"} {
		data, err := os.ReadFile(filepath.Join(a.rig.Bin, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(bin, name), data, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// Start starts its stub.
func (a *Agent) Start() error {
	p, err := a.rig.Start(filepath.Base(a.Root)+".log", "limpet", "run", "--root", a.Root)
	a.stub = p
	return err
}

// StartInstalled starts the stub that an installer put below its root.
func (a *Agent) StartInstalled() error {
	installed := &Rig{Bin: filepath.Join(a.Root, "bin"), Dir: a.rig.Dir}
	p, err := installed.Start(filepath.Base(a.Root)+".log", "limpet", "run", "--root", a.Root)
	a.stub = p
	return err
}

// Stub is the process of its stub.
func (a *Agent) Stub() *Process { return a.stub }

// Stop ends it as an init system would.
func (a *Agent) Stop() error { return a.stub.Stop(stopTime) }

// CorePID returns the process id of its core from the stub's status file; 0 when there is none.
func (a *Agent) CorePID() int {
	f, err := os.Open(filepath.Join(a.Root, "state", "run", "stub"))
	if err != nil {
		return 0
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if v, ok := strings.CutPrefix(lines.Text(), "core_pid "); ok {
			pid, _ := strconv.Atoi(v)
			return pid
		}
	}
	return 0
}

// KillCore ends the core with SIGKILL; the stub and the core's children are not touched.
func (a *Agent) KillCore() error {
	pid := a.CorePID()
	if pid <= 1 {
		return fmt.Errorf("kill core of %s: it has none", a.Root)
	}
	return syscall.Kill(pid, syscall.SIGKILL)
}

// Record is what its stub holds now; the zero record while there is none.
func (a *Agent) Record() boot.Record {
	l, err := platforms.At(a.Root)
	if err != nil {
		return boot.Record{}
	}
	_, r, _ := boot.Load(fsys.Disk{}, [2]string{l.Record(0), l.Record(1)})
	return r
}

// Look has its stub look for a newer release now.
func (a *Agent) Look(ctx context.Context) error {
	_, err := a.rig.Run(ctx, "limpet", "look", "--root", a.Root)
	return err
}

// Fingerprint is what the agent is known by, "" before its first start.
func (a *Agent) Fingerprint() string {
	b, err := os.ReadFile(filepath.Join(a.Root, "etc", "agent.finger"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// Configure adds lines to the box file; the agent reads them at its next start or when told.
func (a *Agent) Configure(lines ...string) error {
	f, err := os.OpenFile(filepath.Join(a.Root, "etc", "limpet.conf"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(strings.Join(lines, "\n") + "\n")
	return err
}

// Box writes its box file anew.
func (a *Agent) Box(lines ...string) error {
	return os.WriteFile(filepath.Join(a.Root, "etc", "limpet.conf"), []byte(strings.Join(lines, "\n")+"\n"), 0o644)
}

// Reload tells its stub that the box file changed.
func (a *Agent) Reload() error { return a.stub.Cmd.Process.Signal(syscall.SIGHUP) }
