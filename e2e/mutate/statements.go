package main

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"strings"
)

// statement plans what is done to a statement as a whole, and says whether to look
// into it.
func (w *walker) statement(n ast.Stmt) bool {
	if w.logs(n) {
		return false
	}
	switch n := n.(type) {
	case *ast.ExprStmt, *ast.SendStmt, *ast.DeferStmt:
		w.remove(n)
	case *ast.AssignStmt:
		w.assignment(n)
		return n.Tok == token.ASSIGN || n.Tok == token.DEFINE
	case *ast.IncDecStmt:
		to := "--"
		if n.Tok == token.DEC {
			to = "++"
		}
		id := w.add(n, w.text(n)+" → "+w.text(n.X)+to)
		w.change(w.f, n, nil, func([]string) string {
			return fmt.Sprintf("%s = mutStep%s(%d, %s)", w.text(n.X), name(n.Tok), id, w.text(n.X))
		})
		return false
	case *ast.BranchStmt:
		if n.Tok == token.BREAK || n.Tok == token.CONTINUE {
			w.remove(n)
		}
	case *ast.ReturnStmt:
		if len(n.Results) == 0 {
			w.remove(n)
			return false
		}
		w.returns(n)
		return false
	case *ast.IfStmt:
		w.condition(n.Cond)
	case *ast.ForStmt:
		// The parts between the semicolons are no place for an if.
		for _, part := range []ast.Stmt{n.Init, n.Post} {
			if _, ok := part.(*ast.IncDecStmt); ok {
				w.inspect(part)
			}
		}
		if n.Cond != nil {
			w.condition(n.Cond)
			w.inspect(n.Cond)
		}
		w.inspect(n.Body)
		return false
	case *ast.SwitchStmt:
		w.simple(n.Init)
		if n.Tag != nil {
			w.inspect(n.Tag)
		}
		w.inspect(n.Body)
		return false
	case *ast.TypeSwitchStmt:
		w.inspect(n.Body)
		return false
	case *ast.CommClause:
		for _, s := range n.Body {
			w.inspect(s)
		}
		return false
	case *ast.DeclStmt, *ast.LabeledStmt:
		return true
	}
	if i, ok := n.(*ast.IfStmt); ok {
		w.simple(i.Init)
		w.inspect(i.Cond)
		w.inspect(i.Body)
		if i.Else != nil {
			w.inspect(i.Else)
		}
		return false
	}
	return true
}

// simple looks into the statement before an if's or a switch's semicolon.
func (w *walker) simple(n ast.Stmt) {
	if a, ok := n.(*ast.AssignStmt); ok {
		for _, e := range a.Rhs {
			w.inspect(e)
		}
	}
}

func (w *walker) remove(n ast.Stmt) {
	if e, ok := n.(*ast.ExprStmt); ok {
		call, isCall := e.X.(*ast.CallExpr)
		if !isCall || types.ExprString(call.Fun) == "panic" {
			return
		}
	}
	id := w.add(n, w.text(n)+" → nothing")
	w.change(w.f, n, []ast.Node{n}, func(parts []string) string { return fmt.Sprintf("if mutOff(%d) { %s }", id, parts[0]) })
}

// logs reports whether a statement does nothing but say something to a log.
func (w *walker) logs(n ast.Stmt) bool {
	e, ok := n.(*ast.ExprStmt)
	if !ok {
		return false
	}
	call, ok := e.X.(*ast.CallExpr)
	if !ok {
		return false
	}
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	t := w.info.TypeOf(method.X)
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem()
	}
	named, ok := t.(*types.Named)
	if !ok || named.Obj().Pkg() == nil {
		return false
	}
	switch o := named.Obj(); o.Pkg().Path() {
	case w.types.Path():
		return o.Name() == "logger" && !strings.HasPrefix(w.function, "logger.")
	case "log/slog":
		return o.Name() == "Logger"
	}
	return false
}

