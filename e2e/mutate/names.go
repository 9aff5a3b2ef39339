package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

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
