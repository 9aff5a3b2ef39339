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

// Timeout is the deadline of those that it ends; the others have as long as a busy machine lets them take.
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

// Write puts all of them into a folder, as check_NAME. What they leave behind is known by the mark, in whose place a body has Mark.
func Write(dir, mark string) error {
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
		path := filepath.Join(dir, k.Plugin())
		if err := os.WriteFile(path, []byte(strings.NewReplacer(self, path, Mark, mark).Replace(text)), 0o755); err != nil {
			return fmt.Errorf("write hostile plugin: %w", err)
		}
	}
	return nil
}

// Plugin is its file's name.
func (k Kind) Plugin() string { return "check_" + k.Name }

// Mark stands in the command line of every process that may be left behind: a sleep of so many seconds. Who plays them beside others on the same
// machine takes one of his own, of so many seconds and a part of one.
const Mark = "86413"

// Document is a checks.yaml with all of them, which run when they are asked to, and so many well-behaved neighbours, which run every second.
func Document(neighbours int) string {
	var b strings.Builder
	b.WriteString("defaults: false\nchecks:\n")
	for _, k := range Kinds {
		timeout := Timeout
		if k.Told == AtExit {
			timeout *= 30
		}
		fmt.Fprintf(&b, "  - {name: %s, plugin: %s, cron: '0 0 1 1 *', timeout: %s}\n", k.Name, k.Plugin(), timeout)
	}
	for i := range neighbours {
		fmt.Fprintf(&b, "  - {name: %s%d, plugin: %s, every: 1s, timeout: 30s}\n", Neighbour, i, neighbourFile)
	}
	return b.String()
}

// Neighbour begins the names of the well-behaved checks.
const Neighbour = "neighbour-"

const neighbourFile = "check_neighbour"

// self stands in a body for the plugin's own path.
const self = "@SELF@"

