package main

import (
	"cmp"
	"go/ast"
	"slices"
	"strings"
)

// edit replaces the text of one node. make gets the text of parts, in their order,
// each with its own edits done.
type edit struct {
	start, end int
	parts      [][2]int
	make       func(parts []string) string
}

// change plans an edit of node.
func (p *pkg) change(f *file, node ast.Node, parts []ast.Node, make func(parts []string) string) {
	f.edits = append(f.edits, p.edit(node, parts, make))
}

func (p *pkg) edit(node ast.Node, parts []ast.Node, make func(parts []string) string) edit {
	e := edit{start: p.offset(node.Pos()), end: p.offset(node.End()), make: make}
	for _, n := range parts {
		e.parts = append(e.parts, [2]int{p.offset(n.Pos()), p.offset(n.End())})
	}
	return e
}

// rewritten is the file's text with all edits done.
func (f *file) rewritten(more ...edit) string {
	edits := slices.Concat(f.edits, more)
	// Outer before inner; of two that cover the same text the one planned first is the outer.
	slices.SortStableFunc(edits, func(a, b edit) int { return cmp.Or(a.start-b.start, b.end-a.end) })
	r := rewriter{src: string(f.src)}
	return r.text(0, len(f.src), edits)
}

type rewriter struct{ src string }

// text is the text from start to end with edits, which lie within it, done.
func (r rewriter) text(start, end int, edits []edit) string {
	var out strings.Builder
	at := start
	for len(edits) > 0 {
		e := edits[0]
		inner := 1
		for inner < len(edits) && edits[inner].start < e.end {
			inner++
		}
		out.WriteString(r.src[at:e.start])
		out.WriteString(r.apply(e, edits[1:inner]))
		at, edits = e.end, edits[inner:]
	}
	out.WriteString(r.src[at:end])
	return out.String()
}

func (r rewriter) apply(e edit, inner []edit) string {
	var parts []string
	for _, part := range e.parts {
		var within []edit
		for _, i := range inner {
			if part[0] <= i.start && i.end <= part[1] {
				within = append(within, i)
			}
		}
		parts = append(parts, r.text(part[0], part[1], within))
	}
	return e.make(parts)
}
