// Package nrpe takes over the commands of an NRPE daemon on this box as checks of the box's own, which then run beside it. It reads nrpe.cfg as
// the daemon does (docs/import-nrpe.md says how that is), turns each command into the command line that the daemon would run, and says what
// it cannot carry over. It changes nothing of NRPE's, and runs nothing.
package nrpe

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// Limits. NRPE reads 2,047 bytes of a line; what is longer falls apart there.
const (
	maxLine  = 2047
	maxFile  = 4 << 20 // bytes
	maxFiles = 1000    // of all that is included
	maxDepth = 32      // of files that include files
)

// command is one command[...] line.
type command struct {
	name, line string
	at         place
}

// place is a line of a file.
type place struct {
	file string
	line int
}

func (p place) String() string {
	if p.line == 0 {
		return p.file
	}
	return fmt.Sprintf("%s:%d", p.file, p.line)
}

// trouble is what could not be carried over, or what differs, and why.
type trouble struct {
	at  place
	why string
}

// daemon is what NRPE's configuration says, as far as it is about running commands.
type daemon struct {
	commands     []command // in the order read; of several of a name the last counts
	prefix       string
	timeout      int // seconds
	user, group  string
	arguments    bool // dont_blame_nrpe: the server may give some
	substitution bool // allow_bash_command_substitution
	nasty        string
	troubles     []trouble
}

// What holds where the configuration says nothing.
const (
	defaultTimeout = 60
	defaultNasty   = "|`&><'\\[]{};\r\n"
)

// read reads a configuration with all that it includes. The error is about the first file; what is wrong in another is a trouble.
func read(path string) (*daemon, error) {
	d := &daemon{timeout: defaultTimeout, nasty: defaultNasty}
	r := reader{daemon: d}
	return d, r.file(path)
}

type reader struct {
	*daemon
	open  []string // the files that are being read, each included by the one before
	files int
}

func (r *reader) trouble(at place, format string, args ...any) {
	r.troubles = append(r.troubles, trouble{at, fmt.Sprintf(format, args...)})
}

// file reads one file. A line that stops NRPE's reader stops this one too: what follows it is unknown to the daemon.
func (r *reader) file(path string) error {
	if slices.Contains(r.open, path) || len(r.open) >= maxDepth {
		return fmt.Errorf("%s includes itself", path)
	}
	if r.files++; r.files > maxFiles {
		return fmt.Errorf("more than %d files are included", maxFiles)
	}
	f, err := fsys.OpenRegular(path)
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return err
	}
	if len(text) > maxFile {
		return fmt.Errorf("%s is larger than %d MiB", path, maxFile>>20)
	}
	r.open = append(r.open, path)
	defer func() { r.open = r.open[:len(r.open)-1] }()
	for i, line := range bytes.Split(text, []byte("\n")) {
		at := place{path, i + 1}
		if len(line) > maxLine {
			r.trouble(at, "the line is longer than the %d bytes that NRPE reads of one", maxLine)
			continue
		}
		if why := r.line(at, strings.TrimSpace(string(line))); why != "" {
			r.trouble(at, "%s: NRPE reads nothing of this file after this line", why)
			return nil
		}
	}
	return nil
}

// line reads one line. What it returns stops the reading of the file.
func (r *reader) line(at place, line string) string {
	if line == "" || line[0] == '#' {
		return ""
	}
	name, value, _ := strings.Cut(strings.TrimLeft(line, "="), "=")
	if name == "" || value == "" {
		return "there is no value in it"
	}
	switch {
	case name == "include_dir":
		r.dir(at, absolute(strings.TrimSuffix(value, "/")))
	case name == "include", name == "include_file":
		if err := r.file(absolute(value)); err != nil {
			r.trouble(at, "%v", err)
		}
	case strings.Contains(name, "command["):
		return r.command(at, name, value)
	case name == "command_timeout":
		if r.timeout = number(value); r.timeout < 1 {
			return "command_timeout is no number of seconds"
		}
	default:
		r.setting(name, value)
	}
	return ""
}

// setting takes what matters to running a command. All else is about the daemon's port, its log and its TLS.
func (r *reader) setting(name, value string) {
	switch name {
	case "command_prefix":
		r.prefix = value
	case "nrpe_user":
		r.user = value
	case "nrpe_group":
		r.group = value
	case "dont_blame_nrpe":
		r.arguments = number(value) == 1
	case "allow_bash_command_substitution":
		r.substitution = number(value) == 1
	case "nasty_metachars":
		r.nasty = value
	}
}

// command takes NAME of "command[NAME]".
func (r *reader) command(at place, name, value string) string {
	_, name, _ = strings.Cut(name, "[")
	name, _, _ = strings.Cut(strings.TrimLeft(name, "]"), "]")
	if name == "" {
		return "the command has no name"
	}
	r.commands = append(r.commands, command{name, value, at})
	return ""
}

// dir reads every *.cfg of a folder and of those below it, in the order of names.
func (r *reader) dir(at place, dir string) {
	if len(r.open) >= maxDepth {
		r.trouble(at, "%s lies too deep", dir)
		return
	}
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		r.trouble(at, "%v", err)
		return
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path)
		switch {
		case err != nil:
		case info.IsDir() && !strings.HasPrefix(e.Name(), "."):
			r.open = append(r.open, path)
			r.dir(at, path)
			r.open = r.open[:len(r.open)-1]
		case info.Mode().IsRegular() && len(e.Name()) > len(".cfg") && strings.HasSuffix(e.Name(), ".cfg"):
			if err := r.file(path); err != nil {
				r.trouble(at, "%v", err)
			}
		}
	}
}

// absolute is a path as the daemon opens it, which works in the root folder.
func absolute(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join("/", path)
}

// number reads as C's atoi does: the digits at the beginning.
func number(text string) int {
	text = strings.TrimLeft(text, " \t")
	n, sign := 0, 1
	for i, c := range text {
		switch {
		case i == 0 && (c == '-' || c == '+'):
			if c == '-' {
				sign = -1
			}
			continue
		case c < '0' || c > '9' || n > 1<<24:
			return sign * n
		}
		n = 10*n + int(c-'0')
	}
	return sign * n
}
