// Command mutate measures the tests of a package: it makes one small change after
// the other to the package's code and counts those that no test notices. `make
// mutate` runs it over what nothing may break; docs/mutation.md has the results,
// and the reason for each change that survives.
//
//	mutate [-list FILE] [-hand FILE] [-only FILE] [-sample N -seed S] [-log FILE] [-workers N] [-show] PACKAGE[:FILE,...[:FLAG,...]] ...
//
// With files only the tests in them are run, where a package has slow ones too; flags
// are for the tests. The file of -hand has changes that somebody thought of (hand.go);
// they come first. The file of -only names changes, one a line as -show does: the others
// are not made. -sample makes so many of those that are left, drawn by -seed, and says
// within what bounds the share of all of them lies. To the file of -log a line is added for
// each as it is done: killed, reached, name.
//
// All changes but those to constants are compiled into one test program, each behind
// a number that the environment switches on, so a change costs one run of the
// tests that reach it and no compilation. Quick tests come first, and the first that fails
// is the last that runs. A change is killed when a test fails or takes ten times as long
// as without it; one that no test reaches survives. The exit code is 1 when a survivor is
// not on the list, when the list names one that does not survive, or when less than 95 %
// of a package's changes are killed.
//
// The changes (operators.go) are the program's version: one that is added or taken
// away changes every figure.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
)

// wanted is the share of changes that has to be killed, in percent.
const wanted = 95

func main() {
	list := flag.String("list", "", "a page that names survivors and why they may survive")
	hand := flag.String("hand", "", "a file of changes that tests by name have to notice")
	only := flag.String("only", "", "a file that names the changes to make")
	sample := flag.Int("sample", 0, "how many changes to make, 0 = all")
	seed := flag.Uint64("seed", 1, "which ones")
	log := flag.String("log", "", "a file for what comes of each change, while it comes")
	workers := flag.Int("workers", runtime.NumCPU(), "tests that run at the same time")
	show := flag.Bool("show", false, "list the changes and stop")
	flag.Parse()
	ok, err := byHand(*hand)
	if err == nil {
		var all bool
		all, err = run(*list, choice{*only, *sample, *seed}, *log, *workers, *show, flag.Args())
		ok = ok && all
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

func run(list string, c choice, log string, workers int, show bool, packages []string) (bool, error) {
	excused, err := readList(list)
	if err != nil {
		return false, err
	}
	var to io.Writer
	if log != "" {
		f, err := os.OpenFile(log, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666)
		if err != nil {
			return false, err
		}
		defer f.Close()
		to = f
	}
	ok := true
	for _, arg := range packages {
		sel := selectionOf(arg)
		p, err := load(sel.path)
		if err != nil {
			return false, fmt.Errorf("%s: %w", sel.path, err)
		}
		chosen, err := c.of(p.mutants)
		if err != nil {
			return false, err
		}
		if show {
			slices.Sort(chosen)
			for _, i := range chosen {
				fmt.Println(p.mutants[i].name)
			}
			continue
		}
		r, err := measure(p, sel, slack, workers, to, chosen)
		if err != nil {
			return false, fmt.Errorf("%s: %w", sel.path, err)
		}
		ok = report(p, r, excused, chosen) && ok
	}
	return ok, nil
}

// readList takes the names of survivors from a page: what is between the first two
// backticks of each list item.
func readList(file string) (map[string]bool, error) {
	names := map[string]bool{}
	if file == "" {
		return names, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "- ``"); ok {
			name, _, _ := strings.Cut(rest, "``")
			names[strings.TrimSpace(name)] = true
		}
	}
	return names, nil
}

// report prints one package's result and says whether it is good enough.
func report(p *pkg, r results, excused map[string]bool, chosen []int) bool {
	var survived, unknown []string
	slices.Sort(chosen)
	for _, i := range chosen {
		m := p.mutants[i]
		if r.killed[i] {
			continue
		}
		survived = append(survived, m.name)
		if !excused[m.name] {
			why := ""
			if !r.reached[i] {
				why = "   (no test reaches it)"
			}
			unknown = append(unknown, m.where+"  "+m.name+why)
		}
	}
	total := len(chosen)
	killed := total - len(survived)
	fmt.Printf("%s: %d changes, %d killed (%.1f %%), %d survived, %d of them not on the list\n",
		p.path, total, killed, 100*float64(killed)/float64(max(total, 1)), len(survived), len(unknown))
	for _, name := range unknown {
		fmt.Println("  survived:", name)
	}
	if total < len(p.mutants) {
		low, high := bounds(killed, total)
		fmt.Printf("  %d of %d changes made: of all of them %.1f to %.1f %% would be killed (95 %% confidence, if they were drawn by chance)\n",
			total, len(p.mutants), 100*low, 100*high)
		return killed*100 >= wanted*total && len(unknown) == 0
	}
	stale := false
	for name := range excused {
		if strings.HasPrefix(name, p.path+"/") && !slices.Contains(survived, name) {
			fmt.Println("  on the list, but killed or gone:", name)
			stale = true
		}
	}
	return killed*100 >= wanted*total && len(unknown) == 0 && !stale
}
