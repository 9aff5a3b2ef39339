package plugin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"time"

	"github.com/limpet-monitoring/limpet/core/check"
)

// multiline tells a plugin that more than its first line is read, as NRPE does: command lines of the box's own mostly come from there.
const multiline = "NRPE_MULTILINESUPPORT=1"

// runOwn runs a command line of the box's own. Its owner has written it, so it need lie in no plugin directory; but what runs as root must be
// changeable by root alone.
func (r Runner) runOwn(ctx context.Context, c check.Check, t check.Trigger, due time.Time, out Output) check.Result {
	if _, err := os.Stat(c.Command[0]); err == nil && c.User == "" { // what is not there is told by the start
		if why := changeable(c.Command[0]); why != "" {
			text := fmt.Sprintf("command %s refused: the agent runs as root, and %s", c.Command[0], why)
			return refused(c, t, due, errors.New(text))
		}
	}
	s := r.spec(c, c.Command[0], c.Command[1:], t, due)
	s.Env = append(slices.Clone(r.Env), multiline)
	return Run(ctx, s, out)
}

// accountError: a plugin cannot run as the user it is meant to run as.
type accountError struct {
	name string
	err  error
}

func (e *accountError) Error() string { return fmt.Sprintf("as user %s: %v", e.name, e.err) }

func (e *accountError) Unwrap() error { return e.err }

// account looks a user up by name or number.
func account(name string) (*user.User, error) {
	u, err := user.Lookup(name)
	if err != nil {
		if _, notNumber := strconv.ParseUint(name, 10, 32); notNumber == nil {
			u, err = user.LookupId(name)
		}
	}
	if err != nil {
		return nil, &accountError{name, err}
	}
	return u, nil
}

// home is the part of the environment that belongs to the user.
func (s Spec) home() []string {
	if s.User == "" {
		return nil
	}
	u, err := account(s.User)
	if err != nil {
		return nil // the start says so
	}
	return []string{"HOME=" + u.HomeDir, "USER=" + u.Username, "LOGNAME=" + u.Username}
}
