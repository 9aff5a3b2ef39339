package delta_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What docs/delta-format.md promises of the decoder, which encoder and decoder share but for package encode.
const (
	mostCode     = 2500 // lines of code, without comments and empty ones
	mostFunction = 80   // lines from func to its brace
)

// TestDecoderIsSmall counts all files that a program which applies patches compiles from here, both codecs and the frame
// around them.
func TestDecoderIsSmall(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{$d := .Dir}}{{range .GoFiles}}{{$d}}/{{.}}\n{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	code, physical, files := 0, 0, 0
	for _, path := range strings.Fields(string(out)) {
		if !strings.Contains(filepath.ToSlash(path), "/updater/delta/") {
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files++
		code += codeLines(b)
		physical += bytes.Count(b, []byte("\n"))
		for name, n := range functions(t, path, b) {
			if n > mostFunction {
				t.Errorf("%s: %s has %d lines, at most %d are right", filepath.Base(path), name, n, mostFunction)
			}
		}
	}
	t.Logf("%d files: %d lines of code, %d with comments and empty ones", files, code, physical)
	if files < 20 || code > mostCode {
		t.Errorf("%d files with %d lines of code, at most %d are right", files, code, mostCode)
	}
}

// codeLines counts the lines that have something of the language on them.
func codeLines(b []byte) int {
	set := token.NewFileSet()
	file := set.AddFile("", -1, len(b))
	var s scanner.Scanner
	s.Init(file, b, nil, 0)
	lines := map[int]bool{}
	for {
		pos, tok, text := s.Scan()
		if tok == token.EOF {
			return len(lines)
		}
		if tok == token.SEMICOLON && text == "\n" {
			continue // the scanner's own
		}
		for i := range strings.Count(text, "\n") + 1 {
			lines[file.Line(pos)+i] = true
		}
	}
}

// functions returns how long the functions of a file are.
func functions(t *testing.T, path string, b []byte) map[string]int {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, b, 0)
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string]int{}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok {
			lines[f.Name.Name] = set.Position(f.End()).Line - set.Position(f.Pos()).Line + 1
		}
	}
	return lines
}
