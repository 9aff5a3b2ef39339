package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// results says of each of a package's mutants what came of it.
type results struct {
	killed, reached []bool
}

// slack is what a test may take longer than its ten times, because it starts late.
const slack = 5 * time.Second

// bench is a package's test program with all mutants in it.
type bench struct {
	*pkg
	folder string
	binary string
	tests  []test
}

// test is one test function, and how long it takes.
type test struct {
	name    string
	took    time.Duration
	reaches map[int]bool
}

func measure(p *pkg, files string, workers int, chosen func(mutant) bool) (results, error) {
	folder, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return results{}, err
	}
	defer os.RemoveAll(folder)
	b := &bench{pkg: p, folder: folder, binary: filepath.Join(folder, "all.test")}
	if err := b.compile(b.binary, nil); err != nil {
		return results{}, err
	}
	if err := b.survey(files); err != nil {
		return results{}, err
	}
	r := results{make([]bool, len(p.mutants)), make([]bool, len(p.mutants))}
	todo := make(chan int)
	var wg sync.WaitGroup
	var failed sync.Map
	for range workers {
		wg.Go(func() {
			for i := range todo {
				var err error
				if r.killed[i], r.reached[i], err = b.try(i); err != nil {
					failed.Store(i, err)
				}
			}
		})
	}
	for i, m := range p.mutants {
		if chosen(m) {
			todo <- i
		}
	}
	close(todo)
	wg.Wait()
	failed.Range(func(_, e any) bool { err = e.(error); return false })
	return r, err
}

// compile builds the test program; change is one that needs its own.
func (b *bench) compile(binary string, m *mutant) error {
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	folder, err := os.MkdirTemp(b.folder, "src-")
	if err != nil {
		return err
	}
	put := func(name, text string) error {
		to := filepath.Join(folder, filepath.Base(name))
		overlay.Replace[name] = to
		return os.WriteFile(to, []byte(text), 0o666)
	}
	for _, f := range b.files {
		text := ""
		if m == nil {
			text = f.rewritten()
		} else if f == m.in {
			plain := file{src: f.src}
			text = plain.rewritten(*m.rebuild)
		} else {
			continue
		}
		if err := put(f.name, text); err != nil {
			return err
		}
	}
	if m == nil {
		text := "package " + b.name + "\n"
		for i, path := range b.imports {
			text += fmt.Sprintf("import mutPkg%d %q\n", i, path)
		}
		text += fmt.Sprintf("%s\nconst mutCount = %d\n%s\n", helpers, len(b.mutants), strings.Join(b.aliases, "\n"))
		if err := put(filepath.Join(b.dir, "mutate_helpers.go"), text); err != nil {
			return err
		}
	}
	list, err := json.Marshal(overlay)
	if err != nil {
		return err
	}
	name := filepath.Join(folder, "overlay.json")
	if err := os.WriteFile(name, list, 0o666); err != nil {
		return err
	}
	_, err = goCommand("test", "-c", "-vet=off", "-overlay", name, "-o", binary, "./"+b.path)
	return err
}

// survey runs each test alone, without a change, and notes what it reaches.
func (b *bench) survey(files string) error {
	cmd := exec.Command(b.binary, "-test.list", ".")
	cmd.Dir = b.dir
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("list tests: %w", err)
	}
	chosen, err := b.testsIn(files)
	if err != nil {
		return err
	}
	for _, name := range strings.Fields(string(out)) {
		if !strings.HasPrefix(name, "Test") && !strings.HasPrefix(name, "Fuzz") || chosen != nil && !chosen[name] {
			continue
		}
		t, err := b.alone(name)
		if err != nil {
			return err
		}
		b.tests = append(b.tests, t)
	}
	if len(b.tests) == 0 {
		return errors.New("no tests")
	}
	return nil
}

// testsIn lists the tests of some files, nil for all.
func (b *bench) testsIn(files string) (map[string]bool, error) {
	if files == "" {
		return nil, nil
	}
	names := map[string]bool{}
	for _, name := range strings.Split(files, ",") {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(b.dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, d := range f.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				names[f.Name.Name] = true
			}
		}
	}
	return names, nil
}

func (b *bench) alone(name string) (test, error) {
	list := filepath.Join(b.folder, name)
	cmd := exec.Command(b.binary, "-test.run", "^"+name+"$")
	cmd.Dir, cmd.Env = b.dir, append(os.Environ(), "MUTATE_REACHED="+list)
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return test{}, fmt.Errorf("%s fails without any change: %w\n%s", name, err, out)
	}
	t := test{name: name, took: time.Since(start), reaches: map[int]bool{}}
	data, err := os.ReadFile(list)
	if errors.Is(err, os.ErrNotExist) {
		return t, nil
	}
	for _, line := range strings.Fields(string(data)) {
		id, err := strconv.Atoi(line)
		if err != nil {
			return test{}, err
		}
		t.reaches[id] = true
	}
	return t, err
}

// try runs the tests that reach a mutant, until one of them fails.
func (b *bench) try(i int) (killed, reached bool, err error) {
	id, m, binary := i+1, b.mutants[i], b.binary
	if m.rebuild != nil {
		binary = filepath.Join(b.folder, strconv.Itoa(id)+".test")
		defer os.Remove(binary)
		if err := b.compile(binary, &m); err != nil {
			return true, true, nil // what does not compile is noticed
		}
	}
	var names []string
	limit := slack
	for _, t := range b.tests {
		if m.rebuild != nil || t.reaches[id] {
			names, limit = append(names, t.name), limit+10*t.took
		}
	}
	if len(names) == 0 {
		return false, false, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "-test.failfast", "-test.run", "^("+strings.Join(names, "|")+")$")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Dir, cmd.Env = b.dir, append(os.Environ(), "MUTATE_ACTIVE="+strconv.Itoa(id))
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && ctx.Err() == nil && !errors.As(err, &exit) {
		return false, true, fmt.Errorf("%s: %w\n%s", m.name, err, out.Bytes())
	}
	return err != nil, true, nil
}
