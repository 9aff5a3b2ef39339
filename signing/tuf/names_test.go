package tuf_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// testNames lists the test functions of this folder.
func testNames(t *testing.T) (names []string) {
	files, err := filepath.Glob("*_test.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d test files, %v", len(files), err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && d.Recv == nil && strings.HasPrefix(d.Name.Name, "Test") {
				names = append(names, d.Name.Name)
			}
		}
	}
	return names
}

// What the threat model says in quotes of this package is an attack or a theft of that name; one that ends in … is the beginning of some.
func TestTheThreatModelNamesOurAttacks(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "threat-model.md"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, a := range attacks {
		names = append(names, a.name)
	}
	for _, th := range thefts {
		names = append(names, th.name())
	}
	quoted, found := regexp.MustCompile(`"([^"]+)"`), 0
	for line := range strings.Lines(string(page)) {
		for _, claim := range strings.Split(line, ";") {
			_, ours, ok := strings.Cut(claim, "| T ")
			if rest, begins := strings.CutPrefix(claim, " T "); begins {
				ours, ok = rest, true
			}
			for _, m := range quoted.FindAllStringSubmatch(ours, -1) {
				start, many := strings.CutSuffix(m[1], "…")
				if found++; ok && !slices.ContainsFunc(names, func(name string) bool { return name == m[1] || many && strings.HasPrefix(name, start) }) {
					t.Errorf("%q is no attack and no theft", m[1])
				}
			}
		}
	}
	if found < 8 {
		t.Errorf("only %d are named", found)
	}
}
