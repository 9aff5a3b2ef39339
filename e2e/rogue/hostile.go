// Package rogue lists plugins that do everything wrong that plugins are known to do, and what an agent must make of each: the table of
// docs/hostile-plugins.md. Tests and measures run them over the built programs.
package rogue

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Timeout is the deadline of every one of them.
const Timeout = 2 * time.Second

// Told says when a result is to be told.
type Told int

// The moments, and how long after each the agent may take.
const (
	AtExit     Told = iota // the plugin's own, and 0.2 s for its output
	AtDeadline             // and 0.5 s
	AtKill                 // the deadline, and 2 s: it ignores the request to end
)

// Kind is one way to misbehave.
type Kind struct {
	Name  string
	Does  string // for people
	State string // what its result must be
	Says  string // part of text, long output or problems; "" = nothing in particular
	Told  Told
	// NeedsCgroup: only a cgroup of the run's own holds it.
	NeedsCgroup bool
	// Alone: where the kernel counts no processes, the whole machine feels it until it is ended, whatever else runs there.
	Alone bool
	body  string // shell, but for a raw one
	raw   bool   // body is the whole file
}

// Write puts all of them into a folder, as check_NAME.
func Write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, neighbourFile), []byte("#!/bin/sh\necho OK\n"), 0o755); err != nil {
		return fmt.Errorf("write neighbour: %w", err)
	}
	for _, k := range Kinds {
		text := k.body
		if !k.raw {
			text = "#!/bin/sh\n" + k.body + "\n"
		}
		if err := os.WriteFile(filepath.Join(dir, k.Plugin()), []byte(text), 0o755); err != nil {
			return fmt.Errorf("write hostile plugin: %w", err)
		}
	}
	return nil
}

// Plugin is its file's name.
func (k Kind) Plugin() string { return "check_" + k.Name }

// Mark stands in the command line of every process that may be left behind: a sleep of so many seconds.
const Mark = "86413"

// Document is a checks.yaml with all of them, which run when they are asked to, and so many well-behaved neighbours, which run every second.
func Document(neighbours int) string {
	var b strings.Builder
	b.WriteString("defaults: false\nchecks:\n")
	for _, k := range Kinds {
		fmt.Fprintf(&b, "  - {name: %s, plugin: %s, cron: '0 0 1 1 *', timeout: %s}\n", k.Name, k.Plugin(), Timeout)
	}
	for i := range neighbours {
		fmt.Fprintf(&b, "  - {name: %s%d, plugin: %s, every: 1s, timeout: 10s}\n", Neighbour, i, neighbourFile)
	}
	return b.String()
}

// Neighbour begins the names of the well-behaved checks.
const Neighbour = "neighbour-"

const neighbourFile = "check_neighbour"

