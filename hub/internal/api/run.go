package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/limpet-monitoring/limpet/hub/internal/fleet"
)

// The lines of a run's answer.
type (
	outputLine struct {
		Output string `json:"output"`
		Stderr bool   `json:"stderr"`
	}
	resultLine struct {
		Result fleet.Result `json:"result"`
		Joined bool         `json:"joined"`
	}
)

// run has an agent run a check and hands on what it prints as it comes.
func (a *API) run(w http.ResponseWriter, r *http.Request, _ identity) error {
	found, err := a.o.Fleet.Find(r.PathValue("agent"))
	if err != nil {
		return err
	}
	if err := noBody(r); err != nil {
		return err
	}
	lines := &lineWriter{w: w, control: http.NewResponseController(w)}
	end, err := a.o.Caller.RunNow(r.Context(), found.Fingerprint, r.PathValue("check"), lines.output)
	if err != nil && !lines.begun {
		return err // still time for a status of its own
	}
	lines.rest()
	switch ref := known(err); {
	case ref != nil:
		lines.line(ref.failure())
	case err != nil:
		a.o.Log.Warn("run not ended", "agent", found.Fingerprint, "check", r.PathValue("check"), "err", err)
		lines.line(failure{Error: "the hub lost the run", Hint: "its log says why; the result comes by itself if the run ended"})
	case end.GetError() != "":
		failed := a.notRun(found, r.PathValue("check"), end.GetError())
		if !lines.begun {
			return failed
		}
		lines.line(failed.failure())
	default:
		lines.line(resultLine{fleet.ResultOf(end.GetResult(), fleet.At{}), end.GetJoined()})
	}
	return nil
}

// notRun is the refusal for what the agent would not run.
func (a *API) notRun(agent fleet.Agent, check, why string) *refusal {
	ref := &refusal{http.StatusConflict, why, "limpet-hub agent show " + agent.Name + " lists its checks", nil}
	d, err := a.o.Fleet.Agent(agent.Fingerprint)
	if err == nil && !slices.ContainsFunc(d.Checks, func(c fleet.CheckStatus) bool { return c.Check == check }) {
		ref.status = http.StatusNotFound
	}
	return ref
}

// lineWriter writes one JSON value a line, each flushed. Called by one goroutine at a time.
type lineWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	begun   bool
	gone    bool      // the reader: the run goes on, nobody hears it
	partial [2][]byte // of stdout and stderr: the beginning of a character whose end has not come yet
}

// output takes a piece of what a run prints. A piece may end within a character; the character waits for its rest.
func (l *lineWriter) output(data []byte, stderr bool) {
	i := 0
	if stderr {
		i = 1
	}
	data = append(l.partial[i], data...)
	whole := len(data) - unfinished(data)
	l.partial[i] = append([]byte(nil), data[whole:]...)
	if whole > 0 {
		l.line(outputLine{string(data[:whole]), stderr})
	}
}

// rest writes what was left unfinished, as what it is: no text.
func (l *lineWriter) rest() {
	for i, p := range l.partial {
		if len(p) > 0 {
			l.line(outputLine{string(p), i == 1})
		}
	}
}

// unfinished is how many bytes at the end of data begin a character and do not end it.
func unfinished(data []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(data); n++ {
		if tail := data[len(data)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}

func (l *lineWriter) line(value any) {
	if l.gone {
		return
	}
	if !l.begun {
		l.w.Header().Set("Content-Type", "application/x-ndjson")
		l.w.Header().Set("X-Accel-Buffering", "no")
		l.begun = true
	}
	data, err := json.Marshal(value)
	if err != nil { // only values of our own
		panic(err)
	}
	_ = l.control.SetWriteDeadline(time.Now().Add(writeWithin)) // a reader that is slower counts as gone
	if _, err := l.w.Write(append(data, '\n')); err != nil {
		l.gone = true
		return
	}
	l.gone = l.control.Flush() != nil
}
