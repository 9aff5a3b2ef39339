package archtest

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The pages name tests in backticks, and say which package they are of: "`TestX`, `TestY` in `stub`". T stands for signing/tuf.
var (
	testName   = regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z0-9]*)`")
	folderName = regexp.MustCompile("(?:in|and) `([a-z/]+)`")
	rowName    = regexp.MustCompile(`"([^"]+)"`)
)

// suite is what the test files of one package hold: functions, and texts, among which are the names of rows.
type suite struct{ tests, texts map[string]bool }

// TestWhatDocsNameExists: a page that names a test as proof names one that is there; the threat model also where it is, and of which row.
func TestWhatDocsNameExists(t *testing.T) {
	root := filepath.Join("..", "..")
	suites := suitesBelow(t, root)
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(pages)+len(more) < 20 {
		t.Fatalf("%d pages, %v", len(pages)+len(more), err)
	}
	for _, page := range slices.Concat(pages, more, []string{filepath.Join(root, "README.md")}) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range testName.FindAllStringSubmatch(string(text), -1) {
			if !slices.ContainsFunc(slices.Collect(maps.Values(suites)), func(s suite) bool { return s.tests[m[1]] }) {
				t.Errorf("%s names %s, which is no test", page, m[1])
			}
		}
	}
	named := 0
	text, err := os.ReadFile(filepath.Join(root, "docs", "threat-model.md"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) < 3 || !testName.MatchString(line) {
			continue
		}
		for _, claim := range strings.Split(cells[len(cells)-2], ";") {
			named += checkClaim(t, suites, claim)
		}
	}
	if named < 60 {
		t.Errorf("only %d tests and rows are named in the threat model", named)
	}
}

// checkClaim looks one claim up in the packages it names, and counts what it names there.
func checkClaim(t *testing.T, suites map[string]suite, claim string) (named int) {
	folders := []string{"signing/tuf"}
	if m := folderName.FindAllStringSubmatch(claim, -1); m != nil {
		folders = nil
		for _, f := range m {
			folders = append(folders, f[1])
		}
	}
	for _, folder := range folders {
		s, ok := suites[folder]
		if !ok {
			t.Errorf("%q: %s has no tests", claim, folder)
			continue
		}
		for _, m := range testName.FindAllStringSubmatch(claim, -1) {
			if named++; !s.tests[m[1]] {
				t.Errorf("%q: no %s in %s", claim, m[1], folder)
			}
		}
		if folder == "signing/tuf" {
			continue // which looks for them itself: its names are put together
		}
		for _, m := range rowName.FindAllStringSubmatch(claim, -1) {
			if named++; !s.says(m[1]) {
				t.Errorf("%q: no %q in %s", claim, m[1], folder)
			}
		}
	}
	return named
}

// says reports whether a text stands in a package's tests, or one that begins so where it ends in ….
func (s suite) says(row string) bool {
	start, many := strings.CutSuffix(row, "…")
	if !many {
		return s.texts[row]
	}
	return slices.ContainsFunc(slices.Collect(maps.Keys(s.texts)), func(text string) bool { return strings.HasPrefix(text, start) })
}

// suitesBelow reads all test files of the module.
func suitesBelow(t *testing.T, root string) map[string]suite {
	suites := map[string]suite{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && name != root {
			return nil // something that another test made for a moment, and took away again
		}
		if err != nil || d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != ".." {
			return skipOr(err)
		}
		if d.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return nil
		}
		folder, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			return err
		}
		s, ok := suites[filepath.ToSlash(folder)]
		if !ok {
			s = suite{map[string]bool{}, map[string]bool{}}
			suites[filepath.ToSlash(folder)] = s
		}
		return s.read(name)
	})
	if err != nil {
		t.Fatal(err)
	}
	return suites
}

func skipOr(err error) error {
	if err != nil {
		return err
	}
	return filepath.SkipDir
}

func (s suite) read(name string) error {
	f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			s.tests[n.Name.Name] = s.tests[n.Name.Name] || n.Recv == nil
		case *ast.BasicLit:
			if text, err := strconv.Unquote(n.Value); n.Kind == token.STRING && err == nil {
				s.texts[text] = true
			}
		}
		return true
	})
	return nil
}
