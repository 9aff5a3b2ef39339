package main

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
)

// composite leaves types and constant keys alone.
func (w *walker) composite(n *ast.CompositeLit) {
	_, isMap := types.Unalias(w.info.TypeOf(n)).Underlying().(*types.Map)
	for _, e := range n.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok && !isMap {
			e = kv.Value
		}
		w.inspect(e)
	}
}

func (w *walker) expression(n ast.Expr) bool {
	if tv := w.info.Types[n]; tv.Value != nil {
		w.number(n, tv)
		return false
	}
	switch n := n.(type) {
	case *ast.BinaryExpr:
		w.binary(n)
	case *ast.UnaryExpr:
		if n.Op == token.NOT {
			w.negate(n)
		}
	case *ast.CallExpr:
		return w.call(n)
	}
	return true
}

// call leaves capacities alone, the base of numbers made text, and what is a type.
func (w *walker) call(n *ast.CallExpr) bool {
	if f := types.ExprString(n.Fun); f == "strconv.FormatInt" || f == "strconv.FormatUint" {
		w.inspect(n.Args[0])
		return false
	}
	if w.info.Types[n.Fun].IsType() {
		w.inspect(n.Args[0])
		return false
	}
	if id, ok := n.Fun.(*ast.Ident); ok && id.Name == "make" {
		if len(n.Args) == 2 {
			w.inspect(n.Args[1])
		}
		return false
	}
	return true
}

func (w *walker) binary(n *ast.BinaryExpr) {
	parts := []ast.Node{n.X, n.Y}
	switch n.Op {
	case token.LAND, token.LOR:
		id := w.add(n, w.text(n)+" → "+map[token.Token]string{token.LAND: "||", token.LOR: "&&"}[n.Op])
		w.change(w.f, n, parts, func(p []string) string {
			return fmt.Sprintf("mut%s(%d, %s, func() bool { return %s })", name(n.Op), id, p[0], p[1])
		})
	case token.EQL, token.NEQ:
		w.negate(n)
	case token.LSS, token.LEQ, token.GTR, token.GEQ:
		not := w.add(n, w.text(n)+" → not")
		id := w.add(n, w.text(n)+" → "+boundary[n.Op].String())
		w.change(w.f, n, parts, func(p []string) string {
			return fmt.Sprintf("mutBool(%d, mut%s(%d, %s, %s))", not, name(n.Op), id, p[0], p[1])
		})
	default:
		to, ok := arithmetic[n.Op]
		if !ok || !numeric(w.info.TypeOf(n)) {
			return
		}
		id := w.add(n, w.text(n)+" → "+to.String())
		instance := ""
		if n.Op == token.SHL || n.Op == token.SHR {
			instance = "[" + w.typeName(n) + "]"
		}
		w.change(w.f, n, parts, func(p []string) string {
			return fmt.Sprintf("mut%s%s(%d, %s, %s)", name(n.Op), instance, id, p[0], p[1])
		})
	}
}

// number changes a constant expression that has digits in it.
func (w *walker) number(n ast.Expr, tv types.TypeAndValue) {
	if tv.Value.Kind() != constant.Int || !numeric(tv.Type) || !digits(n) {
		return
	}
	function, to := "mutInt", "one more"
	if isDuration(tv.Type) {
		if constant.Sign(tv.Value) == 0 {
			return // twice nothing is nothing
		}
		function, to = "mutTwice", "doubled"
	}
	id := w.add(n, w.text(n)+" → "+to)
	typed := w.typeName(n)
	w.change(w.f, n, nil, func([]string) string { return fmt.Sprintf("%s[%s](%d, %s)", function, typed, id, w.text(n)) })
}

// constants changes the numbers of a const declaration, one compilation each.
func (w *walker) constants(n *ast.GenDecl) {
	for _, spec := range n.Specs {
		spec := spec.(*ast.ValueSpec)
		for i, e := range spec.Values {
			tv := w.info.Types[e]
			if tv.Value == nil || tv.Value.Kind() != constant.Int || !digits(e) {
				continue
			}
			more, to := " + 1", "one more"
			if isDuration(tv.Type) {
				more, to = " * 2", "doubled"
			}
			w.add(spec, spec.Names[i].Name+" = "+w.text(e)+" → "+to)
			change := w.edit(e, nil, func([]string) string { return "(" + w.text(e) + ")" + more })
			w.mutants[len(w.mutants)-1].rebuild = &change
		}
	}
}

func isDuration(t types.Type) bool { return types.TypeString(t, nil) == "time.Duration" }

// digits reports whether an expression has a whole number, and no iota, in it.
func digits(e ast.Expr) bool {
	found, iota := false, false
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			found = found || n.Kind == token.INT
		case *ast.Ident:
			iota = iota || n.Name == "iota"
		}
		return true
	})
	return found && !iota
}

func numeric(t types.Type) bool {
	b, ok := types.Unalias(t).Underlying().(*types.Basic)
	return ok && b.Info()&types.IsInteger != 0
}