// ownCgroup tells a shell the path of its cgroup; moveAway takes it out of that into the root of all, where it may.
const (
	ownCgroup = `for c in /sys/fs/cgroup/unified /sys/fs/cgroup; do [ -e $c/cgroup.procs ] && break; done; own=$c$(sed -n 's/^0:://p' /proc/self/cgroup); `
	moveAway  = `for c in /sys/fs/cgroup/unified /sys/fs/cgroup; do [ -e $c/cgroup.procs ] && echo $$ > $c/cgroup.procs; done 2>/dev/null; `
)

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
	{Name: "stops_its_group", Does: "sends SIGSTOP to all of its process group", State: "UNKNOWN", Says: "timed out", Told: AtDeadline, body: `sleep 86413 & kill -STOP 0`},
	{Name: "begins_anew", Does: "fills its output and replaces itself by itself, without end", State: "UNKNOWN", Says: "timed out", Told: AtDeadline,
		body: `head -c 60000 /dev/zero | tr '\0' x; exec "$0"`},
	{Name: "answers_by_forking", Does: "starts more when it is asked to end", State: "UNKNOWN", Says: "timed out", Told: AtKill,
		body: `trap 'i=0; while [ $i -lt 50 ]; do setsid sleep 86413 & i=$((i+1)); done' TERM; while :; do sleep 86413 & wait; done`},
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
	{Name: "utf_16", Does: "prints UTF-16 with its mark", State: "OK", Says: `\xff\xfeO\x00K\x00`, body: `printf '\377\376O\000K\000\n\000'`},
	{Name: "line_ends", Does: "prints a megabyte of line ends", State: "OK", Says: "no output on stdout", body: `yes '' | head -c 1000000`},
	{Name: "windows_output", Does: "prints a megabyte of lines that end as on Windows", State: "OK", Says: "OK", body: `printf 'OK\r\n'; yes "$(printf 'line\r')" | head -c 1000000`},
	{Name: "garbage", Does: "prints a megabyte of random bytes", State: "OK", body: `head -c 1000000 /dev/urandom`},
	{Name: "endless_perfdata", Does: "prints 200,000 values", State: "OK", Says: "MANY",
		body: `printf 'MANY |'; seq -f " 'a b%g'=%gms;1;2;3;4" 200000 | tr '\n' ' '`},
	{Name: "shortest_perfdata", Does: "prints 250,000 values of the shortest kind", State: "OK", Says: "values beyond the first 4096",
		body: `printf 'MANY |'; yes a=1 | head -c 1000000 | tr '\n' ' '`},
	{Name: "endless_label", Does: "prints a value whose label is a megabyte", State: "OK", Says: "values beyond the first", body: `printf "BIG | a=1 '"; head -c 1000000 /dev/zero | tr '\0' x; echo "'=2"`},
	{Name: "text_and_perfdata", Does: "prints a megabyte, half of it text and half values, and hangs", State: "UNKNOWN", Says: "timed out", Told: AtDeadline,
		body: `head -c 500000 /dev/zero | tr '\0' x; printf ' |'; seq -f " 'a b%g'=%gms;1;2;3;4" 30000 | tr '\n' ' '; sleep 86413`},
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
	{Name: "disguised", NeedsCgroup: true, Does: "leaves a daemon under the name of a thread of the kernel", State: "OK", Says: "left behind",
		body: `echo OK; exec perl -e 'fork and (select(undef,undef,undef,.05), exit 0); use POSIX; setsid(); fork and exit; %ENV=(); $0 = "[kworker/0:1]"; open(STDOUT, ">/dev/null"); open(STDERR, ">/dev/null"); $SIG{TERM}="IGNORE"; sleep 86413'`},
	{Name: "changes_groups", Does: "has a child in a process group of its own, and both hang", State: "UNKNOWN", Says: "timed out", Told: AtDeadline,
		body: `exec perl -e 'use POSIX; if (!fork) { setpgid(0, 0) } exec "sleep", "86413"'`},
	{Name: "other_namespaces", Does: "leaves a process with numbers, mounts and a user of its own", State: "OK",
		body: `echo OK; ( unshare -Urpfm sleep 86413 || unshare -pfm sleep 86413 ) >/dev/null 2>&1 & sleep 0.06`},
	{Name: "holds_itself_open", Does: "leaves a process that has its file open for writing, and locked", State: "OK", Says: "left behind",
		body: `echo OK; ( exec 9>>"$0"; flock -x 9; exec sleep 86413 ) & sleep 0.04`},

	// It has the agent's own rights over cgroups.
	{Name: "moves_away", Does: "moves itself out of its cgroup, and hangs", State: "UNKNOWN", Says: "timed out", Told: AtDeadline, body: moveAway + `exec sleep 86413`},
	{Name: "leaves_one_elsewhere", Does: "leaves a process outside of its cgroup", State: "OK", Says: "left behind", body: moveAway + `echo OK; setsid sleep 86413 & sleep 0.04`},
	{Name: "leaves_some_everywhere", Does: "leaves a process in its cgroup and one outside of it", State: "OK", Says: "left behind",
		body: `setsid sleep 86413 & ` + moveAway + `echo OK; setsid sleep 86413 & sleep 0.04`},
	{Name: "makes_a_cgroup", Does: "leaves a process in a cgroup that it made below its own", State: "OK", Says: "left behind",
		body: ownCgroup + `mkdir "$own/sub" 2>/dev/null && echo $$ > "$own/sub/cgroup.procs"; echo OK; setsid sleep 86413 & sleep 0.04`},
	{Name: "freezes_itself", Does: "has the kernel freeze its cgroup", State: "UNKNOWN", Says: "timed out", Told: AtKill, body: ownCgroup + `echo 1 > "$own/cgroup.freeze" 2>/dev/null; sleep 86413`},
	{Name: "freezes_its_place", Does: "moves itself out of its cgroup, and has that frozen for whoever comes next", State: "OK",
		body: ownCgroup + moveAway + `echo 1 > "$own/cgroup.freeze" 2>/dev/null; echo OK`},
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
	{Name: "dies_in_real_time", Does: "sends itself a signal that has no name", State: "UNKNOWN", Says: "ended by signal 40", body: `echo OK; kill -40 $$; sleep 1`},
	{Name: "dumps_core", Does: "asks for a dump and aborts", State: "UNKNOWN", Says: "ended by SIGABRT", body: `echo OK; cd "$(mktemp -d /tmp/rogue-XXXXXX)"; rmdir "$PWD"; ulimit -c unlimited 2>/dev/null; kill -ABRT $$`},
	{Name: "crashes", Does: "breaks a rule of memory", State: "UNKNOWN", Says: "ended by SIGSEGV", body: `echo OK; kill -SEGV $$`},
	{Name: "kills_its_group", Does: "sends SIGTERM to all of its process group", State: "UNKNOWN", Says: "ended by SIGTERM", body: `echo OK; sleep 86413 & kill -TERM 0; sleep 1`},
	{Name: "removes_itself", Does: "deletes its own file while it runs, and writes it anew", State: "OK",
		body: `cp "$0" "$0.new"; rm -f "$0"; mv "$0.new" "$0"; echo OK`},

	// It takes.
	{Name: "eats_memory", Does: "takes 64 MB and hangs", State: "UNKNOWN", Says: "timed out", Told: AtDeadline, body: `head -c 64000000 /dev/zero | tail | sleep 86413`},
	{Name: "eats_descriptors", Does: "opens two thousand files", State: "CRITICAL",
		body: `exec perl -e 'for (1..2000) { open(my $f, "<", "/dev/null") or last; push @f, $f } print "opened ", scalar @f, "\n"; exit 2'`},
	{Name: "goes_first", Does: "takes the best priority it can get, and computes without end", State: "UNKNOWN", Says: "timed out", Told: AtDeadline,
		body: `renice -n -20 $$ >/dev/null 2>&1; echo -1000 2>/dev/null > /proc/$$/oom_score_adj; while :; do :; done`},

	// It is none.
	{Name: "windows_lines", Does: "has the line ends of Windows", State: "UNKNOWN", Says: "CR LF", raw: true, body: "#!/bin/sh\r\necho OK\r\n"},
	{Name: "zeros", Does: "is a file of zeros", State: "UNKNOWN", Says: "cannot run", raw: true, body: "\x00\x00\x00\x00\x00\x00\x00\x00"},
	{Name: "empty", Does: "is an empty file", State: "UNKNOWN", Says: "the file is empty", raw: true, body: ""},
	{Name: "no_interpreter", Does: "names an interpreter that is not there", State: "UNKNOWN", Says: "is not on this box", raw: true, body: "#!/opt/nosuch/python9\nprint(1)\n"},
	{Name: "its_own_interpreter", Does: "names itself as its interpreter", State: "UNKNOWN", Says: "cannot run", raw: true, body: "#!" + self + "\n"},
	{Name: "longest_interpreter", Does: "names an interpreter of three hundred letters", State: "UNKNOWN", Says: "cannot run", raw: true, body: "#!/" + strings.Repeat("x", 300) + "\n"},
	{Name: "marked_script", Does: "begins with a byte order mark", State: "UNKNOWN", Says: "byte order mark", raw: true, body: "\xef\xbb\xbf#!/bin/sh\necho OK\n"},
}
