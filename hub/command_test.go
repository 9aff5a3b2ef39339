package main

import (
	"context"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/limpet-monitoring/limpet/core/wire"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"limpet-hub": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			os.Exit(run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
		},
	})
}

// TestScript runs testdata/script/*.txtar: the command line as a person types it, against a hub in a process of its own.
//
//	release DIR    makes a release repository that lists nothing
//	await FILE     waits until there is such a file
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"release": func(ts *testscript.TestScript, _ bool, args []string) { makeRelease(t, ts.MkAbs(args[0])) },
			"await": func(ts *testscript.TestScript, _ bool, args []string) {
				await(t, args[0], func() bool { _, err := os.Stat(ts.MkAbs(args[0])); return err == nil })
			},
		},
		RequireUniqueNames: true,
	})
}

func TestRunExitsAsThePluginDid(t *testing.T) {
	h := startHub(t, "")
	a := h.enrolled(t, h.token(t, 1), facts("web1"))
	end := func(output string, e *wire.RunEnd) {
		run := <-a.runs
		if output != "" {
			a.send(&wire.Frame{Body: &wire.Frame_RunOutput{RunOutput: &wire.RunOutput{Call: run.GetCall(), Data: []byte(output)}}})
		}
		e.Call = run.GetCall()
		a.send(&wire.Frame{Body: &wire.Frame_RunEnd{RunEnd: e}})
	}
	odd := result("x", wire.State_STATE_UNKNOWN, "x")
	odd.Exit = 127
	killed := result("x", wire.State_STATE_UNKNOWN, "no answer")
	killed.Exit, killed.TimedOut = -1, true
	for name, c := range map[string]struct {
		output           string
		end              *wire.RunEnd
		code             int
		stdout, stderror string
	}{
		"critical":    {"CRIT\x1b[31m: down\n", &wire.RunEnd{Result: result("x", wire.State_STATE_CRITICAL, "CRIT: down")}, 2, "CRIT[31m: down\n", ""},
		"builtin":     {"", &wire.RunEnd{Result: result("x", wire.State_STATE_OK, "DISK OK")}, 0, "DISK OK\n", ""},
		"beyond 3":    {"sh: not found\n", &wire.RunEnd{Result: odd}, 3, "sh: not found\n", ""},
		"deadline":    {"", &wire.RunEnd{Result: killed}, 3, "no answer\n", "note: ended by its deadline\n"},
		"nothing ran": {"", &wire.RunEnd{Error: "no such check"}, exitAway, "", "error: run x on web1: no such check\nhint: limpet-hub agent show web1 lists its checks\n"},
	} {
		go end(c.output, c.end)
		code, stdout, stderr := typed(t, "", "run", "web1", "x", "--data", h.data)
		if code != c.code || stdout != c.stdout || stderr != c.stderror {
			t.Errorf("%s: exit %d, stdout %q, stderr %q", name, code, stdout, stderr)
		}
	}
	if code, _, stderr := typed(t, "", "run", "nobody", "x", "--data", h.data); code != exitNoFile || !strings.HasPrefix(stderr, "error: run x on nobody: no such agent\nhint: ") {
		t.Errorf("unknown agent: exit %d, %s", code, stderr)
	}
}

func TestListsForPeopleAndPrograms(t *testing.T) {
	h := startHub(t, "")
	a := h.enrolled(t, h.token(t, 1), facts("web1\x1b[2J", "web"))
	a.report(result("disk", wire.State_STATE_WARNING, "DISK WARNING\x07"))
	await(t, "the result", func() bool { return len(h.problems(t)) == 1 })
	await(t, "the log", func() bool { return h.logged(t, "enrolled", "") })
	for _, c := range []struct {
		args string
		want []string
	}{
		{"agents", []string{"web1", "online", "1 warning"}},
		{"agents --json", []string{`"state":"WARNING"`, `"presence":"online"`}},
		{"problems", []string{"WARNING", "disk"}},
		{"events --limit 10", []string{"enrolled"}},
		{"token list", []string{"0 of 1"}},
	} {
		code, out, stderr := typed(t, "", append(strings.Fields(c.args), "--data", h.data)...)
		if code != 0 || stderr != "" || strings.ContainsAny(out, "\x1b\x07") {
			t.Errorf("%s: exit %d, %q %q", c.args, code, out, stderr)
		}
		for _, w := range c.want {
			if !strings.Contains(out, w) {
				t.Errorf("%s does not say %q: %s", c.args, w, out)
			}
		}
	}
}
