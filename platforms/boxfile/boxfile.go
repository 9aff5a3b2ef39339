// Package boxfile reads limpet.conf, the owner's word on one box: `key = value` lines, `#` begins a
// comment line. Stub, fetcher and core read it with the same eyes.
//
// It parses and keeps nothing: what a value means, and whether a regular expression or an address
// is any good, is for whoever uses it. A line that is wrong is reported and left out; the others
// hold, so a slip of the pen never stops an agent.
package boxfile

import (
	"errors"
	"io/fs"
	"strconv"
	"time"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
	"github.com/limpet-monitoring/limpet/platforms/plain"
)

// Limits on what is read: a box file is written by hand.
const (
	MaxSize     = 256 << 10 // bytes
	MaxLine     = 4 << 10   // bytes
	MaxProblems = 100       // reported; the rest are counted in the last one
)

// Trust says whose word may bring programs to this box.
type Trust uint8

// The kinds of trust; TrustHub is the default.
const (
	TrustHub    Trust = iota // the hub's site key is enough
	TrustSigned              // only content signed by the owner's offline site key
)

// String is the value as the box file spells it.
func (t Trust) String() string {
	if t == TrustSigned {
		return "signed"
	}
	return "hub"
}

// Box is the content of a box file. A zero field was not set.
type Box struct {
	Hubs              []string // hub = https://hub.example:8700, https://other.example:8700: addresses of one hub, or of several of one fleet
	Mirror            []string // mirror = URL or folder, tried in this order before the hub
	Proxy             string   // proxy = http://user@proxy:3128, or direct; unset, or environment, takes the environment's
	ProxyPasswordFile string   // proxy_password_file = PATH
	CA                string   // ca = PATH of PEM certificates, beside the system's
	User              string   // user = NAME the core runs as
	Trust             Trust    // trust = hub | signed
	Channel           string   // channel = stable
	Pin               string   // pin = VERSION
	Hold              *bool    // hold = yes | no; nil leaves it to others
	Tags              []string // tags = a, b
	PluginDirs        []string // plugin_dirs = DIR, DIR
	// AllowArgs is a regular expression by plugin name that its whole arguments must match:
	// allow_args.check_disk = -w \d+% -c \d+%
	AllowArgs map[string]string
	// Collectors are the owner's own, by name: collector.NAME = collectd /etc/collectd/collectd.conf
	Collectors map[string]string
	Inputs     map[string]int // input.graphite = 2003, input.statsd = off: a port on the loopback address; -1 = off
	Never      []string       // never = plugin or check names that do not run here, whoever asks
	// RunAs is whom plugins run as, "" for the core's own user; under a plugin's name, that one alone:
	// run_as = nagios, run_as.check_smart = root
	RunAs      map[string]string
	AllowRunAs []string          // allow_run_as = users whom the hub may name for a check, * for any
	Nice       int               // nice = 10, of plugins
	Macros     map[string]string // macro.USER2 = secret, for arguments: $USER2$
	Cgroups    *bool             // cgroups = no: plugins run without one of their own; nil is yes where it can be
	Limit      Limit
}

// Limit is what the owner lets Limpet use; 0 is the core's default.
type Limit struct {
	Runs        int           // limit.runs = 16 plugin runs at once
	OutputBytes int64         // limit.output = 256K of one run
	BufferBytes int64         // limit.buffer = 256M on disk
	BufferAge   time.Duration // limit.buffer_age = 168h
	MemoryBytes int64         // limit.memory = 256M of the core itself
	CPU         int           // limit.cpu = 50% of one processor, of core and plugins; -1 for none
	// PluginRuns is limit.runs.check_ssh = 2 at once, by the plugin's or builtin's name
	PluginRuns map[string]int
	Run        Run
}

// Run is what one run of a plugin, with all it starts, may take.
type Run struct {
	Memory    int64         // limit.run_memory = 512M; -1 for none
	Processes int           // limit.run_processes = 200 at once; -1 for none
	CPU       time.Duration // limit.run_cpu = 30s of each process
	Files     int           // limit.run_files = 256 open in each process
	FileBytes int64         // limit.run_file_size = 100M, of a file that is written
}

// Hub is the first of Hubs, "" where there is none.
func (b *Box) Hub() string {
	if len(b.Hubs) == 0 {
		return ""
	}
	return b.Hubs[0]
}

// Problem is a line that was left out.
type Problem struct {
	Line int // from 1
	Text string
}

// String is the problem as one line for people.
func (p Problem) String() string { return "line " + strconv.Itoa(p.Line) + ": " + p.Text }

// Read reads the box file at path. A missing one is an empty Box. The error is about the file as a
// whole: it cannot be read, or is longer than MaxSize.
func Read(path string) (Box, []Problem, error) {
	data, err := fsys.Read(fsys.Disk{}, path, MaxSize)
	if errors.Is(err, fs.ErrNotExist) {
		return Box{}, nil, nil
	}
	if err != nil {
		return Box{}, nil, plain.Wrap("read box file", err)
	}
	box, problems := Parse(data)
	return box, problems, nil
}
