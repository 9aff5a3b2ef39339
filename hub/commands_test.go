package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/core/wire"
)

// line is a command line and what it must lead to.
type line struct {
	in, args string
	code     int
	out, err string // each holds this
}

func (h *testHub) types(t *testing.T, lines ...line) {
	t.Helper()
	for _, l := range lines {
		code, out, errOut := typed(t, l.in, append(strings.Fields(l.args), "--data", h.data)...)
		if code != l.code || !strings.Contains(out, l.out) || !strings.Contains(errOut, l.err) {
			t.Errorf("%s: exit %d\n%s%s", l.args, code, out, errOut)
		}
		if l.code >= exitUsage && (!strings.HasPrefix(errOut[strings.LastIndex(errOut, "error: "):], "error: ") || !strings.Contains(errOut, "\nhint: ")) {
			t.Errorf("%s: no error with a hint: %q", l.args, errOut)
		}
	}
}

func TestCommandsSayWhatTheHubSays(t *testing.T) {
	t.Parallel()
	h := startHub(t, "")
	h.types(t,
		line{args: "agents", out: "no agent yet"},
		line{args: "problems", out: "nothing is wrong"},
		line{args: "desired", err: "nothing applied yet"},
		line{args: "token list", out: "no token"},
		line{args: "signin", out: h.url + "/signin?code=", err: "good once"},
		line{args: "signin --json", out: `"url":"` + h.url},
		line{args: "token create --uses 2 --note racks", out: "good for 2 boxes"},
		line{args: "token list", out: "2 of 2"},
		line{args: "token create --uses 0", code: exitUsage},
		line{args: "token revoke 0123456789abcdef", code: exitNoFile, err: "no such token"},
		line{args: "agent show none", code: exitNoFile, err: "none: no such agent"},
		line{args: "agent forget none", code: exitNoFile},
		line{args: "events --limit 0", code: exitUsage},
		line{args: "agent", code: exitUsage, err: "agent show"},
		line{args: "run alpha", code: exitUsage, err: "takes 2 words, 1 given"},
		line{args: "agents --jso", code: exitUsage},
	)
	a := h.enrolled(t, h.token(t, 1), facts("alpha", "web"))
	a.report(result("disk", wire.State_STATE_CRITICAL, "DISK \x1b[31mCRITICAL"))
	h.checksOf(t, a, 1)
	h.types(t,
		line{args: "agents", out: "alpha"},
		line{args: "agents --json", out: `"hostname":"alpha"`},
		line{args: "agent show alpha", out: "DISK [31mCRITICAL"}, // without what would colour the terminal
		line{args: "problems", out: "CRITICAL"},
		line{in: "checks: [\n", args: "apply -f -", code: exitInvalid, err: "-:1:"},
		line{in: oneCheck, args: "apply -f - --dry-run", out: "it would be revision 1: 1 of 1 agent"},
		line{in: oneCheck, args: "apply -f -", out: "applied as revision 1"},
		line{args: "desired", out: oneCheck},
		line{args: "apply -f " + h.data + "/none.yaml", code: exitNoFile, err: "none.yaml"},
		line{args: "apply", code: exitUsage},
		line{args: "events --limit 5", out: "revision 1 applied"},
		line{args: "agent forget alpha", out: "alpha is forgotten"},
	)
}

func TestRunExitsAsThePluginDid(t *testing.T) {
	t.Parallel()
	h := startHub(t, "")
	token := h.token(t, 3)
	a := h.enrolled(t, token, facts("alpha"))
	a.report(result("disk", wire.State_STATE_OK, "ok"))
	h.enrolled(t, token, facts("twin"))
	h.enrolled(t, token, facts("twin"))
	h.checksOf(t, a, 1)
	go func() {
		for call := range a.runs {
			if call.GetCheck() != "disk" {
				a.end(call, &wire.RunEnd{Error: "no check or plugin of that name"})
				continue
			}
			a.print(call, false, "DISK CRITICAL\n")
			a.print(call, true, "a word beside it\n")
			a.end(call, &wire.RunEnd{Result: result("disk", wire.State_STATE_CRITICAL, "DISK CRITICAL")})
		}
	}()
	h.types(t,
		line{args: "run alpha disk", code: 2, out: "DISK CRITICAL\n", err: "a word beside it\n"},
		line{args: "run --json alpha disk", code: 2, out: `"joined":false`},
		line{args: "run alpha none", code: exitNoFile, err: "no check or plugin of that name"},
		line{args: "run nobody disk", code: exitNoFile},
		line{args: "run twin disk", code: exitFailed, err: "fingerprint"},
	)
	_ = a.conn.Close()
	receive(t, a.ended)
	await(t, "offline", func() bool {
		code, _, _ := typed(t, "", "run", "alpha", "disk", "--data", h.data)
		return code == exitAway
	})
}

func TestEventsFollow(t *testing.T) {
	t.Parallel()
	h := startHub(t, "")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan int, 1)
	go func() {
		defer w.Close()
		done <- run(ctx, []string{"events", "--follow", "--data", h.data}, streams{strings.NewReader(""), w, w})
	}()
	h.enrolled(t, h.token(t, 1), facts("alpha"))
	heard := make([]byte, 4096)
	for text := ""; !strings.Contains(text, "enrolled"); { // before it followed or after
		n, err := r.Read(heard)
		if err != nil {
			t.Fatalf("%v after %q", err, text)
		}
		text += string(heard[:n])
	}
	stop()
	if code := receive(t, done); code != 0 {
		t.Errorf("interrupted: exit %d", code)
	}
}

func TestCommandsWithoutAHub(t *testing.T) {
	t.Parallel()
	h := startHub(t, "")
	h.stop()
	h.types(t, line{args: "agents", code: exitUnreachable, err: "no hub answers"})
	empty := t.TempDir()
	key := filepath.Join(empty, "wrong.key")
	if err := os.WriteFile(key, []byte(strings.Repeat("0", 64)), 0o600); err != nil {
		t.Fatal(err)
	}
	live := startHub(t, h.data)
	for _, c := range []struct {
		args string
		code int
	}{
		{"agents --data " + empty, exitNoFile},
		{"agents --data " + empty + " --hub " + live.url, exitNoFile},
		{"agents --hub " + live.url, exitUsage},
		{"agents --hub http://127.0.0.1 --key-file " + key, exitFailed},
		{"agents --hub " + live.url + " --key-file " + key + " --ca " + filepath.Join(h.data, "hub.ca"), exitNotAllowed},
		{"agents --hub " + live.url + " --key-file " + key, exitUnreachable}, // a CA nobody told it of
		{"nonsense", exitUsage},
		{"help", 0},
		{"version", 0},
		{"agents --help", 0},
		{"serve", exitUsage},
	} {
		if code, out, errOut := typed(t, "", strings.Fields(c.args)...); code != c.code {
			t.Errorf("%s: exit %d\n%s%s", c.args, code, out, errOut)
		}
	}
}
