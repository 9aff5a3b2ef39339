package check

import "strings"

// Limits of macros.
const (
	MaxMacros    = 64 // of one check
	maxMacroName = 32 // bytes
)

// ValidMacro says whether s can name a macro, as Nagios names them: capital letters, digits and '_', not starting with a digit.
func ValidMacro(s string) bool {
	if s == "" || len(s) > maxMacroName || '0' <= s[0] && s[0] <= '9' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

// Expand puts the values of macros into arguments: $HOSTNAME$ becomes the value of HOSTNAME. A value is put in as it is, and never looked at
// again. What is no known macro between two dollar signs stays as it is, so a regular expression needs no care; $$ is one dollar sign
// only where it stands before a known macro that is meant literally: $$HOSTNAME$ becomes $HOSTNAME$.
func Expand(args []string, macros map[string]string) []string {
	out := args
	for i, a := range args {
		e := expand(a, macros)
		if e == a {
			continue
		}
		if &out[0] == &args[0] {
			out = append([]string(nil), args...)
		}
		out[i] = e
	}
	return out
}

func expand(s string, macros map[string]string) string {
	if strings.IndexByte(s, '$') < 0 {
		return s
	}
	var b strings.Builder
	for {
		at := strings.IndexByte(s, '$')
		if at < 0 {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:at])
		s = s[at:]
		literal := strings.HasPrefix(s, "$$")
		from := s[1:]
		if literal {
			from = s[2:]
		}
		name, rest, closed := strings.Cut(from, "$")
		value, known := macros[name]
		switch {
		case !closed || !known:
			b.WriteByte('$')
			s = s[1:]
		case literal:
			b.WriteString("$" + name + "$")
			s = rest
		default:
			b.WriteString(value)
			s = rest
		}
	}
}
