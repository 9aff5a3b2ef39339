//go:build unix

package e2e

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/limpet-monitoring/limpet/e2e/rig"
)

// TestScript runs testdata/script/*.txtar: the command lines as a person types them. Beside testscript's own commands there are
//
//	hub start|stop|kill              one hub, data in $WORK/hub; $HUB is its URL
//	agent start|stop|kill|reload|core-kill NAME   one agent below $WORK/NAME, through its stub
//	await PATTERN PROGRAM…           runs the program again and again until its output matches
//	flip FILE                        changes one bit in the middle of a file
//	gone PATH                        waits until no process names this path below $WORK in its command line
func TestScript(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			r := &scriptRig{Rig: &rig.Rig{Bin: bin, Dir: env.WorkDir}, agents: map[string]*rig.Agent{}}
			hub, err := r.NewHub()
			if err != nil {
				return err
			}
			r.hub = hub
			env.Values["rig"] = r
			env.Defer(r.end)
			env.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
			env.Setenv("HUB", hub.URL())
			env.Setenv("LISTEN", hub.Address)
			env.Setenv("PLATFORM", rig.Platform)
			env.Setenv("BIN", bin)
			env.Setenv("PLUGINS", plugins())
			host, _ := os.Hostname()
			env.Setenv("HOST", host)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"hub": cmdHub, "agent": cmdAgent, "await": cmdAwait, "flip": cmdFlip, "gone": cmdGone,
		},
		RequireUniqueNames: true,
	})
}

// scriptRig is what one script has running.
type scriptRig struct {
	*rig.Rig
	hub    *rig.Hub
	hubOn  bool
	agents map[string]*rig.Agent
}

func (r *scriptRig) end() {
	for _, a := range r.agents {
		if a.Stub() != nil {
			a.Stop()
		}
	}
	if r.hubOn {
		r.hub.Stop()
	}
}

func scriptOf(ts *testscript.TestScript) *scriptRig { return ts.Value("rig").(*scriptRig) }

func cmdHub(ts *testscript.TestScript, neg bool, args []string) {
	r := scriptOf(ts)
	if neg || len(args) != 1 {
		ts.Fatalf("usage: hub start|stop|kill")
	}
	var err error
	switch args[0] {
	case "start":
		err = r.hub.Start(context.Background())
		r.hubOn = true
	case "stop":
		err = r.hub.Stop()
		r.hubOn = false
	case "kill":
		r.hub.Kill()
		r.hubOn = false
	}
	ts.Check(err)
}

func cmdAgent(ts *testscript.TestScript, neg bool, args []string) {
	r := scriptOf(ts)
	if neg || len(args) != 2 {
		ts.Fatalf("usage: agent start|stop|kill|reload|core-kill NAME")
	}
	a := r.agents[args[1]]
	if a == nil {
		a = r.NewAgent(args[1])
		r.agents[args[1]] = a
	}
	var err error
	switch args[0] {
	case "start":
		err = a.Start()
	case "stop":
		err = a.Stop()
		delete(r.agents, args[1])
	case "kill":
		a.Stub().Kill()
		delete(r.agents, args[1])
	case "core-kill":
		err = a.KillCore()
	case "reload":
		err = a.Reload()
	}
	ts.Check(err)
}

func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: await PATTERN PROGRAM…")
	}
	pattern, err := regexp.Compile(`(?m)` + args[0])
	ts.Check(err)
	var last []byte
	err = rig.AwaitPatiently(context.Background(), strings.Join(args[1:], " ")+" to say "+args[0], func(ctx context.Context) (bool, error) {
		program := args[1]
		if _, err := os.Stat(filepath.Join(bin, program)); err == nil {
			program = filepath.Join(bin, program)
		}
		cmd := exec.CommandContext(ctx, program, args[2:]...)
		cmd.Dir, cmd.Env = ts.MkAbs("."), append(os.Environ(), "PATH="+ts.Getenv("PATH"))
		out, _ := cmd.CombinedOutput()
		if ctx.Err() == nil { // else it was cut off
			last = out
		}
		return pattern.Match(out), nil
	})
	if err != nil {
		ts.Fatalf("%v; it said last:\n%s", err, bytes.TrimSpace(last))
	}
}

func cmdFlip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: flip FILE")
	}
	names, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(names) != 1 {
		ts.Fatalf("flip %s: %d files", args[0], len(names))
	}
	data, err := os.ReadFile(names[0])
	ts.Check(err)
	data[len(data)/2] ^= 1
	ts.Check(os.Chmod(names[0], 0o755))
	ts.Check(os.WriteFile(names[0]+".flipped", data, 0o555))
	ts.Check(os.Rename(names[0]+".flipped", names[0]))
}

// cmdGone looks for processes whose command line names an agent's root, or a plugin.
func cmdGone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: gone PATH")
	}
	root := []byte(ts.MkAbs(args[0]))
	err := rig.AwaitPatiently(context.Background(), "the end of every process of "+args[0], func(context.Context) (bool, error) {
		lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, f := range lines {
			text, _ := os.ReadFile(f)
			if bytes.Contains(text, root) && !bytes.HasPrefix(text, []byte("go")) {
				return false, nil
			}
		}
		return true, nil
	})
	ts.Check(err)
}
