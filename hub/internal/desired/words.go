package desired

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/check/cron"
)

// The words of a document. Each function gives the word as it is kept, or says what is wrong with it.

func checkName(s string) (string, error) {
	switch {
	case s == "":
		return "", errors.New("is empty")
	case len(s) > maxName:
		return "", fmt.Errorf("%s has %d characters, the limit is %d", quote(s), len(s), maxName)
	}
	for _, c := range s {
		if !isNameRune(c) {
			return "", fmt.Errorf("%s holds %q; letters, digits, dot, underscore and hyphen are allowed", quote(s), c)
		}
	}
	return s, nil
}

func isNameRune(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-'
}

// pluginName accepts a bare file name: never a path, never a command line.
func pluginName(s string) (string, error) {
	if err := text(s); err != nil {
		return "", err
	}
	switch i := strings.LastIndexAny(s, `/\`); {
	case i >= 0:
		return "", fmt.Errorf("%s is a path; name the file alone (%s), it is looked up in the box's plugin directories", quote(s), quote(s[i+1:]))
	case strings.ContainsFunc(s, unicode.IsSpace):
		return "", fmt.Errorf("%s looks like a command line; name the file alone (%s) and put the rest into args", quote(s), quote(strings.Fields(s + " x")[0]))
	case s[0] == '.' || s[0] == '-':
		return "", fmt.Errorf("%s starts with %q, which no plugin does", quote(s), s[0])
	}
	return s, nil
}

func argument(s string) (string, error) {
	switch {
	case len(s) > maxArg:
		return "", fmt.Errorf("is %d bytes long, the limit is %d", len(s), maxArg)
	case !utf8.ValidString(s) || strings.ContainsRune(s, 0):
		return "", errors.New("holds what no program can be given (a NUL, or no UTF-8)")
	}
	return s, nil
}

func userName(s string) (string, error) {
	if err := text(s); err != nil {
		return "", err
	}
	if strings.ContainsAny(s, ":/") || len(s) > maxName {
		return "", fmt.Errorf("%s is not a user's name", quote(s))
	}
	return s, nil
}

// folder accepts an absolute path of any system.
func folder(s string) (string, error) {
	if err := (check.Check{Name: "x", Plugin: "x", Every: check.MinEvery, Dir: s}).Validate(); err != nil || s == "" {
		return "", fmt.Errorf("%s is not an absolute path", quote(s))
	}
	return s, nil
}

func tagWord(s string) (string, error) { return s, text(s) }

// hostPattern is compared without regard to case, as host names are.
func hostPattern(s string) (string, error) {
	if err := text(s); err != nil {
		return "", err
	}
	for _, c := range s {
		if !isNameRune(c) && c != '*' && c != '?' {
			return "", fmt.Errorf("%s holds %q; a pattern is letters, digits, dots, hyphens, * and ?", quote(s), c)
		}
	}
	return strings.ToLower(s), nil
}

func fingerprintPrefix(s string) (string, error) {
	const least, most = 8, 64
	s = strings.ToLower(s)
	switch {
	case len(s) < least:
		return "", fmt.Errorf("%s is too short to mean one agent; give %d characters or more", quote(s), least)
	case len(s) > most || strings.Trim(s, "0123456789abcdef") != "":
		return "", fmt.Errorf("%s is no fingerprint (up to %d hexadecimal digits)", quote(s), most)
	}
	return s, nil
}

// systems are the ones agents are built for, as GOOS names them.
var systems = []string{"linux", "windows", "darwin", "freebsd", "openbsd", "netbsd", "dragonfly", "solaris", "illumos", "aix", "android"}

func osName(s string) (string, error) {
	low := strings.ToLower(s)
	if low == "macos" {
		return "", fmt.Errorf("%s is called %q here", quote(s), "darwin")
	}
	for _, known := range systems {
		if low == known {
			return low, nil
		}
	}
	if near := nearest(low, systems); near != "" {
		return "", fmt.Errorf("unknown system %s (did you mean %q?)", quote(s), near)
	}
	return "", fmt.Errorf("unknown system %s (linux, windows, darwin, freebsd, …)", quote(s))
}

// text refuses what no tag, pattern or file name holds.
func text(s string) error {
	switch {
	case strings.TrimSpace(s) == "":
		return errors.New("is empty")
	case len(s) > maxWord:
		return fmt.Errorf("%s is %d bytes long, the limit is %d", quote(s), len(s), maxWord)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Errorf("%s holds a control character", quote(s))
	}
	return nil
}

const cronHelp = `five fields are wanted: minute, hour, day of month, month, day of week, like "*/5 * * * *"`

// cronSpec accepts what the agent's schedule accepts: five fields, CRON_TZ= before them if wanted, and a time that comes.
func cronSpec(s string) (string, error) {
	if err := text(s); err != nil {
		return "", err
	}
	fields := s
	if strings.HasPrefix(s, "TZ=") {
		return "", errors.New("write CRON_TZ= instead of TZ=")
	}
	if strings.HasPrefix(s, "CRON_TZ=") {
		_, rest, found := strings.Cut(s, " ")
		if !found {
			return "", fmt.Errorf("%s has a time zone and no fields; %s", quote(s), cronHelp)
		}
		fields = rest
	}
	if strings.HasPrefix(strings.TrimSpace(fields), "@") {
		return "", fmt.Errorf("%s: short forms are not read; %s", quote(s), cronHelp)
	}
	if n := len(strings.Fields(fields)); n != 5 {
		return "", fmt.Errorf("%s has %d fields; %s", quote(s), n, cronHelp)
	}
	_, err := cron.Parse(s)
	switch cause := errors.Unwrap(err); {
	case errors.Is(err, cron.ErrNever):
		return "", fmt.Errorf("%s names a day that never comes", quote(s))
	case cause != nil: // without the expression, which stands here already
		return "", fmt.Errorf("%s: %w", quote(s), cause)
	case err != nil:
		return "", err
	}
	return s, nil
}
