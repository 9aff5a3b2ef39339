// Package ceremony is what people do with keys, for every program that lets them: it makes a key, asks for its passphrase, shows in
// words what a request is about to change, and has one keyholder sign it. limpet-release does so for releases, limpet-hub for the
// fleet owner's site. What a request is, and which signatures count, is package repo's.
//
// It prints, and asks on the terminal; it keeps nothing but the files that it is told to write.
package ceremony

import (
	"fmt"
	"io"
	"time"
)

// People is where a ceremony speaks, and what its commands are called there.
type People struct {
	Out, Err io.Writer // results; all else
	Program  string    // "limpet-release", "limpet-hub site"
}

// Printf says a result.
func (p People) Printf(format string, args ...any) { fmt.Fprintf(p.Out, format, args...) }

// Note says something that is not the result.
func (p People) Note(format string, args ...any) { fmt.Fprintf(p.Err, format+"\n", args...) }

// SignCommand and Collect are the commands of a keyholder and of the machine that publishes.
func (p People) SignCommand() string { return p.Program + " sign" }

// Collect is the command that publishes a request.
func (p People) Collect() string { return p.Program + " collect" }

// SayDevelopment says what a development key is worth.
func SayDevelopment(p People) {
	p.Note("note: this is a development repository; its keys protect nobody, use it for nothing but trying things out")
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
