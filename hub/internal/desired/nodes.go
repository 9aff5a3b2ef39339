package desired

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// field is one key that a mapping may have, and what reads its value.
type field struct {
	name string
	read func(*yaml.Node)
}

// mapping reads a mapping's keys, each at most once and none that is not in fields, and gives the key nodes it found;
// nil when n is no mapping.
func (r *reader) mapping(n *yaml.Node, what string, fields []field) map[string]*yaml.Node {
	n = follow(n)
	if n.Kind != yaml.MappingNode {
		names := make([]string, len(fields))
		for i, f := range fields {
			names[i] = f.name
		}
		r.at(n, "%s is %s; wanted a mapping with %s", what, kind(n), strings.Join(names, ", "))
		return nil
	}
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := slices.IndexFunc(fields, func(f field) bool { return f.name == key.Value })
		switch {
		case key.Kind != yaml.ScalarNode:
			r.at(key, "this key is %s; wanted a word", kind(key))
		case key.Tag == "!!merge":
			r.at(key, "merge keys (<<) are not read here; write the keys out")
		case at < 0:
			r.at(key, "unknown key %s%s", quote(key.Value), r.meant(key.Value, fields))
		case seen[key.Value] != nil:
			r.at(key, "%s stands already in line %d", key.Value, seen[key.Value].Line)
		default:
			seen[key.Value] = key
			fields[at].read(value)
		}
	}
	return seen
}

func (r *reader) meant(word string, fields []field) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	if s := nearest(word, names); s != "" {
		return fmt.Sprintf(" (did you mean %q?)", s)
	}
	return fmt.Sprintf(" (known here: %s)", strings.Join(names, ", "))
}

// follow gives what an alias stands for. One step is enough: an anchor is never set on an alias.
func follow(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// kind says in a person's words what a node is.
func kind(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(n):
		return "empty"
	case n.ShortTag() == "!!int" || n.ShortTag() == "!!float":
		return "the number " + shorten(n.Value)
	default:
		return quote(n.Value)
	}
}

// quote and shorten keep a hostile text from filling the screen.
func quote(s string) string { return strconv.Quote(shorten(s)) }

func shorten(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

func (r *reader) list(n *yaml.Node, what string, most int) []*yaml.Node {
	n = follow(n)
	switch {
	case n.Kind != yaml.SequenceNode:
		r.at(n, "%s is %s; wanted a list", what, kind(n))
		return nil
	case len(n.Content) > most:
		r.at(n, "%s has %d entries, the limit is %d", what, len(n.Content), most)
		return nil
	}
	return n.Content
}

// words reads a list of words, each of which valid accepts or says what is wrong with it.
func (r *reader) words(n *yaml.Node, what string, valid func(string) (string, error)) []string {
	var words []string
	for _, item := range r.list(n, what, maxList) {
		words = append(words, r.word(item, "an entry of "+what, valid))
	}
	return words
}

// some is words, but an empty list is a mistake: it would fit no agent.
func (r *reader) some(n *yaml.Node, what string, valid func(string) (string, error)) []string {
	if f := follow(n); f.Kind == yaml.SequenceNode && len(f.Content) == 0 {
		r.at(n, "%s is an empty list, which fits no agent; leave it out to mean all", what)
	}
	return r.words(n, what, valid)
}

func (r *reader) word(n *yaml.Node, what string, valid func(string) (string, error)) string {
	f := follow(n)
	if f.Kind != yaml.ScalarNode || isNull(f) {
		r.at(n, "%s is %s; wanted a word", what, kind(f))
		return ""
	}
	word, err := valid(f.Value)
	if err != nil {
		r.at(n, "%s: %v", what, err)
	}
	return word
}

func (r *reader) boolean(n *yaml.Node, what string) bool {
	f := follow(n)
	if f.Kind == yaml.ScalarNode && f.ShortTag() == "!!bool" {
		var b bool
		if f.Decode(&b) == nil {
			return b
		}
	}
	r.at(n, "%s is %s; wanted true or false", what, kind(f))
	return false
}

// args takes every scalar as it is written: a port needs no quotes.
func (r *reader) args(n *yaml.Node) []string {
	var args []string
	for _, item := range r.list(n, "args", maxArgs) {
		args = append(args, r.word(item, "an argument", argument))
	}
	return args
}

func (r *reader) duration(n *yaml.Node, what string, least, most time.Duration) time.Duration {
	f := follow(n)
	if f.Kind != yaml.ScalarNode || isNull(f) {
		r.at(n, "%s is %s; wanted a duration like 30s", what, kind(f))
		return 0
	}
	d, err := time.ParseDuration(f.Value)
	switch {
	case err != nil && isNumber(f.Value):
		r.at(n, "%s: %s has no unit; write %ss", what, f.Value, f.Value)
	case err != nil:
		r.at(n, "%s: %s is no duration; write it like 30s, 5m or 1h30m", what, quote(f.Value))
	case d < least || d > most:
		r.at(n, "%s: %s is out of range; from %s to %s", what, shorten(f.Value), brief(least), brief(most))
	case d%time.Millisecond != 0:
		r.at(n, "%s: %s is finer than a millisecond", what, shorten(f.Value))
	}
	return d
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 32)
	return err == nil
}

// brief writes a whole duration without the zeros that Duration.String adds.
func brief(d time.Duration) string {
	s := d.String()
	s = strings.TrimSuffix(s, "0s")
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	if s == "" || !strings.ContainsAny(s[len(s)-1:], "hms") {
		return d.String()
	}
	return s
}
