package main

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The changes. They are what a slip of the hand, or somebody who wants a check gone,
// would do in one line:
//
//	boundary    <  ↔  <=      >  ↔  >=
//	negate      a comparison, a condition, a !, a boolean result: its opposite
//	logic       &&  ↔  ||
//	arithmetic  +  ↔  -    *  ↔  /    %  →  *    <<  ↔  >>    &  ↔  |    ^ and &^  →  &    ++  ↔  --
//	constant    a whole number in an expression or a declaration: one more; a duration: doubled
//	result      a returned error, pointer, slice, map: nil; text: ""; a number: one more
//	remove      a call, an assignment, a send, a defer, break, continue, or a bare return: gone
//
// Left alone: text and what only makes text (what is wrong is said in words everywhere,
// and no test should pin each of them), characters, iota lists, names of constants,
// structs, capacities, and numbers that are returned beside an error.

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

func functionName(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return d.Name.Name
	}
	t := d.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	return types.ExprString(t) + "." + d.Name.Name
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

// statement plans what is done to a statement as a whole, and says whether to look
// into it.
func (w *walker) statement(n ast.Stmt) bool {
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

func numeric(t types.Type) bool {
	b, ok := types.Unalias(t).Underlying().(*types.Basic)
	return ok && b.Info()&types.IsInteger != 0
}

// typeName is an expression's type by a name that every file of the package has: for
// one of another package the helpers make an alias.
func (w *walker) typeName(e ast.Expr) string {
	t := types.Default(types.Unalias(w.info.TypeOf(e)))
	named, ok := t.(*types.Named)
	if !ok || named.Obj().Pkg() == w.types {
		return types.TypeString(t, func(*types.Package) string { return "" })
	}
	path := named.Obj().Pkg().Path()
	i := slices.Index(w.imports, path)
	if i < 0 {
		i, w.imports = len(w.imports), append(w.imports, path)
	}
	alias := fmt.Sprintf("type mut%d%s = mutPkg%d.%s", i, named.Obj().Name(), i, named.Obj().Name())
	if !slices.Contains(w.aliases, alias) {
		w.aliases = append(w.aliases, alias)
	}
	return fmt.Sprintf("mut%d%s", i, named.Obj().Name())
}

// add makes a mutant and gives its number.
func (w *walker) add(n ast.Node, what string) int {
	at := w.fset.Position(n.Pos())
	label := fmt.Sprintf("%s/%s %s: %s", w.path, filepath.Base(at.Filename), w.function, oneLine(what))
	if w.seen[label]++; w.seen[label] > 1 {
		label += " #" + strconv.Itoa(w.seen[label])
	}
	w.mutants = append(w.mutants, mutant{name: label, where: fmt.Sprintf("%s:%d", filepath.Base(at.Filename), at.Line), in: w.f})
	return len(w.mutants)
}

func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if from, to, ok := strings.Cut(s, " → "); ok && len(from) > 100 {
		return from[:60] + " … " + from[len(from)-30:] + " → " + to
	}
	return s
}

func (p *pkg) offset(pos token.Pos) int { return p.fset.Position(pos).Offset }

func (w *walker) text(n ast.Node) string {
	return string(w.f.src[w.offset(n.Pos()):w.offset(n.End())])
}

// name is an operator's name in the helpers' names.
func name(op token.Token) string {
	return map[token.Token]string{
		token.LSS: "Lss", token.LEQ: "Leq", token.GTR: "Gtr", token.GEQ: "Geq", token.LAND: "And", token.LOR: "Or",
		token.ADD: "Add", token.SUB: "Sub", token.MUL: "Mul", token.QUO: "Quo", token.REM: "Rem", token.SHL: "Shl", token.SHR: "Shr",
		token.AND: "BitAnd", token.OR: "BitOr", token.XOR: "Xor", token.AND_NOT: "AndNot", token.INC: "Inc", token.DEC: "Dec",
	}[op]
}
