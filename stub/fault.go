package main

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/limpet-monitoring/limpet/platforms"
)

// Exit codes, as in docs/stub-contract.md.
const (
	exitDone       = 0
	exitFailed     = 1
	exitUsage      = 2
	exitNotRunning = 3
	exitNoCore     = 4
	exitSecondStub = 5
	exitUntrusted  = 6

	exitUnreachable = 7 // of limpet-fetch
	exitTime        = 8
)

// fault is an error with what to do about it. A fault without text says nothing and only sets the
// exit code.
type fault struct {
	code int
	text string
	hint string
}

func (f *fault) Error() string { return f.text }

func misuse(text string) error {
	return &fault{exitUsage, text, "`limpet help` lists the commands"}
}

// installed says what to do where there is no Limpet below these folders.
func installed(l platforms.Layout) error {
	if _, err := os.Stat(l.State); err == nil {
		return nil
	}
	return &fault{exitNotRunning, "there is no Limpet in " + l.State, "name its folder with --root, or install it"}
}

// explain tells a person what went wrong, and returns the exit code.
func explain(w io.Writer, err error) int {
	f := (*fault)(nil)
	if !errors.As(err, &f) {
		f = &fault{code: exitFailed}
		if errors.Is(err, fs.ErrPermission) {
			f.hint = "run it as the user that owns this folder, most often root"
		}
	}
	if text := err.Error(); text != "" {
		io.WriteString(w, "error: "+text+"\n")
	}
	if f.hint != "" {
		io.WriteString(w, "hint: "+f.hint+"\n")
	}
	return f.code
}