func (w *walker) assignment(n *ast.AssignStmt) {
	switch {
	case n.Tok == token.ASSIGN:
		if len(n.Lhs) == 1 && types.ExprString(n.Lhs[0]) == "_" {
			return
		}
		w.remove(n)
	case n.Tok != token.DEFINE:
		op := n.Tok - token.ADD_ASSIGN + token.ADD
		if to, ok := arithmetic[op]; ok && numeric(w.info.TypeOf(n.Lhs[0])) {
			id := w.add(n, w.text(n)+" → "+to.String()+"=")
			left := w.text(n.Lhs[0])
			w.change(w.f, n, []ast.Node{n.Rhs[0]}, func(parts []string) string {
				return fmt.Sprintf("%s = mut%s(%d, %s, %s)", left, name(op), id, left, parts[0])
			})
			w.inspect(n.Rhs[0])
			return
		}
		w.remove(n)
		w.inspect(n.Rhs[0])
	}
}

// condition negates one that nothing else here changes.
func (w *walker) condition(cond ast.Expr) {
	if !w.changes(cond) {
		w.negate(cond)
	}
}

// changes reports whether expression plans an opposite for e.
func (w *walker) changes(e ast.Expr) bool {
	switch e := ast.Unparen(e).(type) {
	case *ast.BinaryExpr:
		return true
	case *ast.UnaryExpr:
		return e.Op == token.NOT
	}
	return false
}

func (w *walker) negate(e ast.Expr) {
	id := w.add(e, w.text(e)+" → not")
	w.change(w.f, e, []ast.Node{e}, func(parts []string) string { return fmt.Sprintf("mutBool(%d, %s)", id, parts[0]) })
}

// returns changes each result, but not those that come with an error.
func (w *walker) returns(n *ast.ReturnStmt) {
	for i, e := range n.Results {
		beside := w.withError(n, i)
		if w.isError(e) {
			id := w.add(e, "return "+w.text(e)+" → nil")
			w.change(w.f, e, []ast.Node{e}, func(p []string) string { return fmt.Sprintf("mutErr(%d, %s)", id, p[0]) })
		} else if !beside {
			w.result(e)
		}
		if !beside || w.info.Types[e].Value == nil {
			w.inspect(e)
		}
	}
}

func (w *walker) withError(n *ast.ReturnStmt, but int) bool {
	for i, e := range n.Results {
		if i != but && w.isError(e) {
			return true
		}
	}
	return false
}

// isError reports whether e is an error and not nil itself.
func (w *walker) isError(e ast.Expr) bool {
	t := w.info.TypeOf(e)
	errorType := types.Universe.Lookup("error").Type()
	if _, tuple := t.(*types.Tuple); tuple || t == nil || w.info.Types[e].IsNil() {
		return false
	}
	return types.Implements(t, errorType.Underlying().(*types.Interface))
}

func (w *walker) result(e ast.Expr) {
	tv := w.info.Types[e]
	if tv.IsNil() || tv.Type == nil {
		return
	}
	plan := func(function, to string) {
		id := w.add(e, "return "+w.text(e)+" → "+to)
		w.change(w.f, e, []ast.Node{e}, func(p []string) string { return fmt.Sprintf("%s(%d, %s)", function, id, p[0]) })
	}
	switch t := types.Unalias(tv.Type).Underlying().(type) {
	case *types.Basic:
		switch {
		case t.Info()&types.IsBoolean != 0 && types.Identical(types.Default(tv.Type), types.Typ[types.Bool]) && !w.changes(e):
			plan("mutBool", "not")
		case t.Info()&types.IsString != 0 && (tv.Value == nil || constant.StringVal(tv.Value) != "") && types.Identical(types.Default(tv.Type), types.Typ[types.String]):
			plan("mutText", `""`)
		case numeric(tv.Type) && tv.Value == nil:
			plan("mutMore", "one more")
		}
	case *types.Pointer, *types.Slice, *types.Map:
		plan("mutZero", "nil")
	}
}
