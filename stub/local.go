package main

import (
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/plain"
	"github.com/limpet-monitoring/limpet/updater/boot"
)

// How long a command waits for the stub.
const (
	answerTime = 3 * time.Second  // to have taken a request
	waitTime   = 10 * time.Minute // `look --wait`: for look and download
)

// localCommands are those that only leave a request, with how many arguments each takes.
var localCommands = map[string][2]int{
	"pin": {1, 1}, "follow": {0, 1}, "hold": {0, 0}, "resume": {0, 0}, "rollback": {0, 1}, "unbar": {1, 1}, "look": {0, 1},
}

// local is a command that asks the stub for something. It works with the core dead, and with the stub
// stopped: then the request is taken at its next start.
func local(l platforms.Layout, c call, out io.Writer) error {
	wait := c.name == "look" && len(c.args) == 1 && c.args[0] == "--wait"
	if bounds := localCommands[c.name]; len(c.args) < bounds[0] || len(c.args) > bounds[1] || c.name == "look" && len(c.args) == 1 && !wait {
		return &fault{exitUsage, "limpet " + c.name + " is called otherwise", "usage: " + strings.TrimSpace(usageOf(c.name)[:explained])}
	}
	for _, a := range c.args {
		if strings.HasPrefix(a, "-") && !wait { // nothing that can be named begins so, and what is asked for stays
			return misuse("limpet " + c.name + " takes no option " + line(a))
		}
		if len(a) > boot.MaxPin || strings.ContainsFunc(a, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return misuse("limpet " + c.name + ": " + line(a) + " is not a plain word of at most 64 characters")
		}
	}
	if err := installed(l); err != nil {
		return err
	}
	_, r, _ := boot.Load(fsys.Disk{}, records(l)) // without one there is no release before
	if err := sensible(c, r); err != nil {
		return err
	}
	limit, words := answerTime, append([]string{c.name}, c.args...)
	if c.name == "look" {
		words = words[:1]
	}
	if wait {
		limit = waitTime
	}
	v, err := askStub(l, limit, words...)
	if err != nil {
		return err
	}
	if running, _ := platforms.Held(l.StubLock()); !running {
		_, err := io.WriteString(out, "limpet is not running: this is done when it starts\n")
		return err
	}
	_, err = io.WriteString(out, v.why()+"\n")
	return err
}

// sensible refuses what the stub could only pass over.
func sensible(c call, r boot.Record) error {
	switch {
	case c.name == "rollback" && len(c.args) == 0 && r.Previous.None():
		return &fault{exitFailed, "there is no release before this one to go back to", "`limpet pin VERSION` goes to any that the publisher lists"}
	case c.name == "unbar":
		if _, ok := plain.Hash(c.args[0]); !ok {
			return misuse("unbar takes the SHA-256 of a core, 64 hex digits; `limpet history` shows it")
		}
	}
	return nil
}

// why is `limpet why`, one sentence; with the name of a check, the core's to answer.
func why(l platforms.Layout, out io.Writer) error {
	if err := installed(l); err != nil {
		return err
	}
	v := readView(l.RunStub())
	running, _ := platforms.Held(l.StubLock())
	text := v.why()
	if !running {
		text = "limpet is not running, so nothing is updated; when it last ran: " + text
	}
	if _, err := io.WriteString(out, text+"\n"); err != nil {
		return err
	}
	if !running {
		return &fault{code: exitNotRunning}
	}
	return nil
}

// why says in one sentence why a box is not on the newest release, and in another what stands against one that is newer than what is on trial.
func (v view) why() string {
	if text := v.doing(); text != "" {
		if v.trial != "" && v.word != "trial" && v.text != "" && v.phase != "look" && v.phase != "fetch" {
			text += ". " + v.text
		}
		return text
	}
	switch {
	case v.text != "":
		return v.text
	case v.looked == 0:
		return "this box has not looked for releases since limpet started"
	}
	return "this box runs the newest release of channel " + v.channel
}

// doing says in one sentence what a box does about a release right now, "" for nothing.
func (v view) doing() string {
	switch {
	case v.phase == "look":
		return "this box is looking for a newer release right now"
	case v.phase == "fetch":
		return "this box is bringing release " + v.newest + " right now"
	case v.phase == "soak":
		return v.trial + " runs on trial; it is taken over for good when its soak is over"
	case v.phase == "standby", v.phase == "handover":
		return v.trial + " is being started beside the running core"
	case v.phase == "back":
		return "something that held broke under " + v.trial + ": what ran before runs again, to see whether it holds there"
	case v.trial != "":
		return v.trial + " is here and is tried as soon as the running core has settled"
	}
	return ""
}

// history is `limpet history`.
func history(l platforms.Layout, out io.Writer) error {
	if err := installed(l); err != nil {
		return err
	}
	data, err := fsys.Read(fsys.Disk{}, l.History(), 2*maxHistory)
	if errors.Is(err, os.ErrNotExist) {
		_, err = io.WriteString(out, "nothing has happened to the releases on this box yet\n")
		return err
	}
	if err != nil {
		return err
	}
	_, err = out.Write(data)
	return err
}
