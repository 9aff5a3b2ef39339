package main

import (
	"errors"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/limpet-monitoring/limpet/platforms"
	"github.com/limpet-monitoring/limpet/platforms/plain"
	"github.com/limpet-monitoring/limpet/updater/boot"
	"github.com/limpet-monitoring/limpet/updater/store"
)

// process is one life of a core. It belongs to the supervisor.
type process struct {
	number   int // of this start
	core     boot.Core
	role     boot.Role
	version  string // what it said in `ready`
	child    child
	stdin    stdin
	done     chan struct{} // closed once it was reaped: nobody waits for its lines any more
	watch    watch
	nonce    string // it was started with --standby, "" when not
	holds    uint64 // of its last `checks`
	judged   uint64
	said     bool          // there was one
	drained  time.Duration // for which it has been draining
	drainFor time.Duration // how long it may
	told     string        // the last status line
	logFrom  int64         // where the log was when it started
	killed   string        // why we killed it, "" when we did not
	started  time.Time     // with its monotonic reading
}

// child is a core that runs, as far as the supervisor touches it; stdin is where it takes lines.
type child interface {
	Pid() int
	Kill() // with its process group; nothing once it was waited for
}

type stdin interface {
	io.WriteCloser
	SetWriteDeadline(time.Time) error
}

// event is what a core's goroutines send to the supervisor: a line, that the lines broke the rules,
// or its end.
type event struct {
	number int
	line   string
	flood  bool
	ended  bool
	exit   platforms.Exit
}

// launch starts the core that was opened and hashed, and the two goroutines that listen to it. They
// end with it.
func launch(family *platforms.Family, l platforms.Layout, image *os.File, p *process, events chan<- event) error {
	stdin, toCore, err := os.Pipe()
	if err != nil {
		return err
	}
	defer stdin.Close()
	fromCore, stdout, err := os.Pipe()
	if err != nil {
		toCore.Close()
		return err
	}
	defer stdout.Close()
	stderr, err := openLog(l.CoreLog())
	if err == nil {
		defer stderr.Close()
	} // without a log a core runs all the same
	child, err := family.Start(platforms.Spec{
		Image: image,
		Path:  image.Name(),
		Args:  append(append([]string{"limpet-core", "run"}, l.RootArgs()...), p.standbyArgs()...),
		Env:   coreEnv(os.Environ(), p),
		Dir:   string(os.PathSeparator),
		Files: [3]*os.File{stdin, stdout, stderr},
	})
	if err != nil {
		toCore.Close()
		fromCore.Close()
		return err
	}
	p.child, p.stdin, p.done = child, toCore, make(chan struct{})
	said := make(chan struct{})
	go func() {
		defer close(said)
		listen(p.number, fromCore, p.done, events)
	}()
	go await(p.number, child, said, events)
	return nil
}

func (p *process) standbyArgs() []string {
	if p.nonce == "" {
		return nil
	}
	return []string{"--standby", p.nonce}
}

// how is the end of a core as one word.
func (p *process) how(exit platforms.Exit) string {
	if p.killed != "" {
		return p.killed
	}
	return exit.String()
}

// listen passes the core's lines on until they end, break the rules, or the core is gone.
func listen(number int, from *os.File, done <-chan struct{}, events chan<- event) {
	defer from.Close()
	lines := newReader(from, time.Now)
	for {
		text, err := lines.next()
		if err != nil && !errors.Is(err, errFlood) {
			return
		}
		select {
		case events <- event{number: number, line: text, flood: err != nil}:
		case <-done:
			return
		}
		if err != nil {
			return
		}
	}
}

// lastWords is how long the end of a core waits for its last lines: a former core's handover is one of
// them. Longer only something it left behind holds its stdout open.
const lastWords = 250 * time.Millisecond

func await(number int, child *platforms.Child, said <-chan struct{}, events chan<- event) {
	exit, err := child.Wait()
	if err != nil {
		exit = platforms.Exit{Code: -1}
	}
	select {
	case <-said:
	case <-time.After(lastWords):
	}
	events <- event{number: number, ended: true, exit: exit}
}

// unchanged hashes once more what was started by its path, where it could not be started by what was
// hashed.
func unchanged(image *os.File, c boot.Core) error {
	if platforms.ByImage() {
		return nil
	}
	return hashed(image.Name(), c)
}

// hashed says what is wrong with the core that lies at a path.
func hashed(path string, c boot.Core) error {
	f, err := store.Open(path, c.Hash, c.Length)
	if err == nil {
		err = f.Close()
	}
	return err
}

// coreEnv is our environment without what is for us alone, and what a core is told.
func coreEnv(ours []string, p *process) []string {
	return append(plainEnv(ours),
		"LIMPET_CONTRACT="+strconv.Itoa(contract),
		"LIMPET_STUB="+version,
		"LIMPET_CORE_COUNTER="+strconv.FormatUint(p.core.Counter, 10),
		"LIMPET_CORE_HASH="+plain.Hex(p.core.Hash[:]),
		"LIMPET_STARTED="+strconv.Itoa(p.number))
}

// open opens the core that an action names, and returns it with what is wrong with it.
func open(l platforms.Layout, c boot.Core) (*os.File, error) {
	path := l.CoreFile(c.Counter, plain.Hex(c.Hash[:]))
	f, err := store.Open(path, c.Hash, c.Length)
	if err != nil {
		return nil, plain.Wrap("release "+counter(c), err)
	}
	return f, nil
}