// Kinds are all of them.
var Kinds = []Kind{
	// It does not end.
	{Name: "hangs", Does: "sleeps for a day", State: "UNKNOWN", Says: "timed out after 2s", Told: AtDeadline, body: "sleep 86413"},
	{Name: "becomes_another", Does: "replaces itself by another program, which hangs", State: "UNKNOWN", Says: "timed out", Told: AtDeadline, body: "exec sleep 86413"},
	{Name: "ignores_term", Does: "ignores SIGTERM", State: "UNKNOWN", Says: "timed out", Told: AtKill, body: `trap "" TERM; while :; do sleep 86413; done`},
	{Name: "ignores_all", Does: "ignores every signal that can be ignored", State: "UNKNOWN", Says: "timed out", Told: AtKill,
		body: `trap "" HUP INT QUIT ILL TRAP ABRT BUS FPE USR1 SEGV USR2 PIPE ALRM TERM TSTP TTIN TTOU; while :; do sleep 86413; done`},
	{Name: "ends_well_when_asked", Does: "prints OK and ends with 0 at SIGTERM", State: "UNKNOWN", Says: "timed out", Told: AtDeadline,
		body: `trap 'echo OK - all is well; exit 0' TERM; sleep 86413 & wait`},
	{Name: "stops_itself", Does: "sends itself SIGSTOP", State: "UNKNOWN", Says: "timed out", Told: AtDeadline, body: `kill -STOP $$`},
	{Name: "spins", Does: "computes without end", State: "UNKNOWN", Says: "timed out", Told: AtDeadline, body: `while :; do :; done`},
	{Name: "drips", Does: "prints a byte now and then without end", State: "UNKNOWN", Says: "timed out", Told: AtDeadline, body: `while :; do printf .; sleep 0.05; done`},
	{Name: "waits_for_input", Does: "reads a terminal and stdin until their end", State: "OK", Says: "nothing to read",
		body: `cat; ( cat < /dev/tty ) 2>/dev/null; echo nothing to read`},

	// It prints.
	{Name: "prints_100_MB", Does: "prints 100 MB and ends", State: "WARNING", Says: "bytes, the first 1048576 kept",
		body: `echo BIG; head -c 100000000 /dev/zero | tr '\0' x; exit 1`},
	{Name: "floods_stdout", Does: "prints without end", State: "UNKNOWN", Says: "timed out", Told: AtDeadline, body: `exec yes`},
	{Name: "floods_stderr", Does: "prints on stderr without end", State: "UNKNOWN", Says: "timed out", Told: AtDeadline, body: `exec yes >&2`},
	{Name: "floods_both", Does: "prints on both without end and ignores SIGTERM and SIGPIPE", State: "UNKNOWN", Says: "timed out", Told: AtKill,
		body: `trap "" TERM PIPE; yes >&2 & while :; do yes; done`},
	{Name: "no_newline", Does: "prints 10 MB without a line end", State: "OK", Says: "bytes, the first 1048576 kept",
		body: `head -c 10000000 /dev/zero | tr '\0' x`},
	{Name: "binary", Does: "prints NUL, bytes that are no UTF-8, escape sequences", State: "OK", Says: `O\x00K \xff\xfe`,
		body: `printf 'O\000K \377\376 \033[2J\r\n'`},
	{Name: "no_text", Does: "prints a megabyte of a byte that is no text", State: "OK", Says: `\xff\xff`, body: `head -c 1000000 /dev/zero | tr '\0' '\377'`},
	{Name: "garbage", Does: "prints a megabyte of random bytes", State: "OK", body: `head -c 1000000 /dev/urandom`},
	{Name: "endless_perfdata", Does: "prints 200,000 values", State: "OK", Says: "MANY",
		body: `printf 'MANY |'; seq -f " 'a b%g'=%gms;1;2;3;4" 200000 | tr '\n' ' '`},
	{Name: "open_quotes", Does: "prints perfdata of quotes that do not end", State: "OK", Says: "quoted label",
		body: `printf 'OK |'; yes "'''a=1;;" | head -c 300000 | tr '\n' ' '`},
	{Name: "says_nothing", Does: "prints nothing and ends with 0", State: "OK", Says: "no output on stdout", body: `exit 0`},

	// It closes, and leaves others behind.
	{Name: "closes_and_hangs", Does: "closes its descriptors and hangs", State: "UNKNOWN", Says: "timed out", Told: AtDeadline, body: `echo so far; exec 0<&- 1>&- 2>&-; sleep 86413`},
	{Name: "closes_and_ends", Does: "closes its descriptors and ends with 2", State: "CRITICAL", Says: "bad", body: `echo bad; exec 0<&- 1>&- 2>&-; exit 2`},
	{Name: "child_holds_output", Does: "ends while a child keeps its output open", State: "OK", Says: "left behind", body: `echo OK; sleep 86413 &`},
	{Name: "child_floods_on", Does: "ends while a child prints without end", State: "WARNING", Says: "left behind", body: `echo W; yes & exit 1`},
	{Name: "detaches", Does: "leaves a process in a session of its own", State: "OK", Says: "left behind", body: `echo OK; setsid sleep 86413 & sleep 0.02`},
	{Name: "forks_twice", Does: "leaves a process whose parent is gone", State: "OK", Says: "left behind",
		body: `echo OK; ( ( setsid sleep 86413 & ) & ); sleep 0.02`},
	{Name: "daemon", NeedsCgroup: true, Does: "leaves a daemon: session, directory, descriptors and environment of its own, deaf to signals", State: "OK", Says: "left behind",
		body: `echo OK; ( cd /; setsid env -i /bin/sh -c 'trap "" TERM HUP INT; while :; do sleep 86413; done' <&- >&- 2>&- & ); sleep 0.04`},
	{Name: "leaves_stopped", Does: "leaves a process that is stopped", State: "OK", Says: "left behind",
		body: `echo OK; setsid sh -c 'kill -STOP $$; sleep 86413' & sleep 0.04`},
	{Name: "leaves_100", Does: "leaves 100 processes", State: "OK", Says: "and 9",
		body: `echo OK; i=0; while [ $i -lt 100 ]; do sleep 86413 & i=$((i+1)); done`},
	{Name: "leaves_zombies", Does: "never asks for its children, and hangs", State: "UNKNOWN", Says: "timed out", Told: AtDeadline,
		body: `i=0; while [ $i -lt 50 ]; do sleep 0.01 & i=$((i+1)); done; exec sleep 86413`},

	// It forks.
	{Name: "fork_storm", Does: "is hundreds of processes at once, and hangs", State: "UNKNOWN", Told: AtKill,
		body: `trap "" TERM; storm() { if [ "$1" -gt 0 ]; then for i in 1 2 3; do storm $(($1 - 1)) & done; fi; exec sleep 86413; }; storm 5`},
	{Name: "fork_bomb", NeedsCgroup: true, Alone: true, Does: "forks without end", State: "UNKNOWN", Told: AtKill, body: `trap "" TERM; bomb() { bomb | bomb & bomb; }; bomb`},
	{Name: "runs_away", NeedsCgroup: true, Does: "is always another process: each starts the next in a new session and ends", State: "OK", Says: "left behind",
		body: `if [ "$1" != on ]; then echo OK; fi; setsid "$0" on >/dev/null 2>&1 & [ "$1" = on ] || sleep 0.05`},

	// It dies.
	{Name: "exits_with_4", Does: "ends with 4", State: "UNKNOWN", Says: "exit code 4", body: `echo four; exit 4`},
	{Name: "exits_with_255", Does: "ends with 255", State: "UNKNOWN", Says: "exit code 255", body: `echo minus one; exit 255`},
	{Name: "kills_itself", Does: "sends itself SIGKILL", State: "UNKNOWN", Says: "ended by SIGKILL", body: `echo OK; kill -KILL $$`},
	{Name: "crashes", Does: "breaks a rule of memory", State: "UNKNOWN", Says: "ended by SIGSEGV", body: `echo OK; kill -SEGV $$`},
	{Name: "kills_its_group", Does: "sends SIGTERM to all of its process group", State: "UNKNOWN", Says: "ended by SIGTERM", body: `echo OK; sleep 86413 & kill -TERM 0; sleep 1`},
	{Name: "removes_itself", Does: "deletes its own file while it runs, and writes it anew", State: "OK",
		body: `cp "$0" "$0.new"; rm -f "$0"; mv "$0.new" "$0"; echo OK`},

	// It takes.
	{Name: "eats_memory", Does: "takes 64 MB and hangs", State: "UNKNOWN", Says: "timed out", Told: AtDeadline, body: `head -c 64000000 /dev/zero | tail | sleep 86413`},
	{Name: "eats_descriptors", Does: "opens two thousand files", State: "CRITICAL",
		body: `exec perl -e 'for (1..2000) { open(my $f, "<", "/dev/null") or last; push @f, $f } print "opened ", scalar @f, "\n"; exit 2'`},

	// It is none.
	{Name: "windows_lines", Does: "has the line ends of Windows", State: "UNKNOWN", Says: "CR LF", raw: true, body: "#!/bin/sh\r\necho OK\r\n"},
	{Name: "zeros", Does: "is a file of zeros", State: "UNKNOWN", Says: "cannot run", raw: true, body: "\x00\x00\x00\x00\x00\x00\x00\x00"},
	{Name: "empty", Does: "is an empty file", State: "UNKNOWN", Says: "the file is empty", raw: true, body: ""},
	{Name: "no_interpreter", Does: "names an interpreter that is not there", State: "UNKNOWN", Says: "is not on this box", raw: true, body: "#!/opt/nosuch/python9\nprint(1)\n"},
}
