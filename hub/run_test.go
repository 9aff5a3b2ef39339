package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/core/wire"
	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
)

// print and end answer a call as an agent does.
func (a *scripted) print(call *wire.RunNow, stderr bool, data string) {
	a.send(&wire.Frame{Body: &wire.Frame_RunOutput{RunOutput: &wire.RunOutput{Call: call.GetCall(), Data: []byte(data), Stderr: stderr}}})
}

func (a *scripted) end(call *wire.RunNow, e *wire.RunEnd) {
	e.Call = call.GetCall()
	a.send(&wire.Frame{Body: &wire.Frame_RunEnd{RunEnd: e}})
}

// runLine is one line of a run's answer.
type runLine struct {
	Output *string
	Stderr bool
	Result *fleet.Result
	Joined bool
	Error  string
	Hint   string
}

// running is a run that goes on.
type running struct {
	t     *testing.T
	lines *bufio.Scanner
	body  io.Closer
}

func (h *testHub) running(t *testing.T, path string) *running {
	t.Helper()
	answer := h.open(t, "POST", "/api/v1"+path, "", h.bearer(t)...)
	t.Cleanup(func() { _ = answer.Body.Close() })
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Fatalf("run: %s %v", answer.Status, answer.Header)
	}
	return &running{t, bufio.NewScanner(answer.Body), answer.Body}
}

func (r *running) next() runLine {
	r.t.Helper()
	var l runLine
	if !r.lines.Scan() {
		r.t.Fatalf("the answer ended: %v", r.lines.Err())
	}
	if err := json.Unmarshal(r.lines.Bytes(), &l); err != nil {
		r.t.Fatalf("%v in %s", err, r.lines.Bytes())
	}
	return l
}

func TestARunIsHeardWhileItRuns(t *testing.T) {
	t.Parallel()
	h := startHub(t, "")
	a := h.enrolled(t, h.token(t, 1), facts("alpha"))
	a.report(result("disk", wire.State_STATE_OK, "ok"))
	h.checksOf(t, a, 1)
	heard := make(chan struct{})
	go func() {
		call := <-a.runs
		if call.GetCheck() != "disk" {
			t.Errorf("check %q", call.GetCheck())
		}
		a.print(call, false, "first\n")
		<-heard // the line is out before the run goes on
		a.print(call, false, "caf\xc3")
		a.print(call, true, "warning\n")
		a.print(call, false, "\xa9\n")
		a.end(call, &wire.RunEnd{Result: result("disk", wire.State_STATE_WARNING, "late"), Joined: true})
	}()
	r := h.running(t, "/agents/alpha/checks/disk/run")
	if l := r.next(); l.Output == nil || *l.Output != "first\n" || l.Stderr {
		t.Errorf("first line %+v", l)
	}
	close(heard)
	var out, errOut string
	l := r.next()
	for ; l.Output != nil; l = r.next() {
		if l.Stderr {
			errOut += *l.Output
		} else {
			out += *l.Output
		}
	}
	if out != "café\n" || errOut != "warning\n" {
		t.Errorf("output %q and %q", out, errOut)
	}
	if l.Result == nil || l.Result.State != "WARNING" || l.Result.Text != "late" || !l.Joined {
		t.Errorf("end %+v", l)
	}
	if r.lines.Scan() {
		t.Errorf("more after the end: %s", r.lines.Text())
	}
}

func TestRunsThatCannotBe(t *testing.T) {
	t.Parallel()
	h := startHub(t, "")
	token := h.token(t, 2)
	a := h.enrolled(t, token, facts("alpha"))
	a.report(result("disk", wire.State_STATE_OK, "ok"))
	h.checksOf(t, a, 1)
	go func() {
		for call := range a.runs {
			a.end(call, &wire.RunEnd{Error: "no"})
		}
	}()
	h.admin(t, 404, "POST", "/agents/none/checks/disk/run", "")
	h.admin(t, 404, "POST", "/agents/alpha/checks/none/run", "")
	h.admin(t, 409, "POST", "/agents/alpha/checks/disk/run", "") // it has the check and does not run it
	h.admin(t, 400, "POST", "/agents/alpha/checks/disk/run", "a body")
	h.admin(t, 404, "GET", "/agents/alpha/checks/disk/run", "")
	close(a.runs)
	_ = a.conn.Close()
	receive(t, a.ended)
	await(t, "offline", func() bool {
		var agent fleet.Agent
		h.get(t, "/agents/alpha", &agent)
		return agent.Presence == fleet.Offline
	})
	h.admin(t, 503, "POST", "/agents/alpha/checks/disk/run", "")

	b := h.enrolled(t, token, facts("beta"))
	go func() {
		b.print(<-b.runs, false, "begun\n")
	}()
	await(t, "beta", func() bool {
		answer, _ := h.ask(t, "GET", "/api/v1/agents/beta", "", h.bearer(t)...)
		return answer.StatusCode == http.StatusOK
	})
	r := h.running(t, "/agents/beta/checks/x/run")
	r.next()
	_ = b.conn.Close() // in the middle
	if l := r.next(); l.Error == "" || l.Hint == "" {
		t.Errorf("a line cut off ends with %+v", l)
	}
}

func TestAReaderThatGoesEndsTheCall(t *testing.T) {
	t.Parallel()
	h := startHub(t, "")
	a := h.enrolled(t, h.token(t, 1), facts("alpha"))
	await(t, "alpha", func() bool {
		answer, _ := h.ask(t, "GET", "/api/v1/agents/alpha", "", h.bearer(t)...)
		return answer.StatusCode == http.StatusOK
	})
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "POST", h.url+"/api/v1/agents/alpha/checks/disk/run", strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	auth := h.bearer(t)
	req.Header.Set(auth[0], auth[1])
	go func() {
		if answer, err := h.http.Do(req); err == nil {
			_ = answer.Body.Close()
		}
	}()
	call := receive(t, a.runs)
	leave()
	if c := receive(t, a.cancels); c.GetCall() != call.GetCall() {
		t.Errorf("another call was cancelled: %s", c.GetCall())
	}
}
