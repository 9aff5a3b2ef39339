package collector

import (
	"slices"
	"text/template/parse"
)

// reader goes over a parsed template and refuses what expand does not know.
type reader struct{ tree *parse.Tree }

func (r reader) list(l *parse.ListNode, depth int) error {
	if l == nil {
		return nil
	}
	for _, n := range l.Nodes {
		if err := r.node(n, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (r reader) node(n parse.Node, depth int) error {
	if depth > maxDepth {
		return at(r.tree, n, "nested more than %d deep", maxDepth)
	}
	switch n := n.(type) {
	case *parse.TextNode, *parse.CommentNode:
		return nil
	case *parse.ActionNode:
		return r.pipe(n.Pipe, depth)
	case *parse.IfNode:
		return r.branch(&n.BranchNode, depth)
	case *parse.RangeNode:
		return r.branch(&n.BranchNode, depth)
	default:
		return at(r.tree, n, "%.80q is not known here: fields, if, range and functions are", n.String())
	}
}

func (r reader) branch(b *parse.BranchNode, depth int) error {
	if err := r.pipe(b.Pipe, depth); err != nil {
		return err
	}
	if err := r.list(b.List, depth); err != nil {
		return err
	}
	return r.list(b.ElseList, depth)
}

func (r reader) pipe(p *parse.PipeNode, depth int) error {
	if depth > maxDepth {
		return at(r.tree, p, "nested more than %d deep", maxDepth)
	}
	if len(p.Decl) > 0 {
		return at(r.tree, p, "variables are not known here")
	}
	for i, c := range p.Cmds {
		if err := r.command(c, i > 0, depth); err != nil {
			return err
		}
	}
	return nil
}

func (r reader) command(c *parse.CommandNode, piped bool, depth int) error {
	name, isCall := c.Args[0].(*parse.IdentifierNode)
	args := c.Args
	if isCall {
		args = args[1:]
		f, n := functions[name.Ident], len(args)
		if piped {
			n++
		}
		if n < f.least || f.most >= 0 && n > f.most {
			return at(r.tree, c, "%s takes %d arguments, not %d", name.Ident, f.least, n)
		}
	} else if len(args) > 1 || piped {
		return at(r.tree, c, "%.80q is no function", c.Args[0].String())
	}
	for _, a := range args {
		if err := r.operand(a, depth); err != nil {
			return err
		}
	}
	return nil
}

func (r reader) operand(n parse.Node, depth int) error {
	switch n := n.(type) {
	case *parse.DotNode, *parse.StringNode, *parse.NumberNode, *parse.BoolNode:
		return nil
	case *parse.PipeNode:
		return r.pipe(n, depth+1)
	case *parse.IdentifierNode: // a function as an argument, without its own
		return at(r.tree, n, "put %s in parentheses", n.Ident)
	case *parse.FieldNode:
		if len(n.Ident) == 1 && fields[n.Ident[0]] != nil {
			return nil
		}
		return at(r.tree, n, "there is no %s; there are %s", n.String(), known())
	default:
		return at(r.tree, n, "%.80q is not known here", n.String())
	}
}

func known() []string {
	var names []string
	for name := range fields {
		names = append(names, "."+name)
	}
	slices.Sort(names)
	return names
}
