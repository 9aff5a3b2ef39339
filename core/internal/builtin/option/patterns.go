package option

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Patterns are shell patterns of names, as package path has them.
type Patterns []string

// Into gives what takes one more pattern, without the prefix that a user may write in front of it.
func (p *Patterns) Into(prefix string) func(string) error {
	return func(v string) error {
		if _, err := path.Match(v, ""); err != nil || v == "" {
			return fmt.Errorf("%q is no pattern of names", v)
		}
		*p = append(*p, strings.TrimPrefix(v, prefix))
		return nil
	}
}

// Choice is what a user names, and what not: -i and -x, or what they are called.
type Choice struct{ Include, Exclude Patterns }

// Wants says whether a name is chosen; usual is whether it is where none is named.
func (c Choice) Wants(name string, usual bool) bool {
	switch {
	case c.Exclude.Match(name):
		return false
	case len(c.Include) > 0:
		return c.Include.Match(name)
	}
	return usual
}

// Match says whether one of them takes the name.
func (p Patterns) Match(name string) bool {
	return slices.ContainsFunc(p, func(pattern string) bool {
		ok, _ := path.Match(pattern, name)
		return ok
	})
}
