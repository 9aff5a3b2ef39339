package check

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// Limits of a check. What is beyond them is refused, never clipped.
const (
	MaxName        = 64               // bytes: it stands in tables, subjects and file names
	MinEvery       = time.Second      // a plugin costs a process each time
	MaxEvery       = 24 * time.Hour   // beyond it a cron expression says better what is meant
	DefaultTimeout = 30 * time.Second // used where Timeout is 0
	MaxTimeout     = 10 * time.Minute
	MaxArgs        = 64
	MaxArg         = 4 << 10  // bytes of one argument
	MaxArgsTotal   = 32 << 10 // bytes of all: Windows' command line ends at 32,767 characters
	MaxCron        = 512      // bytes of a cron expression
	MaxAttempts    = 100
	MaxPath        = 1024 // bytes of a working directory
	maxUser        = 64   // bytes of a user's name
)

// ValidName says whether s can name a check: 1 to MaxName ASCII letters, digits, '.', '_', '-', and not "." or "..".
func ValidName(s string) bool {
	if s == "" || len(s) > MaxName || s == "." || s == ".." {
		return false
	}
	for i := range len(s) {
		if !nameByte(s[i]) {
			return false
		}
	}
	return true
}

func nameByte(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '.' || b == '_' || b == '-'
}

// ValidFile says whether s is a bare file name, as a plugin is named: 1 to 255 bytes, no path separator of any system, no
// colon (streams and drives on Windows), no control character, and not starting with a dot or a dash.
func ValidFile(s string) bool {
	if s == "" || len(s) > 255 || s[0] == '.' || s[0] == '-' {
		return false
	}
	for _, r := range s {
		if r < ' ' || r == 0x7f || r == 0xfffd || strings.ContainsRune(`/\:`, r) {
			return false
		}
	}
	return true
}

// Validate says what is wrong with a check, the first thing found, as a sentence for people without the check's name. It does
// not read the cron expression (core/check/cron does), nor does it know which builtins and plugins there are.
func (c Check) Validate() error {
	if !ValidName(c.Name) {
		return fmt.Errorf("name %q: a check's name is 1 to %d letters, digits, '.', '_' or '-'", clip(c.Name), MaxName)
	}
	if err := c.validateKind(); err != nil {
		return err
	}
	if err := c.validateTimes(); err != nil {
		return err
	}
	if err := c.validateJudging(); err != nil {
		return err
	}
	if err := c.validateSurroundings(); err != nil {
		return err
	}
	if err := validateArgs(c.Command); err != nil {
		return err
	}
	return validateArgs(c.Args)
}

func (c Check) validateJudging() error {
	switch {
	case c.Attempts < 0 || c.Attempts > MaxAttempts:
		return fmt.Errorf("attempts %d: 1 to %d", c.Attempts, MaxAttempts)
	case c.Importance > High:
		return fmt.Errorf("importance %d: low, normal or high", c.Importance)
	case c.TimeoutState > Unknown:
		return fmt.Errorf("timeout_state %d: WARNING, CRITICAL or UNKNOWN", c.TimeoutState)
	}
	return c.Flap.validate()
}

// validateSurroundings looks at what a plugin finds; a builtin finds nothing.
func (c Check) validateSurroundings() error {
	switch {
	case c.Builtin != "" && (c.User != "" || c.Dir != "" || len(c.Macros) > 0):
		return fmt.Errorf("user, dir and macros are for plugins: a builtin runs inside the agent")
	case len(c.User) > maxUser || strings.ContainsAny(c.User, ":/\n\x00"):
		return fmt.Errorf("user %q: not a user's name", clip(c.User))
	case len(c.Dir) > MaxPath || strings.IndexByte(c.Dir, 0) >= 0 || c.Dir != "" && !absolute(c.Dir):
		return fmt.Errorf("dir %q: a working directory is an absolute path", clip(c.Dir))
	case len(c.Macros) > MaxMacros:
		return fmt.Errorf("%d macros: at most %d", len(c.Macros), MaxMacros)
	}
	for name, value := range c.Macros {
		if !ValidMacro(name) {
			return fmt.Errorf("macro %q: a macro's name is capital letters, digits and '_', like ARG1", clip(name))
		}
		if len(value) > MaxArg || strings.IndexByte(value, 0) >= 0 {
			return fmt.Errorf("macro %s: at most %d bytes and no NUL", name, MaxArg)
		}
	}
	return nil
}

