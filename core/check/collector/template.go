package collector

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/template/parse"
)

// Bounds of what one template may cost: it comes over the line, and is expanded by the goroutine that owns the agent.
const (
	maxText  = 1 << 20 // bytes that come out
	maxSteps = 50_000  // nodes that are visited, loops included
	maxDepth = 16      // of what is nested
)

// Facts is what a template may say of the box.
type Facts struct {
	Hostname, OS, Arch, Platform, Kernel string
	Fingerprint                          string // of the agent
	CPUs                                 int
	Memory                               uint64 // bytes
	Addresses, Tags                      []string

	Name     string // of the collector
	Dir      string // its own folder, which goes with it
	Config   string // path of its configuration file
	Graphite string // address of the agent's Graphite input, "" when it is off
	StatsD   string // of its StatsD input
}

// fields are the facts by the names that templates use: a string or a list of them.
var fields = map[string]func(*Facts) any{
	"Hostname":    func(f *Facts) any { return f.Hostname },
	"OS":          func(f *Facts) any { return f.OS },
	"Arch":        func(f *Facts) any { return f.Arch },
	"Platform":    func(f *Facts) any { return f.Platform },
	"Kernel":      func(f *Facts) any { return f.Kernel },
	"Fingerprint": func(f *Facts) any { return f.Fingerprint },
	"CPUs":        func(f *Facts) any { return strconv.Itoa(f.CPUs) },
	"Memory":      func(f *Facts) any { return strconv.FormatUint(f.Memory, 10) },
	"Addresses":   func(f *Facts) any { return f.Addresses },
	"Tags":        func(f *Facts) any { return f.Tags },
	"Name":        func(f *Facts) any { return f.Name },
	"Dir":         func(f *Facts) any { return f.Dir },
	"Config":      func(f *Facts) any { return f.Config },
	"Graphite":    func(f *Facts) any { return f.Graphite },
	"StatsD":      func(f *Facts) any { return f.StatsD },
}

// function is one that templates may call, with how many arguments it takes; most < 0 is any number.
type function struct {
	least, most int
	call        func(args []any) (any, error)
}

var functions = map[string]function{
	"eq":      {2, 2, func(a []any) (any, error) { return a[0] == a[1], nil }},
	"ne":      {2, 2, func(a []any) (any, error) { return a[0] != a[1], nil }},
	"not":     {1, 1, func(a []any) (any, error) { return !truth(a[0]), nil }},
	"and":     {1, -1, func(a []any) (any, error) { return pick(a, false), nil }},
	"or":      {1, -1, func(a []any) (any, error) { return pick(a, true), nil }},
	"has":     {2, 2, has},
	"join":    {2, 2, join},
	"default": {2, 2, func(a []any) (any, error) { return pick([]any{a[1], a[0]}, true), nil }},
	"lower":   {1, 1, func(a []any) (any, error) { return strings.ToLower(text(a[0])), nil }},
	"upper":   {1, 1, func(a []any) (any, error) { return strings.ToUpper(text(a[0])), nil }},
	"quote":   {1, 1, func(a []any) (any, error) { return strconv.Quote(text(a[0])), nil }},
}

// has is `has LIST WORD`.
func has(a []any) (any, error) {
	list, ok := a[0].([]string)
	if !ok {
		return nil, errors.New("has wants a list and a word, as in has .Tags \"web\"")
	}
	return slices.Contains(list, text(a[1])), nil
}

func join(a []any) (any, error) {
	list, ok := a[0].([]string)
	if !ok {
		return nil, errors.New("join wants a list and what stands between, as in join .Tags \",\"")
	}
	return strings.Join(list, text(a[1])), nil
}

// pick is the first argument whose truth is as wanted, else the last.
func pick(a []any, want bool) any {
	for _, v := range a {
		if truth(v) == want {
			return v
		}
	}
	return a[len(a)-1]
}

func truth(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case []string:
		return len(v) > 0
	default:
		return text(v) != ""
	}
}

func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []string:
		return strings.Join(v, " ")
	case bool:
		return strconv.FormatBool(v)
	default:
		return fmt.Sprint(v)
	}
}

// Template is a text with `{{ }}` in it: the words of Go's text/template for fields, if, range and functions, evaluated here, so that what
// it may ask and what it may cost is all in this file (docs/decisions/086).
type Template struct {
	tree *parse.Tree
	raw  string // where it holds no action
}

// Parse reads a template and makes sure that it can be expanded on every box. Errors begin with the line.
func Parse(source string) (*Template, error) {
	if !strings.Contains(source, "{{") {
		return &Template{raw: source}, nil
	}
	known := map[string]any{}
	for name := range functions {
		known[name] = true
	}
	trees, err := parse.Parse("t", source, "", "", known)
	if err != nil {
		return nil, errors.New(strings.Replace(strings.TrimPrefix(err.Error(), "template: "), "t:", "line ", 1))
	}
	tree := trees["t"]
	if tree == nil || len(trees) > 1 {
		return nil, errors.New("define and block are not known here")
	}
	r := reader{tree: tree}
	if err := r.list(tree.Root, 0); err != nil {
		return nil, err
	}
	return &Template{tree: tree}, nil
}

// at puts the line before an error.
func at(tree *parse.Tree, n parse.Node, format string, args ...any) error {
	location, _ := tree.ErrorContext(n) // "t:LINE:COLUMN"
	_, place, _ := strings.Cut(location, ":")
	line, _, _ := strings.Cut(place, ":")
	return fmt.Errorf("line %s: %w", line, fmt.Errorf(format, args...))
}
