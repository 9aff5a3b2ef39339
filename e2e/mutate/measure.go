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
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// results says of each of a package's mutants what came of it.
type results struct {
	killed, reached []bool
}

// slack is what a test may take longer than its ten times, because it starts late, before it counts as one that hangs.
const slack = 5 * time.Second

// rounds are how long a test takes alone to be run before others: most changes are killed by one of the quick ones, and a
// slow one is not even started then.
var rounds = []time.Duration{100 * time.Millisecond, time.Second, 10 * time.Second, math.MaxInt64}

// bench is a package's test program with all mutants in it.
type bench struct {
	*pkg
	flags  []string // for its tests
	slack  time.Duration
	folder string
	binary string
	keep   string // a folder for what tests may build once and use in every run
	tests  []test

	mu      sync.Mutex          // guards killers
	killers map[string][]string // by place of a change: the tests that noticed one there, the last first
}

// test is one test function, and how long it takes.
type test struct {
	name    string
	took    time.Duration
	reaches map[int]bool
}

func measure(p *pkg, sel selection, slack time.Duration, workers int, log io.Writer, chosen []int) (results, error) {
	folder, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return results{}, err
	}
	defer os.RemoveAll(folder)
	b := &bench{pkg: p, flags: sel.flags, slack: slack, folder: folder, binary: filepath.Join(folder, "all.test"), keep: filepath.Join(folder, "keep")}
	if err := os.Mkdir(b.keep, 0o777); err != nil {
		return results{}, err
	}
	if err := b.compile(b.binary, nil); err != nil {
		return results{}, err
	}
	if err := b.survey(sel.files); err != nil {
		return results{}, err
	}
	r := results{make([]bool, len(p.mutants)), make([]bool, len(p.mutants))}
	fmt.Fprintf(os.Stderr, "%s: %d tests take %.1f s one after the other\n", p.path, len(b.tests), b.took().Seconds())
	todo := make(chan int)
	var wg sync.WaitGroup
	var broken sync.Map
	for range workers {
		wg.Go(func() {
			for i := range todo {
				var err error
				if r.killed[i], r.reached[i], err = b.try(i); err != nil {
					broken.Store(i, err)
				}
				if log != nil {
					fmt.Fprintf(log, "%v\t%v\t%s\n", r.killed[i], r.reached[i], p.mutants[i].name)
				}
			}
		})
	}
	for done, i := range chosen {
		if todo <- i; done%100 == 99 {
			fmt.Fprintf(os.Stderr, "%s: %d changes made\n", p.path, done+1)
		}
	}
	close(todo)
	wg.Wait()
	broken.Range(func(_, e any) bool { err = e.(error); return false })
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
func (b *bench) survey(files []string) error {
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
func (b *bench) testsIn(files []string) (map[string]bool, error) {
	if len(files) == 0 {
		return nil, nil
	}
	names := map[string]bool{}
	for _, name := range files {
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
	cmd := exec.Command(b.binary, append([]string{"-test.run", "^" + name + "$"}, b.flags...)...)
	cmd.Dir, cmd.Env = b.dir, append(os.Environ(), "MUTATE_REACHED="+list, "MUTATE_KEEP="+b.keep)
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
	turns := [][]test{b.likely(place(m), id, m.rebuild != nil)}
	for i := range rounds {
		turns = append(turns, b.round(i, id, m.rebuild != nil))
	}
	for _, in := range turns {
		if len(in) == 0 {
			continue
		}
		by, err := b.run(binary, in, id)
		if by != "" || err != nil {
			b.noticed(place(m), by)
			return by != "", true, err
		}
		reached = true
	}
	return false, reached, nil
}

// place is the file and the function of a change.
func place(m mutant) string {
	at, _, _ := strings.Cut(m.name, ": ")
	return at
}

// mostLikely is how many tests are tried alone before all others, since they noticed other changes to the same function.
const mostLikely = 3

func (b *bench) likely(place string, id int, all bool) (in []test) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range b.killers[place] {
		at := slices.IndexFunc(b.tests, func(t test) bool { return t.name == name && (all || t.reaches[id]) })
		if at >= 0 && len(in) < mostLikely {
			in = append(in, b.tests[at])
		}
	}
	return in
}

// noticed remembers which test it was.
func (b *bench) noticed(place, by string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.killers == nil {
		b.killers = map[string][]string{}
	}
	rest := slices.DeleteFunc(b.killers[place], func(name string) bool { return name == by })
	b.killers[place] = append([]string{by}, rest...)
}

// round lists the tests of a round that reach a mutant; all reach a constant.
func (b *bench) round(n, id int, all bool) (in []test) {
	for _, t := range b.tests {
		if (all || t.reaches[id]) && t.took <= rounds[n] && (n == 0 || t.took > rounds[n-1]) {
			in = append(in, t)
		}
	}
	return in
}

// run runs some tests with a mutant, and says which of them failed, or "all" where they took too long.
func (b *bench) run(binary string, tests []test, id int) (by string, err error) {
	var names []string
	limit := b.slack
	for _, t := range tests {
		names, limit = append(names, t.name), limit+10*t.took
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	args := append([]string{"-test.failfast", "-test.v=test2json", "-test.run", "^(" + strings.Join(names, "|") + ")$"}, b.flags...)
	cmd := exec.CommandContext(ctx, binary, args...)
	out := &failing{over: cancel}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Dir, cmd.Env = b.dir, append(os.Environ(), "MUTATE_ACTIVE="+strconv.Itoa(id), "MUTATE_KEEP="+b.keep)
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && ctx.Err() == nil && !errors.As(err, &exit) {
		return "", fmt.Errorf("%s: %w\n%s", b.mutants[id-1].name, err, out.said)
	}
	if err == nil {
		return "", nil
	}
	return out.first(), nil
}

// failing ends a test program at the first test that fails: those beside it need not be waited for.
type failing struct {
	said []byte
	over func()
}

func (f *failing) Write(b []byte) (int, error) {
	from := max(0, len(f.said)-len(failed))
	if f.said = append(f.said, b...); bytes.Contains(f.said[from:], []byte(failed)) {
		f.over()
	}
	return len(b), nil
}

// first is the test that failed first, "all" where the program ended in another way.
func (f *failing) first() string {
	_, rest, _ := bytes.Cut(f.said, []byte(failed+": "))
	if end := bytes.IndexAny(rest, " /\n"); end > 0 {
		return string(rest[:end])
	}
	return "all"
}

// failed is how the testing package begins the line, in the form it has for other programs, where it comes at once.
const failed = "\x16--- FAIL"

func (b *bench) took() (all time.Duration) {
	for _, t := range b.tests {
		all += t.took
	}
	return all
}
