package collector

import (
	"strings"
	"text/template/parse"
)

// Expand gives the text for one box. An error begins with the line.
func (t *Template) Expand(f Facts) (string, error) {
	if t.tree == nil {
		return t.raw, nil
	}
	e := expansion{tree: t.tree, facts: &f}
	if err := e.list(t.tree.Root, ""); err != nil {
		return "", err
	}
	return e.out.String(), nil
}

// Expand reads a template and expands it.
func Expand(source string, f Facts) (string, error) {
	t, err := Parse(source)
	if err != nil {
		return "", err
	}
	return t.Expand(f)
}

// expansion is one text on its way. dot is the element of the innermost range.
type expansion struct {
	tree  *parse.Tree
	facts *Facts
	out   strings.Builder
	steps int
}

func (e *expansion) list(l *parse.ListNode, dot string) error {
	if l == nil {
		return nil
	}
	for _, n := range l.Nodes {
		if err := e.node(n, dot); err != nil {
			return err
		}
	}
	return nil
}

func (e *expansion) node(n parse.Node, dot string) error {
	if e.steps++; e.steps > maxSteps {
		return at(e.tree, n, "it takes more than %d steps", maxSteps)
	}
	switch n := n.(type) {
	case *parse.TextNode:
		return e.write(n, string(n.Text))
	case *parse.ActionNode:
		v, err := e.pipe(n.Pipe, dot)
		if err != nil {
			return err
		}
		return e.write(n, text(v))
	case *parse.IfNode:
		v, err := e.pipe(n.Pipe, dot)
		if err != nil {
			return err
		}
		if truth(v) {
			return e.list(n.List, dot)
		}
		return e.list(n.ElseList, dot)
	case *parse.RangeNode:
		return e.loop(n, dot)
	}
	return nil // a comment
}

func (e *expansion) loop(n *parse.RangeNode, dot string) error {
	v, err := e.pipe(n.Pipe, dot)
	if err != nil {
		return err
	}
	list, ok := v.([]string)
	if !ok {
		return at(e.tree, n, "range wants a list, as .Tags or .Addresses")
	}
	if len(list) == 0 {
		return e.list(n.ElseList, dot)
	}
	for _, element := range list {
		if err := e.list(n.List, element); err != nil {
			return err
		}
	}
	return nil
}

func (e *expansion) write(n parse.Node, s string) error {
	if e.out.Len()+len(s) > maxText {
		return at(e.tree, n, "it becomes longer than %d bytes", maxText)
	}
	e.out.WriteString(s)
	return nil
}

// pipe gives the last command's value; each takes the one before as its last argument.
func (e *expansion) pipe(p *parse.PipeNode, dot string) (any, error) {
	var value any
	for i, c := range p.Cmds {
		var err error
		if value, err = e.command(c, value, i > 0, dot); err != nil {
			return nil, err
		}
	}
	return value, nil
}

func (e *expansion) command(c *parse.CommandNode, last any, piped bool, dot string) (any, error) {
	if e.steps++; e.steps > maxSteps {
		return nil, at(e.tree, c, "it takes more than %d steps", maxSteps)
	}
	name, isCall := c.Args[0].(*parse.IdentifierNode)
	if !isCall {
		return e.operand(c.Args[0], dot)
	}
	var args []any
	for _, n := range c.Args[1:] {
		v, err := e.operand(n, dot)
		if err != nil {
			return nil, err
		}
		args = append(args, v)
	}
	if piped {
		args = append(args, last)
	}
	for i, a := range args {
		if _, isList := a.([]string); isList && (name.Ident == "eq" || name.Ident == "ne") {
			args[i] = text(a) // lists do not compare
		}
	}
	v, err := functions[name.Ident].call(args)
	if err != nil {
		return nil, at(e.tree, c, "%w", err)
	}
	return v, nil
}

func (e *expansion) operand(n parse.Node, dot string) (any, error) {
	switch n := n.(type) {
	case *parse.FieldNode:
		return fields[n.Ident[0]](e.facts), nil
	case *parse.DotNode:
		return dot, nil
	case *parse.StringNode:
		return n.Text, nil
	case *parse.NumberNode:
		return n.Text, nil
	case *parse.BoolNode:
		return n.True, nil
	case *parse.PipeNode:
		return e.pipe(n, dot)
	}
	return nil, at(e.tree, n, "%.80q is not known here", n.String())
}
