package main

import (
	"go/ast"
	"go/token"
)

// The changes. They are what a slip of the hand, or somebody who wants a check gone,
// would do in one line:
//
//	boundary    <  ↔  <=      >  ↔  >=
//	negate      a comparison, a condition, a !, a boolean result: its opposite
//	logic       &&  ↔  ||
//	arithmetic  +  ↔  -    *  ↔  /    %  →  *    <<  ↔  >>    &  ↔  |    ^ and &^  →  &    ++  ↔  --
//	constant    a whole number in an expression or a declaration: one more; a duration that is not 0: doubled
//	result      a returned error, pointer, slice, map: nil; text: ""; a number: one more
//	remove      a call, an assignment, a send, a defer, break, continue, or a bare return: gone
//
// Left alone: text and what only makes text (what is wrong is said in words everywhere,
// and no test should pin each of them), characters, iota lists, names of constants,
// structs, capacities, numbers that are returned beside an error, and statements that
// only log: a call of slog's Logger, or of a package's own type logger outside of that type.

var boundary = map[token.Token]token.Token{token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR}

var arithmetic = map[token.Token]token.Token{
	token.ADD: token.SUB, token.SUB: token.ADD, token.MUL: token.QUO, token.QUO: token.MUL, token.REM: token.MUL,
	token.SHL: token.SHR, token.SHR: token.SHL, token.AND: token.OR, token.OR: token.AND, token.XOR: token.AND, token.AND_NOT: token.AND,
}

// walker plans the changes of one file.
type walker struct {
	*pkg
	f        *file
	function string         // the one we are in
	seen     map[string]int // names, to tell equal ones apart
}

func (p *pkg) walk(f *file) {
	w := &walker{pkg: p, f: f, seen: map[string]int{}}
	for _, d := range f.ast.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Body != nil {
				w.function = functionName(d)
				w.inspect(d.Body)
			}
		case *ast.GenDecl:
			w.function = d.Tok.String()
			w.inspect(d)
		}
	}
}

func (w *walker) inspect(root ast.Node) {
	ast.Inspect(root, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			w.inspect(n.Body)
			return false
		case *ast.GenDecl:
			if n.Tok == token.CONST {
				w.constants(n)
				return false
			}
			return n.Tok == token.VAR
		case *ast.ArrayType:
			return false // its length has to be constant
		case *ast.CompositeLit:
			w.composite(n)
			return false
		case ast.Stmt:
			return w.statement(n)
		case ast.Expr:
			return w.expression(n)
		}
		return true
	})
}
