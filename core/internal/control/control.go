// Package control is the core's end of the control lines between a stub and its core (docs/stub-contract.md, section 2): lines
// from the stub become commands, and what the core has to say becomes lines. It owns the two private descriptors; it decides
// nothing.
package control

import (
	"bufio"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxNonce is wire.MaxStandbyNonce; this package knows no wire.
const maxNonce = 64

// MaxLine is the longest line in bytes with its newline, either way.
const MaxLine = 4096

// Kind says what the stub wants.
type Kind uint8

// What a stub of contract 1 may say.
const (
	Status    Kind = iota + 1 // what the stub knows and the hub should see: Command.Values
	Reload                    // the box file changed
	Stop                      // end cleanly within Command.Within, announcing Command.Cause
	Successor                 // a newer core starts beside this one: tell the hub of Command.Nonce
	Drain                     // start nothing new, hand over, end within Command.Within when what runs has finished
	Activate                  // to a core that stands by: schedule from now on, as Command.File says ("" = there is none)
	Gone                      // end of stdin: the stub is gone. Always the last command
)

// Command is one line of the stub.
type Command struct {
	Kind   Kind
	Cause  string        // Stop: "shutdown", "service" or "restart"
	Within time.Duration // Stop, Drain
	Nonce  string        // Successor
	File   string        // Activate: the name of a file in state/handover
	Values []Value       // Status, in the order given; keys may repeat
}

// Value is one KEY=VALUE of a status line.
type Value struct{ Key, Value string }

// Stub is the line to the stub. Its writing methods may be called from any goroutine.
type Stub struct {
	commands chan Command

	mu sync.Mutex // guards w
	w  io.Writer
}

// New speaks over r and w. Reading begins at once; Commands is closed behind Gone.
func New(r io.Reader, w io.Writer) *Stub {
	s := &Stub{commands: make(chan Command, 16), w: w}
	go s.read(r)
	return s
}

// Commands gives what the stub says, in its order. Unknown lines are left out. The last one is Gone; then it is closed.
func (s *Stub) Commands() <-chan Command { return s.commands }

// Ready says that all that is durable is open. version is the core's, without blanks.
func (s *Stub) Ready(version string) error { return s.say("ready " + version) }

// Alive is due every five seconds from Ready on.
func (s *Stub) Alive() error { return s.say("alive") }

// Checks says which of the 64 bits hold and which are judged.
func (s *Stub) Checks(bitmap, mask uint64) error {
	return s.say(fmt.Sprintf("checks %016x %016x", bitmap, mask))
}

// Handover says that this core schedules nothing any more: file, in state/handover, says where its checks stand, and what still runs
// here ends within need at the latest.
func (s *Stub) Handover(file string, need time.Duration) error {
	return s.say(fmt.Sprintf("handover %s %d", file, (need+time.Second-1)/time.Second))
}

// Look asks for a look for a newer release, as the hub wants it.
func (s *Stub) Look() error { return s.say("look") }

// Hold asks to start no newer release until Resume, as the hub wants it.
func (s *Stub) Hold() error { return s.say("hold") }

// Resume ends Hold.
func (s *Stub) Resume() error { return s.say("resume") }

// Follow asks to take releases of a channel, or with a pin to run that version, as the hub wants it. Neither has blanks.
func (s *Stub) Follow(channel, pin string) error {
	return s.say(strings.TrimSuffix("follow "+channel+" "+pin, " "))
}

// Drained says that nothing runs any more.
func (s *Stub) Drained() error { return s.say("drained") }

func (s *Stub) say(line string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := io.WriteString(s.w, line+"\n"); err != nil {
		return fmt.Errorf("write to the stub: %w", err)
	}
	return nil
}

func (s *Stub) read(r io.Reader) {
	defer close(s.commands)
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 512), MaxLine)
	for lines.Scan() {
		if c, ok := Parse(lines.Text()); ok {
			s.commands <- c
		}
	}
	s.commands <- Command{Kind: Gone}
}

// Parse reads one line of a stub; ok is false for those that a core of this contract ignores.
func Parse(line string) (c Command, ok bool) {
	words := strings.Fields(line)
	if len(words) == 0 {
		return Command{}, false
	}
	switch words[0] {
	case "status":
		return Command{Kind: Status, Values: values(words[1:])}, true
	case "reload":
		return Command{Kind: Reload}, true
	case "stop":
		return parseStop(words[1:])
	case "successor":
		return parseSuccessor(words[1:])
	case "drain":
		return parseDrain(words[1:])
	case "activate":
		return parseActivate(words[1:])
	}
	return Command{}, false
}

func values(words []string) []Value {
	var out []Value
	for _, w := range words {
		if k, v, found := strings.Cut(w, "="); found {
			out = append(out, Value{k, v})
		}
	}
	return out
}

// parseSuccessor leaves a nonce out that no core could show.
func parseSuccessor(words []string) (Command, bool) {
	if len(words) == 0 || !ValidNonce(words[0]) {
		return Command{}, false
	}
	return Command{Kind: Successor, Nonce: words[0]}, true
}

// ValidNonce says whether s can name a successor: 1 to 64 letters, digits and '-'.
func ValidNonce(s string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' {
			return false
		}
	}
	return s != "" && len(s) <= maxNonce
}

// defaultDrain is what a core takes for its runs when the stub names no time: the longest timeout a check can have, and its end.
const defaultDrain = 10*time.Minute + 10*time.Second

// parseDrain, like a stop, never ignores a drain: the stub waits for what it brings.
func parseDrain(words []string) (Command, bool) {
	c := Command{Kind: Drain, Within: defaultDrain}
	if len(words) > 0 {
		if n, err := strconv.ParseUint(words[0], 10, 16); err == nil {
			c.Within = time.Duration(n) * time.Second
		}
	}
	return c, true
}

// parseActivate takes a name without its folder: a core reads nothing but what lies in state/handover.
func parseActivate(words []string) (Command, bool) {
	c := Command{Kind: Activate}
	if len(words) > 0 {
		c.File = filepath.Base(words[0])
	}
	return c, true
}

// parseStop never ignores a stop, however garbled: a stub that asks for one means it.
func parseStop(words []string) (Command, bool) {
	c := Command{Kind: Stop, Cause: "service", Within: 10 * time.Second}
	if len(words) > 0 {
		c.Cause = words[0]
	}
	if len(words) > 1 {
		if n, err := strconv.ParseUint(words[1], 10, 16); err == nil {
			c.Within = time.Duration(n) * time.Second
		}
	}
	return c, true
}