// absolute knows the paths of every system: a hub's need not be the box's.
func absolute(dir string) bool {
	return dir[0] == '/' || len(dir) > 2 && dir[1] == ':' && (dir[2] == '\\' || dir[2] == '/')
}

func (c Check) validateKind() error {
	switch {
	case len(c.Command) > 0 && (c.Builtin != "" || c.Plugin != "" || len(c.Args) > 0):
		return fmt.Errorf("a command line of the box's own stands beside a builtin, a plugin or arguments: keep one")
	case len(c.Command) > 0 && !filepath.IsAbs(c.Command[0]):
		return fmt.Errorf("command %q: it begins with the absolute path of a program", clip(c.Command[0]))
	case len(c.Command) > 0:
		return nil
	case c.Group != "":
		return fmt.Errorf("only a command line of the box's own names a group")
	case c.Builtin == "" && c.Plugin == "":
		return fmt.Errorf("neither builtin nor plugin given: one of them says what to run")
	case c.Builtin != "" && c.Plugin != "":
		return fmt.Errorf("both builtin %q and plugin %q given: keep one", clip(c.Builtin), clip(c.Plugin))
	case c.Plugin != "" && !ValidFile(c.Plugin):
		return fmt.Errorf("plugin %q: a plugin is the bare name of a file in a plugin directory, never a path or a command line", clip(c.Plugin))
	case c.Builtin != "" && !ValidName(c.Builtin):
		return fmt.Errorf("builtin %q: not a builtin's name", clip(c.Builtin))
	case c.Hash != "" && c.Plugin == "":
		return fmt.Errorf("the hash of a plugin is given without a plugin")
	case c.Hash != "" && !validHash(c.Hash):
		return fmt.Errorf("plugin %s: %q is no SHA-256", clip(c.Plugin), clip(c.Hash))
	}
	return nil
}

// validHash says whether s is a SHA-256 in hex, lower case.
func validHash(s string) bool { return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == "" }

func (c Check) validateTimes() error {
	switch {
	case c.Every == 0 && c.Cron == "":
		return fmt.Errorf("neither every nor cron given: one of them says when to run")
	case c.Every != 0 && c.Cron != "":
		return fmt.Errorf("both every and cron given: keep one")
	case c.Cron == "" && (c.Every < MinEvery || c.Every > MaxEvery):
		return fmt.Errorf("every %s: an interval is %s to 24h", c.Every, MinEvery)
	case c.Retry != 0 && (c.Retry < MinEvery || c.Retry > MaxEvery):
		return fmt.Errorf("retry %s: an interval is %s to 24h", c.Retry, MinEvery)
	case c.Retry != 0 && c.Attempts <= DefaultAttempts:
		return fmt.Errorf("retry %s without attempts: a problem is soft, and tried again, only with attempts of 2 or more", c.Retry)
	case c.Retry != 0 && c.Cron == "" && c.Retry > c.Every:
		return fmt.Errorf("retry %s is longer than every %s", c.Retry, c.Every)
	case len(c.Cron) > MaxCron:
		return fmt.Errorf("cron expression of %d bytes: at most %d", len(c.Cron), MaxCron)
	case c.Timeout < 0 || c.Timeout > MaxTimeout:
		return fmt.Errorf("timeout %s: at most 10m", c.Timeout)
	}
	return nil
}

func validateArgs(args []string) error {
	if len(args) > MaxArgs {
		return fmt.Errorf("%d arguments: at most %d", len(args), MaxArgs)
	}
	total := 0
	for i, a := range args {
		if len(a) > MaxArg {
			return fmt.Errorf("argument %d has %d bytes: at most %d", i+1, len(a), MaxArg)
		}
		if strings.IndexByte(a, 0) >= 0 {
			return fmt.Errorf("argument %d holds a NUL byte, which no program can be given", i+1)
		}
		total += len(a) + 1
	}
	if total > MaxArgsTotal {
		return fmt.Errorf("arguments of %d bytes in all: at most %d", total, MaxArgsTotal)
	}
	return nil
}

// clip shortens what is quoted in an error: it may be anything.
func clip(s string) string {
	if len(s) <= 80 {
		return s
	}
	return s[:77] + "..."
}
