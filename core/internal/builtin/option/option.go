// Package option reads the arguments of builtin checks as getopt reads those of plugins: -w 5, -w5, -er, --warning 5,
// --warning=5. It owns the syntax; what an option means is its check's. Arguments that are no option are errors: no builtin
// takes any.
package option

import (
	"fmt"
	"slices"
	"strings"
)

// Limits of what a check takes: arguments come with the configuration, from the network.
const (
	maxArgs   = 128  // arguments; check_disk with many mounts has some dozen
	maxLength = 1024 // bytes of one
)

// Set is the options a check knows. The zero value knows -t and -v alone, which every plugin has: they are read and do
// nothing, because the check's own timeout holds and a builtin has no more to say.
type Set struct {
	known []known
}

type known struct {
	short byte   // 0 when it has none
	long  string // "" when it has none
	flag  func() // set for one without a value
	value func(string) error
}

// Flag adds an option without a value. A short of 0 means that there is only the long form.
func (s *Set) Flag(short byte, long string, set func()) {
	s.known = append(s.known, known{short: short, long: long, flag: set})
}

// Value adds an option with a value; set is called each time it is given, in order.
func (s *Set) Value(short byte, long string, set func(string) error) {
	s.known = append(s.known, known{short: short, long: long, value: set})
}

// Parse reads the arguments and calls what was added for each. The first error ends it.
func (s *Set) Parse(args []string) error {
	if len(args) > maxArgs {
		return fmt.Errorf("%d arguments are more than %d", len(args), maxArgs)
	}
	s.Value('t', "timeout", func(string) error { return nil })
	s.Flag('v', "verbose", func() {})
	for len(args) > 0 {
		arg := args[0]
		if len(arg) > maxLength {
			return fmt.Errorf("argument of %d bytes is longer than %d", len(arg), maxLength)
		}
		var err error
		switch {
		case strings.HasPrefix(arg, "--") && len(arg) > 2:
			args, err = s.long(arg[2:], args[1:])
		case strings.HasPrefix(arg, "-") && len(arg) > 1 && arg != "--":
			args, err = s.short(arg[1:], args[1:])
		default:
			err = fmt.Errorf("argument %q is no option", arg)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// long reads one --name or --name=value and gives the arguments left.
func (s *Set) long(arg string, rest []string) ([]string, error) {
	name, value, inline := strings.Cut(arg, "=")
	i := slices.IndexFunc(s.known, func(k known) bool { return k.long != "" && k.long == name })
	if i < 0 {
		return nil, s.unknown("--" + name)
	}
	k := s.known[i]
	if k.flag != nil {
		if inline {
			return nil, fmt.Errorf("option --%s takes no value", name)
		}
		k.flag()
		return rest, nil
	}
	if !inline {
		if len(rest) == 0 {
			return nil, fmt.Errorf("option --%s needs a value", name)
		}
		value, rest = rest[0], rest[1:]
	}
	return rest, k.take("--"+name, value)
}

// short reads one -x, -xVALUE or a bundle of flags -xyz and gives the arguments left.
func (s *Set) short(arg string, rest []string) ([]string, error) {
	for i := 0; i < len(arg); i++ {
		at := slices.IndexFunc(s.known, func(k known) bool { return k.short != 0 && k.short == arg[i] })
		if at < 0 {
			return nil, s.unknown(fmt.Sprintf("-%c", arg[i]))
		}
		k := s.known[at]
		if k.flag != nil {
			k.flag()
			continue
		}
		name, value := "-"+arg[i:i+1], arg[i+1:]
		if value == "" {
			if len(rest) == 0 {
				return nil, fmt.Errorf("option %s needs a value", name)
			}
			value, rest = rest[0], rest[1:]
		}
		return rest, k.take(name, value)
	}
	return rest, nil
}

func (k known) take(name, value string) error {
	if len(value) > maxLength {
		return fmt.Errorf("value of option %s is longer than %d bytes", name, maxLength)
	}
	if err := k.value(value); err != nil {
		return fmt.Errorf("option %s: %w", name, err)
	}
	return nil
}

func (s *Set) unknown(name string) error {
	var names []string
	for _, k := range s.known {
		switch {
		case k.short != 0 && k.long != "":
			names = append(names, fmt.Sprintf("-%c/--%s", k.short, k.long))
		case k.short != 0:
			names = append(names, fmt.Sprintf("-%c", k.short))
		default:
			names = append(names, "--"+k.long)
		}
	}
	return fmt.Errorf("unknown option %s (there are: %s)", name, strings.Join(names, ", "))
}
