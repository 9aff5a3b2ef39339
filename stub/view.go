package main

import (
	"os"
	"strconv"
	"strings"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/plain"
)

// view is what the stub says of itself in state/run/stub, for `limpet status` to read. Format 1 of
// docs/stub-contract.md.
type view struct {
	pid      int
	version  string
	bootID   string
	state    state
	since    int64 // Unix seconds
	core     coreView
	restarts int
	last     string
	warnings []warning

	channel, pin string
	hold         bool
	newest       string // version that the channel offers
	trial        string // version, or its counter
	phase        string // see supervisor.phase; "" for idle
	word, text   string // why this box is not on the newest release
	looked       int64  // Unix seconds
	looks        int
}

type coreView struct {
	pid     int
	version string
	counter uint64
	hash    [32]byte
	role    string
}

// state is what the stub is doing.
type state string

const (
	starting   state = "starting"
	running    state = "running"
	restarting state = "restarting" // the core ended; it is started again after a wait
	noCore     state = "no-core"    // nothing here may run
	stopping   state = "stopping"
	stopped    state = "stopped"
)

const maxView = 64 << 10 // bytes

func (v view) String() string { return string(v.append(nil)) }

// append is String behind what b has: the supervisor looks at each turn whether it would say something else, and takes no memory for that.
func (v view) append(b []byte) []byte {
	put := func(key, value string) { b = putLine(b, key, value) }
	put("format", "1")
	put("pid", strconv.Itoa(v.pid))
	put("version", v.version)
	put("boot", v.bootID)
	put("state", string(v.state))
	put("since", strconv.FormatInt(v.since, 10))
	if v.core.pid != 0 {
		put("core_pid", strconv.Itoa(v.core.pid))
	}
	if v.core.counter != 0 {
		put("core_version", v.core.version)
		put("core_counter", strconv.FormatUint(v.core.counter, 10))
		put("core_hash", plain.Hex(v.core.hash[:]))
		put("core_role", v.core.role)
	}
	put("restarts", strconv.Itoa(v.restarts))
	put("last", v.last)
	put("channel", v.channel)
	put("pin", v.pin)
	if v.hold {
		put("hold", "yes")
	}
	put("newest", v.newest)
	put("trial", v.trial)
	put("phase", v.phase)
	if v.word != "" {
		put("why", v.word+" "+v.text)
	}
	if v.looked != 0 {
		put("looked", strconv.FormatInt(v.looked, 10))
	}
	put("looks", strconv.Itoa(v.looks))
	for _, w := range v.warnings {
		put("warning", w.word+" "+w.text)
	}
	return b
}

//go:noinline
func putLine(b []byte, key, value string) []byte {
	if value == "" {
		return b
	}
	b = append(append(b, key...), ' ')
	return append(append(b, line(value)...), '\n')
}

// parseView reads what String wrote. What it does not know it passes over.
func parseView(text string) view {
	var v view
	for _, l := range strings.Split(text, "\n") {
		key, value, _ := strings.Cut(l, " ")
		switch key {
		case "pid":
			v.pid, _ = strconv.Atoi(value)
		case "version":
			v.version = value
		case "boot":
			v.bootID = value
		case "state":
			v.state = state(value)
		case "since":
			v.since, _ = strconv.ParseInt(value, 10, 64)
		case "core_pid":
			v.core.pid, _ = strconv.Atoi(value)
		case "core_version":
			v.core.version = value
		case "core_counter":
			v.core.counter, _ = strconv.ParseUint(value, 10, 64)
		case "core_hash":
			if hash, ok := plain.Hash(value); ok {
				v.core.hash = hash
			}
		case "core_role":
			v.core.role = value
		case "restarts":
			v.restarts, _ = strconv.Atoi(value)
		case "last":
			v.last = value
		case "channel":
			v.channel = value
		case "pin":
			v.pin = value
		case "hold":
			v.hold = value == "yes"
		case "newest":
			v.newest = value
		case "trial":
			v.trial = value
		case "phase":
			v.phase = value
		case "why":
			v.word, v.text, _ = strings.Cut(value, " ")
		case "looked":
			v.looked, _ = strconv.ParseInt(value, 10, 64)
		case "looks":
			v.looks, _ = strconv.Atoi(value)
		case "warning":
			if word, text, _ := strings.Cut(value, " "); len(v.warnings) < 2*maxWarnings {
				v.warnings = append(v.warnings, warning{word, text})
			}
		}
	}
	return v
}

// save replaces the file in one step for those who read it. It is not synced: after a power cut
// nobody runs.
func (v view) save(path string) error {
	temp := path + ".new"
	if err := os.WriteFile(temp, []byte(v.String()), 0o644); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

// readView reads the stub's view; the zero view when there is none.
func readView(path string) view {
	data, err := fsys.Read(fsys.Disk{}, path, maxView)
	if err != nil {
		return view{}
	}
	return parseView(string(data))
}
