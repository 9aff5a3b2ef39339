// Package control is the core's end of the control lines between a stub and its core (docs/stub-contract.md, section 2): lines
// from the stub become commands, and what the core has to say becomes lines. It owns the two private descriptors; it decides
// nothing.
package control

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
)

// MaxLine is the longest line in bytes with its newline, either way.
const MaxLine = 4096

// Kind says what the stub wants.
type Kind uint8

// What a stub of contract 1 may say.
const (
	Status Kind = iota + 1 // what the stub knows and the hub should see: Command.Values
	Reload                 // the box file changed
	Stop                   // end cleanly within Command.Within, announcing Command.Cause
	Gone                   // end of stdin: the stub is gone. Always the last command
)

// Command is one line of the stub.
type Command struct {
	Kind   Kind
	Cause  string        // Stop: "shutdown", "service" or "restart"
	Within time.Duration // Stop
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
