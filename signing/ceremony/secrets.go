package ceremony

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"

	"golang.org/x/term"

	"github.com/limpet-monitoring/limpet/platforms/fsys"
)

// PassphraseVariable holds a passphrase for those who have no terminal. It is never an
// argument, which every user of the machine could read.
const PassphraseVariable = "LIMPET_PASSPHRASE"

// maxPassphrase is the longest passphrase taken, in bytes.
const maxPassphrase = 1 << 10

// Secrets is where passphrases come from: a file, the environment, else a person.
type Secrets struct{ File string }

// SecretFlags adds the flag that says where passphrases come from.
func SecretFlags(f *flag.FlagSet) *Secrets {
	s := &Secrets{}
	f.StringVar(&s.File, "passphrase-file", "", "`file` whose first line unlocks keys (default: $"+PassphraseVariable+", else asked for on the terminal)")
	return s
}

// Ask brings the passphrase of an existing key; it is a signing.Ask.
func (s *Secrets) Ask(name string) ([]byte, error) {
	if p, err := s.given(); p != nil || err != nil {
		return p, err
	}
	return prompt("passphrase of " + name + ": ")
}

// Choose brings the passphrase of a new key, which a person types twice.
func (s *Secrets) Choose(name string) ([]byte, error) {
	if p, err := s.given(); p != nil || err != nil {
		return p, err
	}
	first, err := prompt("new passphrase for " + name + ": ")
	if err != nil {
		return nil, err
	}
	again, err := prompt("once more: ")
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(first, again) {
		return nil, errors.New("the two passphrases differ; nothing was made")
	}
	return first, nil
}

// given is what file or environment say, nil where they say nothing.
func (s *Secrets) given() ([]byte, error) {
	if s.File != "" {
		data, err := fsys.Read(fsys.Disk{}, s.File, maxPassphrase)
		if err != nil {
			return nil, fmt.Errorf("read passphrase: %w", err)
		}
		line, _, _ := bytes.Cut(data, []byte("\n"))
		return bytes.TrimSuffix(line, []byte("\r")), nil
	}
	if text := os.Getenv(PassphraseVariable); text != "" {
		return []byte(text), nil
	}
	return nil, nil
}

// prompt reads a line from the terminal without showing it.
func prompt(text string) ([]byte, error) {
	fd := int(os.Stdin.Fd())
	if !term.IsTerminal(fd) {
		return nil, errors.New("a passphrase is needed, and there is no terminal to ask on; give --passphrase-file, or set " + PassphraseVariable)
	}
	fmt.Fprint(os.Stderr, text)
	line, err := term.ReadPassword(fd)
	fmt.Fprintln(os.Stderr)
	return line, err
}
