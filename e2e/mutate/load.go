package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// pkg is a package and every change that can be made to it.
type pkg struct {
	path    string // below the module
	dir     string
	name    string
	fset    *token.FileSet
	info    *types.Info
	types   *types.Package
	files   []*file
	mutants []mutant
	imports []string // of packages whose types the helpers need a name for
	aliases []string
}

type file struct {
	name  string // absolute
	src   []byte
	ast   *ast.File
	edits []edit
}

// mutant is one change. Its number is its place in pkg.mutants, counted from 1.
type mutant struct {
	name    string // stable: package/file function: what becomes what
	where   string // file:line
	rebuild *edit  // a change to a constant: compiled on its own
	in      *file
}

// load reads, checks and walks a package as the go command builds it here.
func load(path string) (*pkg, error) {
	var listed struct {
		Dir, Name, ImportPath string
		GoFiles               []string
		Module                struct{ Path string }
	}
	out, err := goCommand("list", "-json", "./"+path)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(out, &listed); err != nil {
		return nil, err
	}
	p := &pkg{path: path, dir: listed.Dir, name: listed.Name, fset: token.NewFileSet()}
	var asts []*ast.File
	for _, name := range listed.GoFiles {
		f := &file{name: filepath.Join(p.dir, name)}
		if f.src, err = os.ReadFile(f.name); err != nil {
			return nil, err
		}
		if f.ast, err = parser.ParseFile(p.fset, f.name, f.src, parser.SkipObjectResolution); err != nil {
			return nil, err
		}
		if ast.IsGenerated(f.ast) {
			continue
		}
		p.files, asts = append(p.files, f), append(asts, f.ast)
	}
	exports, err := exportData(path)
	if err != nil {
		return nil, err
	}
	lookup := func(path string) (io.ReadCloser, error) {
		name, ok := exports[path]
		if !ok {
			return nil, fmt.Errorf("no export data of %s", path)
		}
		return os.Open(name)
	}
	p.info = &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: importer.ForCompiler(p.fset, "gc", lookup)}
	if p.types, err = config.Check(listed.ImportPath, p.fset, asts, p.info); err != nil {
		return nil, err
	}
	for _, f := range p.files {
		p.walk(f)
	}
	return p, nil
}

// exportData is where the compiler left what it knows of the packages that path imports.
func exportData(path string) (map[string]string, error) {
	out, err := goCommand("list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}", "./"+path)
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if name, export, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok && export != "" {
			files[name] = export
		}
	}
	return files, nil
}

func goCommand(args ...string) ([]byte, error) {
	var stderr bytes.Buffer
	cmd := exec.Command("go", args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w\n%s%s", args[0], err, out, stderr.Bytes())
	}
	return out, nil
}
